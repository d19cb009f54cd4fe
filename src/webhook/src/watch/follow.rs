//! One watch, for ever: whatever goes wrong, it is tried again.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::Api;
use kube::api::Resource;
use kube::runtime::watcher::{self, DefaultBackoff, Event, watcher};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::time::{sleep, timeout};

use super::{Out, Watched};
use crate::cluster::{CALL, Lasting};
use crate::version::Kubernetes;
use crate::watch::objects;
use crate::watch::picture::Change;

/// How long one page of a list may take.
const LIST: Duration = Duration::from_secs(30);
/// After so much silence everything is listed anew. A watch may be silent because nothing happens, or because an answer
/// was lost in a way that nobody notices; this is how long that can last.
const SILENCE: Duration = Duration::from_secs(600);
/// How often the API server's version is asked for: it changes when somebody upgrades it.
const POLL: Duration = Duration::from_secs(300);
/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_secs(30);

/// Why a watch has to begin anew.
#[derive(Debug, Error)]
pub(super) enum Lost {
    /// The API server refuses, or cannot be reached.
    #[error("the API server cannot be watched: {}", hint(.0))]
    Watch(#[source] Box<watcher::Error>),
    /// The same for a single call.
    #[error("the API server's version cannot be read: is it reachable?")]
    Call(#[source] Box<kube::Error>),
    /// It does not answer.
    #[error("the API server did not answer in time")]
    Silent,
    /// It answers with what nobody understands.
    #[error("the API server's version `{0}` cannot be read")]
    NoVersion(String),
}

/// What a person can do about it.
fn hint(error: &watcher::Error) -> &'static str {
    let (watcher::Error::InitialListFailed(error)
    | watcher::Error::WatchStartFailed(error)
    | watcher::Error::WatchFailed(error)) = error
    else {
        return "trying again";
    };
    match error {
        kube::Error::Api(status) if status.code == 404 => {
            "it does not know this resource: apply the custom resource definitions of deploy/crds"
        }
        kube::Error::Api(status) if status.code == 403 => {
            "it does not let this service account: apply the RBAC of deploy/webhook"
        }
        _ => "is it reachable?",
    }
}

/// The watch's place in history is no longer there: an everyday event after a pause, and no failure.
fn is_expired(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchError(status) => status.code == 410,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 410,
        _ => false,
    }
}

/// Watches all objects of a kind, `page` of them in one answer at most; `slim` keeps what is needed. Ends when nobody
/// listens any more.
pub(super) async fn objects<K, T>(
    api: Api<K>,
    page: u32,
    slim: fn(K) -> Option<T>,
    change: fn(Event<T>) -> Change,
    out: Out,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    T: Send + 'static,
{
    let config = watcher::Config::default().page_size(page);
    let mut told = Told::new(&out);
    let mut pauses = DefaultBackoff::default();
    loop {
        match session(&api, &config, slim, change, &out, &mut told).await {
            Some(Ok(())) => {}
            Some(Err(lost)) => told.lost(&lost),
            None => return,
        }
        sleep(pauses.next().unwrap_or(PAUSE)).await;
    }
}

/// One list, and what happens after it. `None` if nobody listens any more; `Ok` where it only begins anew.
async fn session<K, T>(
    api: &Api<K>,
    config: &watcher::Config,
    slim: fn(K) -> Option<T>,
    change: fn(Event<T>) -> Change,
    out: &Out,
    told: &mut Told<'_>,
) -> Option<Result<(), Lost>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    T: Send + 'static,
{
    let mut events = pin!(watcher(api.clone(), config.clone()));
    let mut listing = true;
    loop {
        let patience = if listing { LIST } else { SILENCE };
        let event = match timeout(patience, events.next()).await {
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(error))) if is_expired(&error) => return Some(Ok(())),
            Ok(Some(Err(error))) => return Some(Err(Lost::Watch(Box::new(error)))),
            Err(_elapsed) if listing => return Some(Err(Lost::Silent)),
            // The stream never ends; if it did, it would begin anew.
            Ok(None) | Err(_) => return Some(Ok(())),
        };
        listing = matches!(event, Event::Init | Event::InitApply(_));
        if !listing {
            told.found();
        }
        let event = match event {
            Event::Init => Some(Event::Init),
            Event::InitDone => Some(Event::InitDone),
            Event::InitApply(object) => slim(object).map(Event::InitApply),
            Event::Apply(object) => slim(object).map(Event::Apply),
            Event::Delete(object) => slim(object).map(Event::Delete),
        };
        if let Some(event) = event {
            out.changes.send(change(event)).await.ok()?;
        }
    }
}

/// Asks for the API server's version again and again. Ends when nobody listens any more.
pub(super) async fn version(client: kube::Client, out: Out) {
    let mut told = Told::new(&out);
    let mut pauses = DefaultBackoff::default();
    loop {
        match ask(&client).await {
            Ok(version) => {
                told.found();
                if out.changes.send(Change::Server(version)).await.is_err() {
                    return;
                }
                sleep(POLL).await;
            }
            Err(lost) => {
                told.lost(&lost);
                sleep(pauses.next().unwrap_or(PAUSE)).await;
            }
        }
    }
}

async fn ask(client: &kube::Client) -> Result<Kubernetes, Lost> {
    let answer = timeout(CALL, client.apiserver_version()).await;
    let info = answer
        .map_err(|_elapsed| Lost::Silent)?
        .map_err(|error| Lost::Call(Box::new(error)))?;
    objects::server(&info).ok_or_else(|| Lost::NoVersion(info.git_version.chars().take(64).collect()))
}

/// What was said of a watch last, so that a long failure is a line and not a flood.
struct Told<'a> {
    out: &'a Out,
    problem: Lasting,
}

impl<'a> Told<'a> {
    fn new(out: &'a Out) -> Self {
        out.metrics.watch_lost(out.watched.name(), out.clock.now());
        let problem = Lasting::default();
        Self { out, problem }
    }

    fn found(&mut self) {
        self.out.metrics.watch_found(self.out.watched.name());
        if self.problem.is_over() {
            tracing::info!(watch = self.out.watched.name(), "the API server is watched again");
        }
    }

    fn lost(&mut self, lost: &Lost) {
        let watch = self.out.watched.name();
        if !self.problem.is_there() {
            self.out.metrics.watch_lost(watch, self.out.clock.now());
        }
        // By its own words: those of its sources differ from time to time.
        if self.problem.is_news(&lost.to_string()) {
            let (known, error) = (self.out.watched.stays(), esi_core::chain(lost));
            tracing::warn!(watch, error, known, "trying again");
        } else {
            tracing::debug!(watch, %lost, "still");
        }
    }
}

impl Watched {
    /// What holds while the watch is lost.
    const fn stays(self) -> &'static str {
        match self {
            Self::Injections => "the Injections that are known stay in force",
            Self::Nodes => "the nodes that are known count",
            Self::Version => "the version that is known counts",
        }
    }
}
