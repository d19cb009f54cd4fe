//! The Registration service: kubelet asks who we are, looks at the node's answer, and says whether we are in.
//!
//! ```text
//!  kubelet sees the socket ─▶ GetInfo ─▶ (NodeGetInfo at csi.sock) ─▶ NotifyRegistrationStatus
//!     ▲                                                                  │ in: ready
//!     └────────────────── the socket is made anew ◀──────────────────────┘ not in: waits, then again
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tonic::{Request, Response, Status, async_trait};

use super::DriverName;
use super::proto::registration::registration_server::Registration;
use super::proto::registration::{InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse};

/// kubelet's word for a CSI driver.
const KIND: &str = "CSIPlugin";
/// The version that node-driver-registrar says for every driver: kubelet takes any of the first generation.
const VERSION: &str = "1.0.0";
/// kubelet's own back-off is by the socket's path, from half a second to two minutes; a file that comes sooner than
/// this would only be refused more often.
const PAUSE: Duration = Duration::from_secs(5);

/// What kubelet last said about the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet.
    Unknown,
    /// It calls the driver.
    Registered,
    /// It does not.
    Refused,
}

/// Answers kubelet's plugin manager. Clones share what it said.
#[derive(Debug, Clone)]
pub struct RegistrationService {
    driver: DriverName,
    endpoint: PathBuf,
    standing: Arc<watch::Sender<Standing>>,
}

impl RegistrationService {
    /// For the driver that serves at `endpoint`, as the host sees that path.
    #[must_use]
    pub fn new(driver: DriverName, endpoint: PathBuf) -> Self {
        Self {
            driver,
            endpoint,
            standing: Arc::new(watch::Sender::new(Standing::Unknown)),
        }
    }

    /// What kubelet says, from now on.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }
}

/// Has the registration socket made anew each time that kubelet refused the driver. Never ends.
pub async fn retry(mut standing: watch::Receiver<Standing>, renewal: Arc<Notify>) {
    loop {
        // The sender lives in the service.
        if standing
            .wait_for(|standing| *standing == Standing::Refused)
            .await
            .is_err()
        {
            return std::future::pending().await;
        }
        tokio::time::sleep(PAUSE).await;
        // Unless it came in meanwhile.
        if *standing.borrow_and_update() == Standing::Refused {
            renewal.notify_one();
            // The next word of kubelet's, the same or another.
            if standing.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

#[async_trait]
impl Registration for RegistrationService {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(PluginInfo {
            r#type: KIND.to_owned(),
            name: self.driver.to_string(),
            endpoint: self.endpoint.display().to_string(),
            supported_versions: vec![VERSION.to_owned()],
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        let RegistrationStatus {
            plugin_registered,
            error,
        } = request.into_inner();
        let standing = if plugin_registered {
            tracing::info!(event = "registered", "kubelet calls this driver");
            Standing::Registered
        } else {
            tracing::error!(error, "kubelet does not register this driver");
            Standing::Refused
        };
        self.standing.send_replace(standing);
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> RegistrationService {
        let driver = "esi.csi.external-secrets.io".parse().unwrap();
        RegistrationService::new(driver, "/var/lib/kubelet/plugins/x/csi.sock".into())
    }

    async fn notify(service: &RegistrationService, plugin_registered: bool) {
        let status = RegistrationStatus {
            plugin_registered,
            error: String::new(),
        };
        service
            .notify_registration_status(Request::new(status))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn kubelet_is_told_what_it_accepts() {
        let info = service()
            .get_info(Request::new(InfoRequest {}))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(info.r#type, "CSIPlugin");
        assert_eq!(info.name, "esi.csi.external-secrets.io");
        assert_eq!(info.endpoint, "/var/lib/kubelet/plugins/x/csi.sock");
        assert_eq!(info.supported_versions, ["1.0.0"]);
    }

    #[tokio::test(start_paused = true)]
    async fn every_refusal_makes_the_socket_anew_and_a_registration_does_not() {
        let service = service();
        let renewal = Arc::new(Notify::new());
        let task = tokio::spawn(retry(service.standing(), Arc::clone(&renewal)));
        for _ in 0..2 {
            notify(&service, false).await;
            renewal.notified().await;
        }
        notify(&service, true).await;
        assert_eq!(*service.standing().borrow(), Standing::Registered);
        let again = tokio::time::timeout(Duration::from_secs(60), renewal.notified()).await;
        assert!(again.is_err(), "made anew although it is in");
        task.abort();
    }
}
