//! Filling by the daemon, with the pod's own token.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use esi_api::v1::Reason;
use esi_client::{Budget, CallError, Client, Issued, Token};
use esi_core::{Checkpoint, NoCheckpoint, Timestamp, chain};
use tracing::warn;

use super::deliver::deliver;
use super::env::EnvDirectory;
use super::error::NodeFillError;
use super::port::{Fill, FillError, Filled};
use crate::mount::Pods;
use crate::request::{Delivery, Publish, VolumeId};
use crate::server::{Server, Servers};

/// The time of an issue, retries included. With the wait for the env directory and what rendering takes it stays
/// within the time that a volume may be filled in, itself within kubelet's two minutes.
const ISSUE: Duration = Duration::from_secs(70);
/// The time to say that a generation is visible. Nobody waits for it, and the reports repeat it.
const ACKNOWLEDGE: Duration = Duration::from_secs(10);
/// The time to give back what is not used. The next try waits for it, and would end the same by itself.
const GIVE_BACK: Duration = Duration::from_secs(4);

/// Fills volumes from the federation servers.
#[derive(Debug)]
pub struct NodeFill {
    servers: Servers,
    pods: Arc<Pods>,
    /// Of which something may have been issued that is not shown: only these are worth a call to give it back.
    unseen: Unseen,
    checkpoint: Arc<dyn Checkpoint>,
}

#[derive(Debug, Default)]
struct Unseen(Mutex<HashSet<VolumeId>>);

impl Unseen {
    fn with<T>(&self, change: impl FnOnce(&mut HashSet<VolumeId>) -> T) -> T {
        // A set of names is whole at every instant, whoever panicked with it.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl NodeFill {
    /// From these servers, below this directory of pods.
    #[must_use]
    pub fn new(servers: Servers, pods: Arc<Pods>) -> Self {
        Self {
            servers,
            pods,
            unseen: Unseen::default(),
            checkpoint: Arc::new(NoCheckpoint),
        }
    }

    /// The same, telling of its steps.
    #[must_use]
    pub fn telling(self, checkpoint: Arc<dyn Checkpoint>) -> Self {
        Self { checkpoint, ..self }
    }

    /// Issues the successor of what a volume shows, and writes it there, and the env file beside it. `root` is the
    /// root of the volume, wherever it is mounted; its descriptor is closed before this returns. The volume's lock is
    /// held. Then [`Fill::shown`] is to be called.
    ///
    /// May be dropped at any await.
    ///
    /// # Errors
    /// If readers do not see the successor: then they see what they saw before. What was issued for nothing is ended
    /// by the next issue.
    pub async fn rotate(&self, volume: &Publish, root: OwnedFd) -> Result<Filled, FillError> {
        let rotated = match (volume.delivery, volume.owner.user) {
            // What its pod can write to is no ground for root.
            (Delivery::Init, None | Some(0)) => Err(NodeFillError::Writable),
            _ => self.filled(volume, root, Reason::Rotate).await,
        };
        rotated.map_err(FillError::new)
    }

    /// Until when the pod's token for the plan's server says that it is good, if kubelet gave one.
    #[must_use]
    pub fn token(&self, volume: &Publish) -> Option<Option<Timestamp>> {
        let (_server, token) = self.pods_token(volume).ok()?;
        Some(token.expires())
    }

    async fn filled(&self, volume: &Publish, root: OwnedFd, reason: Reason) -> Result<Filled, NodeFillError> {
        let plan = Arc::new(volume.plan.clone());
        if plan.has_environ() {
            return Err(NodeFillError::ExecVariables);
        }
        let (server, client) = self.caller(volume)?;
        let checked = Arc::clone(&plan);
        blocking(move || esi_render::check(&checked).map_err(NodeFillError::Render)).await?;
        let env = plan
            .has_variables()
            .then(|| EnvDirectory::of(&self.pods, &volume.target));
        if let Some(env) = &env {
            env.ready().await?;
        }
        let Issued {
            credential,
            generation,
            expires_in,
        } = self
            .issue(volume, &client, reason)
            .await
            .map_err(|error| NodeFillError::issue(server.name().clone(), error))?;
        self.checkpoint.reach(match reason {
            Reason::Rotate => "rotate/issued",
            _ => "fill/issued",
        });
        // A caller that has gone is told to the thread: it must not write over what a later try writes.
        let waited_for = Arc::new(());
        let still_waited_for = Arc::downgrade(&waited_for);
        let owner = volume.owner;
        blocking(move || {
            if still_waited_for.strong_count() == 0 {
                return Err(NodeFillError::Stopped);
            }
            deliver(&plan, owner, (generation, &credential), root, env.as_ref())
        })
        .await?;
        drop(waited_for);
        Ok(Filled {
            generation,
            expires_in,
        })
    }

    /// The plan's server, called as the pod.
    fn caller(&self, volume: &Publish) -> Result<(Arc<Server>, Client), NodeFillError> {
        let (server, token) = self.pods_token(volume)?;
        let client = server.of_pod(token);
        Ok((server, client))
    }

    fn pods_token(&self, volume: &Publish) -> Result<(Arc<Server>, Token), NodeFillError> {
        let server = self.servers.get(&volume.plan.server)?;
        let token = volume.tokens.get(server.audience());
        let token = token.ok_or_else(|| NodeFillError::NoToken {
            server: server.name().clone(),
            audience: server.audience().to_owned(),
        })?;
        let token = Token::parse(token).map_err(|source| NodeFillError::BadToken {
            server: server.name().clone(),
            source,
        })?;
        Ok((server, token))
    }

    async fn issue(&self, volume: &Publish, client: &Client, reason: Reason) -> Result<Issued, CallError> {
        // A successor is never given back: the binding's older credential would go with it.
        if reason == Reason::Start {
            self.unseen.with(|unseen| unseen.insert(volume.id.clone()));
        }
        let issued = client.issue(&volume.plan, reason, Budget::of(ISSUE)).await;
        if issued.as_ref().is_err_and(CallError::did_nothing) {
            self.unseen.with(|unseen| unseen.remove(&volume.id));
        }
        issued
    }
}

#[async_trait]
impl Fill for NodeFill {
    async fn fill(&self, volume: &Publish, root: OwnedFd) -> Result<Filled, FillError> {
        self.filled(volume, root, Reason::Start)
            .await
            .map_err(FillError::new)
    }

    async fn shown(&self, volume: &Publish, filled: &Filled) {
        self.unseen.with(|unseen| unseen.remove(&volume.id));
        let told = match self.caller(volume) {
            Err(error) => Err(chain(&error)),
            Ok((_server, client)) => client
                .acknowledge(&volume.plan.binding, filled.generation, Budget::of(ACKNOWLEDGE))
                .await
                .map_err(|error| chain(&error)),
        };
        if let Err(error) = told {
            warn!(volume = %volume.id, error, "the server was not told yet that a volume is visible");
        }
    }

    async fn give_back(&self, volume: &Publish) {
        if !self.unseen.with(|unseen| unseen.remove(&volume.id)) {
            return;
        }
        let given_back = match self.caller(volume) {
            Err(error) => Err(chain(&error)),
            Ok((_server, client)) => client
                .revoke(&volume.plan.binding, Budget::of(GIVE_BACK))
                .await
                .map_err(|error| chain(&error)),
        };
        if let Err(error) = given_back {
            warn!(volume = %volume.id, error, "a credential that no pod saw could not be given back: the next issue ends it, or its time to live");
        }
    }
}

/// Does what blocks, on a thread for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeFillError> + Send + 'static,
) -> Result<T, NodeFillError> {
    let done = tokio::task::spawn_blocking(work);
    done.await.map_err(|_panicked| NodeFillError::Stopped)?
}
