//! The way to the Kubernetes API server, and what holds for every call of it.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use thiserror::Error as ThisError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call that is no watch may take.
pub(crate) const CALL: Duration = Duration::from_secs(10);

/// A cluster, by a client that may watch and write what its RBAC says.
#[derive(Clone)]
pub struct Cluster(pub kube::Client);

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}

/// The cluster's address or credentials are not to be had.
#[derive(Debug, ThisError)]
#[error(
    "no way to the Kubernetes API server: run the webhook in a pod with a service account, or give --kubeconfig"
)]
pub struct NoCluster(#[source] Box<dyn Error + Send + Sync>);

impl Cluster {
    /// By a kubeconfig file, or as this process finds itself: in a pod, or with `KUBECONFIG`.
    ///
    /// # Errors
    /// If there is neither, or it cannot be used.
    pub async fn find(kubeconfig: Option<&Path>) -> Result<Self, NoCluster> {
        fn none(error: impl Into<Box<dyn Error + Send + Sync>>) -> NoCluster {
            NoCluster(error.into())
        }
        let mut config = match kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(none)?;
                let options = KubeConfigOptions::default();
                kube::Config::from_custom_kubeconfig(file, &options)
                    .await
                    .map_err(none)?
            }
            None => kube::Config::infer().await.map_err(none)?,
        };
        config.connect_timeout = Some(CONNECT);
        kube::Client::try_from(config).map(Self).map_err(none)
    }
}

/// A problem that lasts: a line of the log, and not one every few seconds.
#[derive(Debug, Default)]
pub(crate) struct Lasting(Option<String>);

impl Lasting {
    /// Whether there is one.
    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Takes note of a problem; whether it is another than before.
    pub(crate) fn is_news(&mut self, problem: &str) -> bool {
        let news = self.0.as_deref() != Some(problem);
        if news {
            self.0 = Some(problem.to_owned());
        }
        news
    }

    /// Takes note that there is none any more; whether there was one.
    pub(crate) fn is_over(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_news_once_and_again_after_its_end() {
        let mut problem = Lasting::default();
        assert!(problem.is_news("a") && problem.is_there());
        assert!(!problem.is_news("a"));
        assert!(problem.is_news("b"));
        assert!(problem.is_over() && !problem.is_there() && !problem.is_over());
        assert!(problem.is_news("b"));
    }
}
