//! The task that keeps the authorities in the Secret and the bundle in place.

use std::sync::Arc;
use std::time::Duration;

use esi_core::{Clock, chain};
use esi_runtime::tls::Authority;
use esi_runtime::{Blocker, Shutdown, TlsError};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Authorities;
use super::bundle::Bundle;
use super::secret::{Damaged, SecretPlace, Store, Stored};
use crate::cluster::{CALL, Lasting};
use crate::metrics::Metrics;

/// How often the cluster is looked at: two small GETs. A `caBundle` that somebody overwrote is mended that soon.
const POLL: Duration = Duration::from_secs(10);
/// How long a start waits for the API server: it may be restarting too.
const START: Duration = Duration::from_secs(60);
/// Between two attempts of a start.
const AGAIN: Duration = Duration::from_secs(1);
/// Replicas that start together race for one Secret: one wins, and the others read it at the second attempt.
const ATTEMPTS: usize = 5;

/// Where the authorities are kept, and who must trust them.
#[derive(Debug, Clone)]
pub struct KeeperConfig {
    /// The Secret.
    pub secret: SecretPlace,
    /// The name of the MutatingWebhookConfiguration.
    pub webhook_configuration: String,
}

/// Why the authorities cannot be kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// The API server refuses, or cannot be reached.
    #[error("{what} could not be {done}: check that the API server is reachable, and the webhook's RBAC")]
    Api {
        /// Which object.
        what: String,
        /// What was wanted.
        done: &'static str,
        /// What it says.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server does not answer.
    #[error("the API server did not answer within {} s when {what} was to be {done}", CALL.as_secs())]
    Silent {
        /// Which object.
        what: String,
        /// What was wanted.
        done: &'static str,
    },
    /// The Secret holds something else.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// Others kept on changing the Secret.
    #[error("the Secret {0} kept on being changed by others")]
    Contended(SecretPlace),
    /// No authority could be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Keeps the authorities, as one task.
#[derive(Debug)]
#[must_use = "authorities that nobody keeps expire"]
pub struct Keeper {
    config: KeeperConfig,
    store: Store,
    bundle: Bundle,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    current: watch::Sender<Arc<Authority>>,
}

impl Keeper {
    /// Reads the authorities, or begins them, waiting for an API server that is not there yet.
    ///
    /// # Errors
    /// The last failure, when time is up; a damaged Secret at once.
    pub async fn open(
        client: kube::Client,
        config: KeeperConfig,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, KeeperError> {
        let store = Store::new(client.clone(), config.secret.clone());
        let bundle = Bundle::new(client, config.webhook_configuration.clone());
        let until = Instant::now() + START;
        let stored = loop {
            match load(&store, &config.secret, clock.as_ref()).await {
                Ok(stored) => break stored,
                Err(error @ (KeeperError::Damaged(_) | KeeperError::Tls(_))) => return Err(error),
                Err(error) if Instant::now() + AGAIN >= until => return Err(error),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "waiting for the API server");
                    sleep(AGAIN).await;
                }
            }
        };
        let current = watch::Sender::new(Arc::clone(&stored.authorities.current));
        Ok(Self {
            config,
            store,
            bundle,
            clock,
            metrics,
            current,
        })
    }

    /// The authority that mints, now and later.
    #[must_use]
    pub fn current(&self) -> watch::Receiver<Arc<Authority>> {
        self.current.subscribe()
    }

    /// Runs until a stop is requested. `blocker` is dropped once the bundle is in place.
    pub async fn run(self, blocker: Blocker, shutdown: Shutdown) {
        let mut blocker = Some(blocker);
        let mut problem = Lasting::default();
        loop {
            let trouble = match self.round().await {
                Ok(true) => None,
                Ok(false) => Some(format!(
                    "there is no MutatingWebhookConfiguration {}, or it is being changed: apply deploy/webhook",
                    self.config.webhook_configuration
                )),
                Err(error) => Some(chain(&error)),
            };
            self.metrics.bundle_in_place(trouble.is_none());
            match trouble {
                Some(trouble) if problem.is_news(&trouble) => {
                    tracing::warn!(
                        problem = trouble,
                        "the API server is not told to trust this webhook: trying again"
                    );
                }
                Some(_said) => {}
                None => {
                    let over = problem.is_over();
                    if blocker.take().is_some() || over {
                        tracing::info!("the API server trusts this webhook");
                    }
                }
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = sleep(POLL) => {}
            }
        }
    }

    /// Looks once, and does what is due. True if the API server is told to trust what is served.
    async fn round(&self) -> Result<bool, KeeperError> {
        let mut stored = load(&self.store, &self.config.secret, self.clock.as_ref()).await?;
        for _ in 0..ATTEMPTS {
            let Stored { authorities, .. } = &stored;
            let in_place = self.put(&authorities.bundle()).await?;
            let expired = authorities.current.not_after() <= self.clock.now();
            // Only what is trusted is served; what has expired is worth nothing in any case.
            if in_place && !expired {
                self.serve(&authorities.current);
            }
            let Some(new) = authorities.step(self.clock.now(), in_place)? else {
                return Ok(in_place);
            };
            let what = || format!("the Secret {}", self.config.secret);
            if call(what, "replaced", self.store.replace(&stored, &new)).await? {
                tracing::info!(
                    next = new.next.is_some(),
                    previous = new.previous.is_some(),
                    "the certificate authorities have changed"
                );
            }
            stored = load(&self.store, &self.config.secret, self.clock.as_ref()).await?;
        }
        Err(KeeperError::Contended(self.config.secret.clone()))
    }

    async fn put(&self, bundle: &str) -> Result<bool, KeeperError> {
        let what = || {
            format!(
                "the MutatingWebhookConfiguration {}",
                self.config.webhook_configuration
            )
        };
        call(what, "patched", self.bundle.put(bundle)).await
    }

    fn serve(&self, authority: &Arc<Authority>) {
        self.current.send_if_modified(|current| {
            let other = current.certificate_pem() != authority.certificate_pem();
            if other {
                *current = Arc::clone(authority);
            }
            other
        });
    }
}

/// Reads what is stored, and begins where nothing is.
async fn load(store: &Store, place: &SecretPlace, clock: &dyn Clock) -> Result<Stored, KeeperError> {
    let what = || format!("the Secret {place}");
    for _ in 0..ATTEMPTS {
        if let Some(stored) = call(what, "read", store.read()).await? {
            return Ok(stored?);
        }
        let first = Authorities::begin(clock.now())?;
        call(what, "created", store.create(&first)).await?;
    }
    Err(KeeperError::Contended(place.clone()))
}

async fn call<T>(
    what: impl Fn() -> String,
    done: &'static str,
    calling: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, KeeperError> {
    match timeout(CALL, calling).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(KeeperError::Api {
            what: what(),
            done,
            source: Box::new(source),
        }),
        Err(_elapsed) => Err(KeeperError::Silent { what: what(), done }),
    }
}
