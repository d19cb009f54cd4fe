//! The way to the Kubernetes API server.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::AppError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// A client by a kubeconfig file, or as this process finds itself: in a pod, or with `KUBECONFIG`.
///
/// # Errors
/// If there is neither, or it cannot be used.
pub async fn client(kubeconfig: Option<&Path>) -> Result<kube::Client, AppError> {
    fn wrong(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AppError {
        AppError::Cluster(error.into())
    }
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(wrong)?;
            let options = KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(wrong)?
        }
        None => kube::Config::infer().await.map_err(wrong)?,
    };
    config.connect_timeout = Some(CONNECT);
    kube::Client::try_from(config).map_err(wrong)
}
