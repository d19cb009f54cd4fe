//! Whether kubelet could call: both sockets are dialled by their paths, as a client does, so that one that was unlinked
//! or replaced is noticed. In place of the livenessprobe sidecar, and as quick.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use super::proto::csi::ProbeRequest;
use super::proto::csi::identity_client::IdentityClient;
use super::proto::registration::InfoRequest;
use super::proto::registration::registration_client::RegistrationClient;
use super::socket::Paths;

/// The livenessprobe sidecar's.
const DEADLINE: Duration = Duration::from_secs(3);

/// Why a socket does not answer. For the log of an operator: names paths.
#[derive(Debug, Error)]
#[error("the socket {} does not answer", path.display())]
pub struct Unanswered {
    path: PathBuf,
    #[source]
    cause: Cause,
}

#[derive(Debug, Error)]
enum Cause {
    #[error("no connection")]
    Dial(#[from] tonic::transport::Error),
    #[error("the call failed with {:?}: {}", .0.code(), .0.message())]
    Call(Box<tonic::Status>),
    #[error("it is not ready")]
    NotReady,
    #[error("nothing came within {DEADLINE:?}")]
    Deadline,
}

/// Dials both sockets.
///
/// # Errors
/// The first that does not answer.
pub async fn both(paths: &Paths) -> Result<(), Unanswered> {
    tokio::try_join!(csi(&paths.csi), registration(&paths.registration))?;
    Ok(())
}

/// Dials the CSI socket.
///
/// # Errors
/// If it does not answer that it is ready.
pub async fn csi(path: &Path) -> Result<(), Unanswered> {
    within(path, async {
        let mut client = IdentityClient::new(connect(path).await?);
        let answer = client.probe(ProbeRequest {}).await.map_err(failed)?;
        // Absent means ready.
        match answer.into_inner().ready {
            Some(false) => Err(Cause::NotReady),
            _ => Ok(()),
        }
    })
    .await
}

async fn registration(path: &Path) -> Result<(), Unanswered> {
    within(path, async {
        let mut client = RegistrationClient::new(connect(path).await?);
        client.get_info(InfoRequest {}).await.map_err(failed)?;
        Ok(())
    })
    .await
}

async fn within(path: &Path, dial: impl Future<Output = Result<(), Cause>>) -> Result<(), Unanswered> {
    let answered = timeout(DEADLINE, dial).await;
    answered
        .map_err(|_elapsed| Cause::Deadline)
        .flatten()
        .map_err(|cause| Unanswered {
            path: path.to_owned(),
            cause,
        })
}

/// A connection to whoever listens at `path`.
///
/// # Errors
/// If nobody does.
pub async fn connect(path: &Path) -> Result<Channel, tonic::transport::Error> {
    let path = path.to_owned();
    let dial = tower::service_fn(move |_| {
        let path = path.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(dial)
        .await
}

fn failed(status: tonic::Status) -> Cause {
    Cause::Call(Box::new(status))
}
