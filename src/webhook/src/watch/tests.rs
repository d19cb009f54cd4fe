//! Watches against an API server that does what a test says.

use std::sync::atomic::{AtomicUsize, Ordering};

use esi_core::{ManualClock, Timestamp};
use esi_runtime::Shutdown;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::*;
use crate::world::{EnvFiles, World};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// What the API server answers.
enum Answer {
    Json(u16, Value),
    /// These events, and then nothing for ever.
    Events(Vec<Value>),
    /// These events, and then the connection is gone.
    Broken(Vec<Value>),
    Never,
}

/// What it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    List(Watched),
    Watch(Watched),
}

fn asked(request: &Request<Body>) -> Ask {
    let watched = match request.uri().path() {
        path if path.ends_with("/injections") => Watched::Injections,
        path if path.ends_with("/nodes") => Watched::Nodes,
        _ => return Ask::List(Watched::Version),
    };
    let query = request.uri().query().unwrap_or_default();
    match query.contains("watch=true") {
        true => Ask::Watch(watched),
        false => Ask::List(watched),
    }
}

fn client(answer: impl Fn(Ask) -> Answer + Send + Sync + 'static) -> kube::Client {
    let answer = Arc::new(answer);
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = Arc::clone(&answer);
        async move { Ok::<_, std::io::Error>(response(answer(asked(&request))).await) }
    });
    kube::Client::new(service, "default")
}

type Streamed = UnsyncBoxBody<Bytes, std::io::Error>;

async fn response(answer: Answer) -> Response<Streamed> {
    let lines = |events: Vec<Value>| events.into_iter().map(|event| Ok(line(&event)));
    let streamed = |frames: stream::BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>| {
        Response::new(StreamBody::new(frames).boxed_unsync())
    };
    match answer {
        Answer::Json(code, body) => Response::builder()
            .status(code)
            .body(whole(body.to_string().into()))
            .unwrap(),
        Answer::Events(events) => streamed(stream::iter(lines(events)).chain(stream::pending()).boxed()),
        Answer::Broken(events) => {
            let end = stream::once(async { Err(std::io::Error::other("reset")) });
            streamed(stream::iter(lines(events)).chain(end).boxed())
        }
        Answer::Never => std::future::pending().await,
    }
}

fn whole(bytes: Bytes) -> Streamed {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn line(event: &Value) -> Frame<Bytes> {
    Frame::data(Bytes::from(format!("{event}\n")))
}

fn list(items: &[Value]) -> Answer {
    let list =
        json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
    Answer::Json(200, list)
}

fn failure(code: u16) -> Answer {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": code, "reason": "x",
        "message": "not today"
    });
    Answer::Json(code, status)
}

fn version() -> Answer {
    let info = json!({
        "major": "1", "minor": "37", "gitVersion": "v1.37.2", "gitCommit": "", "gitTreeState": "", "buildDate": "",
        "goVersion": "", "compiler": "", "platform": ""
    });
    Answer::Json(200, info)
}

fn injection(name: &str) -> Value {
    json!({
        "apiVersion": "esi.external-secrets.io/v1alpha1", "kind": "Injection",
        "metadata": {"namespace": "shop", "name": name, "uid": "u", "resourceVersion": "2", "generation": 1},
        "spec": {"source": {"generator": {"kind": "Fake", "name": "free"}}, "files": [{"path": "a", "format": "json"}]}
    })
}

fn node(version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "resourceVersion": "2"}, "spec": {},
        "status": {"nodeInfo": {"kubeletVersion": version}}
    })
}

/// An answer of a cluster where all is well and nothing happens.
fn quiet(ask: Ask) -> Answer {
    match ask {
        Ask::List(Watched::Version) => version(),
        Ask::List(Watched::Injections) => list(&[injection("db")]),
        Ask::List(Watched::Nodes) => list(&[node("v1.37.2")]),
        Ask::Watch(_) => Answer::Events(vec![]),
    }
}

/// A watch that runs.
struct Running {
    world: CurrentWorld,
    readiness: Readiness,
    registry: Registry,
    objects: watch::Receiver<Arc<Objects>>,
    _tasks: Tasks,
}

impl Running {
    fn start(answer: impl Fn(Ask) -> Answer + Send + Sync + 'static) -> Self {
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let (mut tasks, readiness) = (Tasks::new(Shutdown::new()), Readiness::new());
        let world = CurrentWorld::default();
        let watch = Watch {
            client: client(answer),
            world: world.clone(),
            metrics,
            clock: Arc::new(ManualClock::at(NOW)),
        };
        let objects = watch.spawn(&mut tasks, &readiness);
        Self {
            world,
            readiness,
            registry,
            objects,
            _tasks: tasks,
        }
    }

    /// Waits until the world is so. Time is paused: it passes as fast as there is nothing to do.
    async fn until(&self, so: impl Fn(&World) -> bool) {
        while !so(&self.world.get()) {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Since when a watch is lost; 0 if it is not.
    fn lost_since(&self, watch: &str) -> i64 {
        let mut metrics = String::new();
        text::encode(&mut metrics, &self.registry).unwrap();
        let name = format!("webhook_watch_lost_since_seconds{{watch=\"{watch}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        value.expect("the watch has no metric").parse().unwrap()
    }
}

fn names(world: &World) -> Vec<&str> {
    world.injections.keys().map(|(_, name)| name.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_cluster_is_known_before_anything_is_ready_and_followed_from_then_on() {
    let watch = Running::start(|ask| match ask {
        Ask::Watch(Watched::Injections) => Answer::Events(vec![
            json!({"type": "ADDED", "object": injection("cache")}),
            json!({"type": "DELETED", "object": injection("db")}),
        ]),
        Ask::Watch(Watched::Nodes) => {
            Answer::Events(vec![json!({"type": "MODIFIED", "object": node("v1.33.1")})])
        }
        other => quiet(other),
    });
    assert_eq!(watch.readiness.awaited(), ["injections", "nodes", "version"]);
    watch.readiness.ready().await;
    watch.until(|world| names(world) == ["cache"]).await;
    watch
        .until(|world| matches!(&world.env_files, EnvFiles::TooOld { what, .. } if what == "node `a`"))
        .await;
    assert!(watch.world.get().restart_rules);
    let cache = ("shop".parse().unwrap(), "cache".parse().unwrap());
    assert_eq!(watch.objects.borrow().keys().collect::<Vec<_>>(), [&cache]);
    for name in ["injections", "nodes", "version"] {
        assert_eq!(watch.lost_since(name), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_resource_it_waits_and_begins_once_it_is_there() {
    let asked = AtomicUsize::new(0);
    let watch = Running::start(move |ask| match ask {
        Ask::List(Watched::Injections) if asked.fetch_add(1, Ordering::Relaxed) < 5 => failure(404),
        other => quiet(other),
    });
    watch.until(|world| world.env_files == EnvFiles::Supported).await;
    assert_eq!(watch.readiness.awaited(), ["injections"]);
    assert_eq!(watch.lost_since("injections"), NOW.as_secs());
    watch.readiness.ready().await;
    assert_eq!(names(&watch.world.get()), ["db"]);
    assert_eq!(watch.lost_since("injections"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_asked_for_again() {
    let asked = [AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0)];
    let watch = Running::start(move |ask| match ask {
        Ask::List(watched) if asked[watched as usize].fetch_add(1, Ordering::Relaxed) == 0 => Answer::Never,
        other => quiet(other),
    });
    watch.readiness.ready().await;
    assert_eq!(names(&watch.world.get()), ["db"]);
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_is_gone_the_last_view_stays() {
    let gone = Arc::new(AtomicUsize::new(0));
    let answers = Arc::clone(&gone);
    let watch = Running::start(move |ask| match (answers.load(Ordering::Relaxed), ask) {
        (0, Ask::Watch(_)) => Answer::Broken(vec![]),
        (0, other) => quiet(other),
        (1, _) => failure(503),
        (_, Ask::List(Watched::Injections)) => list(&[injection("cache")]),
        (_, other) => quiet(other),
    });
    watch.readiness.ready().await;
    gone.store(1, Ordering::Relaxed);
    while watch.lost_since("injections") == 0 || watch.lost_since("nodes") == 0 {
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(names(&watch.world.get()), ["db"]);
    assert_eq!(watch.world.get().env_files, EnvFiles::Supported);
    gone.store(2, Ordering::Relaxed);
    watch.until(|world| names(world) == ["cache"]).await;
    assert_eq!(watch.lost_since("injections"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_place_in_history_that_is_gone_is_no_failure() {
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    let watch = Running::start(move |ask| match ask {
        Ask::List(Watched::Injections) if counted.fetch_add(1, Ordering::Relaxed) > 0 => {
            list(&[injection("cache")])
        }
        Ask::Watch(Watched::Injections) if counted.load(Ordering::Relaxed) == 1 => failure(410),
        other => quiet(other),
    });
    watch.until(|world| names(world) == ["cache"]).await;
    assert_eq!(watch.lost_since("injections"), 0);
}
