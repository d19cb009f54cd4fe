//! The two servers on their real sockets.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use esi_runtime::Shutdown;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::identity::IdentityService;
use super::node::NodeService;
use super::registration::RegistrationService;
use super::server::ServerError;
use super::socket::{Paths, Socket};
use super::{probe, server};
use crate::request::{KubeletRoot, Publish, Unpublish};
use crate::state::BootId;
use crate::volume::{Driver, PublishError, UnpublishError};

const DRIVER: &str = "esi.csi.external-secrets.io";

/// Nothing is published in these tests.
#[derive(Debug)]
struct NoVolumes;

#[tonic::async_trait]
impl Driver for NoVolumes {
    async fn publish(&self, _: Publish) -> Result<(), PublishError> {
        Err(PublishError::Busy)
    }

    async fn unpublish(&self, _: Unpublish) -> Result<(), UnpublishError> {
        Ok(())
    }
}

struct Daemon {
    paths: Paths,
    shutdown: Shutdown,
    servers: Vec<JoinHandle<Result<(), ServerError>>>,
    _directory: TempDir,
}

fn start() -> Daemon {
    let directory = tempfile::tempdir().unwrap();
    let root = KubeletRoot::new(directory.path().to_str().unwrap()).unwrap();
    let paths = Paths::new(&root, DRIVER, &BootId::new("0123456789"));
    for socket in [&paths.csi, &paths.registration] {
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    }
    let shutdown = Shutdown::new();
    let identity = IdentityService::new(DRIVER.parse().unwrap());
    let node = NodeService::new(root, "node-1".parse().unwrap(), Arc::new(NoVolumes));
    let registration = RegistrationService::new(DRIVER.parse().unwrap(), paths.csi.clone());
    let csi = Socket::open(&paths.csi).unwrap();
    let register = Socket::open(&paths.registration).unwrap();
    let servers = vec![
        tokio::spawn(server::csi(csi, identity, node, shutdown.clone())),
        tokio::spawn(server::registration(register, registration, shutdown.clone())),
    ];
    Daemon {
        paths,
        shutdown,
        servers,
        _directory: directory,
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// GetInfo, as grpc-go sends it for a client that names no authority: one that is made of the socket's path.
fn get_info(authority: &str) -> Vec<u8> {
    let block = [
        // POST, http; path, authority, content type and `te`, indexed: the first two by the name's index.
        &b"\x83\x86\x45"[..],
        &text("/pluginregistration.Registration/GetInfo"),
        b"\x41",
        &text(authority),
        b"\x5f",
        &text("application/grpc"),
        b"\x40",
        &text("te"),
        &text("trailers"),
    ];
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 4, 1, &block.concat()),
        frame(0, 1, 1, &[0; 5]),
    ]
    .concat()
}

#[tokio::test]
async fn kubelets_authority_is_answered_however_it_is_written() {
    let daemon = start();
    let registration = &daemon.paths.registration;
    let encoded = registration.to_str().unwrap().replace('/', "%2F");
    for authority in [&encoded, registration.to_str().unwrap(), "", "localhost"] {
        let mut connection = UnixStream::connect(registration).await.unwrap();
        connection.write_all(&get_info(authority)).await.unwrap();
        let mut answer = Vec::new();
        let contains =
            |answer: &[u8], text: &str| answer.windows(text.len()).any(|part| part == text.as_bytes());
        let reading = async {
            while !contains(&answer, DRIVER) {
                let count = connection.read_buf(&mut answer).await.unwrap();
                assert!(count > 0, "{authority:?}: {:?}", String::from_utf8_lossy(&answer));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reading)
            .await
            .expect(authority);
    }
}

#[tokio::test]
async fn grpc_go_is_answered_as_often_as_it_asks() {
    let daemon = start();
    let mut connection = UnixStream::connect(&daemon.paths.registration).await.unwrap();
    connection
        .write_all(include_bytes!("shim/fixtures/grpc-go"))
        .await
        .unwrap();
    let mut answer = Vec::new();
    let reading = connection.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .unwrap()
        .unwrap();
    let kind = b"CSIPlugin";
    assert_eq!(answer.windows(kind.len()).filter(|part| part == kind).count(), 2);
}

#[tokio::test]
async fn the_probe_is_answered_by_both_and_misses_each() {
    let daemon = start();
    probe::both(&daemon.paths).await.unwrap();
    for socket in [&daemon.paths.csi, &daemon.paths.registration] {
        let aside = socket.with_extension("aside");
        std::fs::rename(socket, &aside).unwrap();
        let error = esi_core::chain(&probe::both(&daemon.paths).await.unwrap_err());
        assert!(error.contains(socket.to_str().unwrap()), "{error}");
        // Somebody else's in its place is no better.
        let other = UnixDatagram::bind(socket).unwrap();
        probe::both(&daemon.paths).await.unwrap_err();
        drop(other);
        std::fs::rename(&aside, socket).unwrap();
    }
    probe::both(&daemon.paths).await.unwrap();
}

#[tokio::test]
async fn a_probe_of_one_who_accepts_and_says_nothing_ends() {
    let daemon = start();
    std::fs::remove_file(&daemon.paths.csi).unwrap();
    let _silent = tokio::net::UnixListener::bind(&daemon.paths.csi).unwrap();
    let probing = tokio::time::timeout(Duration::from_secs(10), probe::csi(&daemon.paths.csi));
    probing.await.expect("it ends by itself").unwrap_err();
}

#[tokio::test]
async fn a_shutdown_ends_the_servers_and_removes_their_sockets() {
    let daemon = start();
    probe::both(&daemon.paths).await.unwrap();
    daemon.shutdown.trigger();
    for server in daemon.servers {
        server.await.unwrap().unwrap();
    }
    assert!(!daemon.paths.csi.exists() && !daemon.paths.registration.exists());
}
