//! A federation server in memory, over real TLS: it mints, counts and remembers every call, and can be told to
//! fail, to hang, or to ask for a rotation.

mod pki;
mod service;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use esi_api::convert::to_wire;
use esi_api::v1;
use esi_api::v1::federation_server::FederationServer;
use esi_core::RequestId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};

pub use pki::Authority;

/// Longer than anything takes here; a test that waits for what never comes ends with the calls there were.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// For a credential.
    Issue,
    /// That it is visible.
    Acknowledge,
    /// That it is given back.
    Revoke,
    /// What is held.
    Report,
}

/// One call as it arrived, answered or not.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which.
    pub method: Method,
    /// Of an issue, acknowledgement or revocation; of a report or a release, all joined by commas, those of other pods
    /// as `<pod>/<binding>@<generation>`.
    pub binding: String,
    /// Of an acknowledgement.
    pub generation: u64,
    /// Of an issue.
    pub request_id: String,
    /// Of an issue.
    pub rotate: bool,
    /// What the caller calls itself; empty for a pod.
    pub instance: String,
    /// The whole `authorization` entry.
    pub authorization: String,
    /// When it arrived.
    pub at: Instant,
}

/// What the server does with a call instead of answering it.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers so.
    Refuse(Status),
    /// Never answers.
    Hang,
}

#[derive(Debug)]
struct State {
    calls: watch::Sender<Vec<Call>>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What happens to the next calls, in order.
    faults: BTreeMap<Method, VecDeque<Fault>>,
    /// Bindings that reports are told to rotate.
    rotate: Vec<String>,
    /// What an issue answers, beside `username` and `password`.
    values: BTreeMap<String, Vec<u8>>,
    generations: BTreeMap<String, u64>,
    /// By binding: a report finds a lease renewed.
    ttls: BTreeMap<String, Duration>,
    /// By request id: a retry gets what the first attempt minted.
    minted: BTreeMap<String, (u64, String)>,
}

impl Inner {
    /// The credential of a binding: the same for the same request id, else that of its next generation.
    fn mint(&mut self, request_id: String, binding: &str, ttl: Duration) -> (u64, HashMap<String, Vec<u8>>) {
        let generations = &mut self.generations;
        let minted = self.minted.entry(request_id).or_insert_with(|| {
            let generation = generations.entry(binding.to_owned()).or_default();
            *generation += 1;
            (*generation, format!("secret-{}", RequestId::random().as_str()))
        });
        let (generation, password) = minted.clone();
        self.ttls.insert(binding.to_owned(), ttl);
        self.rotate.retain(|other| other != binding);
        let mut data: HashMap<String, Vec<u8>> = self.values.clone().into_iter().collect();
        data.insert("username".to_owned(), format!("user-{generation}").into_bytes());
        data.insert("password".to_owned(), password.into_bytes());
        (generation, data)
    }

    fn verdict(&self, binding: &str) -> v1::BindingVerdict {
        let rotate = self.rotate.iter().any(|other| other == binding);
        let action = if rotate {
            v1::Action::Rotate
        } else {
            v1::Action::Keep
        };
        v1::BindingVerdict {
            binding: binding.to_owned(),
            action: action.into(),
            expires_in: self.ttls.get(binding).copied().map(to_wire),
            ..v1::BindingVerdict::default()
        }
    }
}

/// The server. Its task ends with it.
#[derive(Debug)]
pub struct Fake {
    /// Where it is.
    pub url: String,
    /// Who made its certificate.
    pub authority: Authority,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    /// Starts it, on a port of its own.
    pub async fn start() -> Self {
        let authority = Authority::fresh();
        let (certificate, key) = authority.issue("localhost");
        let state = Arc::new(State {
            calls: watch::Sender::new(Vec::new()),
            inner: Mutex::default(),
        });
        // Without it each answer waits 40 ms for an acknowledgement that the client delays.
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap())
            .unwrap()
            .with_nodelay(Some(true));
        let port = incoming.local_addr().unwrap().port();
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(FederationServer::new(service::Service(Arc::clone(&state))));
        let task = tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
        Self {
            url: format!("https://localhost:{port}"),
            authority,
            state,
            task,
        }
    }

    /// The next `count` calls of `method` get `fault`.
    pub fn fault(&self, method: Method, count: usize, fault: &Fault) {
        self.with(|inner| {
            let faults = inner.faults.entry(method).or_default();
            faults.extend(std::iter::repeat_n(fault.clone(), count));
        });
    }

    /// The next `count` calls of `method` are refused with `code`.
    pub fn refuse(&self, method: Method, count: usize, code: tonic::Code) {
        self.fault(
            method,
            count,
            &Fault::Refuse(Status::new(code, "as the test said")),
        );
    }

    /// From now on a report of `binding` is told to rotate, until a newer generation is issued.
    pub fn rotate(&self, binding: &str) {
        self.with(|inner| inner.rotate.push(binding.to_owned()));
    }

    /// Every credential has this value too.
    pub fn value(&self, key: &str, value: &[u8]) {
        self.with(|inner| inner.values.insert(key.to_owned(), value.to_vec()));
    }

    /// The passwords minted so far, in no order.
    pub fn passwords(&self) -> Vec<String> {
        self.with(|inner| {
            inner
                .minted
                .values()
                .map(|(_, password)| password.clone())
                .collect()
        })
    }

    /// The password of a generation of the only binding.
    pub fn password(&self, generation: u64) -> String {
        self.with(|inner| {
            let mut minted = inner.minted.values();
            minted
                .find(|(number, _)| *number == generation)
                .unwrap()
                .1
                .clone()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.state.inner.lock().unwrap())
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.borrow().clone()
    }

    /// Every call of `method` so far.
    pub fn calls_of(&self, method: Method) -> Vec<Call> {
        self.calls()
            .into_iter()
            .filter(|call| call.method == method)
            .collect()
    }

    /// Waits until there were `count` calls of `method`, and returns them.
    pub async fn wait(&self, method: Method, count: usize) -> Vec<Call> {
        let mut calls = self.state.calls.subscribe();
        let enough = |calls: &Vec<Call>| calls.iter().filter(|call| call.method == method).count() >= count;
        let waited = timeout(PATIENCE, calls.wait_for(enough)).await.is_ok();
        assert!(waited, "no {count} calls of {method:?}: {:#?}", self.calls());
        self.calls_of(method)
    }
}
