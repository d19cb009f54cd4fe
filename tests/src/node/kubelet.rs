//! Calls as kubelet does (Kubernetes 1.37): its order, its connections, its files beside the volumes.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use esi_node::csi::probe::connect;
use esi_node::csi::proto::csi::node_client::NodeClient;
use esi_node::csi::proto::csi::{
    NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse, NodeGetInfoRequest, NodePublishVolumeRequest,
    NodeUnpublishVolumeRequest,
};
use esi_node::csi::proto::registration::{
    InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse,
};
use serde_json::json;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::Volume;
use super::raw;
use crate::eventually;

/// kubelet's patience for a call with all its connections (`csiTimeout`).
const CALL: Duration = Duration::from_secs(120);
const GET_INFO: Duration = Duration::from_secs(1);
const NOTIFY: Duration = Duration::from_secs(5);

/// kubelet, as far as a driver sees it.
#[derive(Debug, Clone)]
pub struct Kubelet {
    root: PathBuf,
    driver: String,
    /// Where the driver said that it serves.
    endpoint: PathBuf,
}

impl Kubelet {
    /// Waits for the driver's registration socket, asks it who it is, looks at its node, and says that it is in.
    pub async fn register(root: &Path, driver: &str) -> Result<Self> {
        let mut kubelet = Self::unregistered(root, driver);
        let info = kubelet.get_info().await?;
        ensure!(info.r#type == "CSIPlugin" && info.name == driver, "{info:?}");
        ensure!(
            info.supported_versions
                .iter()
                .any(|version| version.starts_with("1.")),
            "{info:?}"
        );
        kubelet.endpoint = info.endpoint.into();
        kubelet.node_name().await?;
        kubelet.notify(true).await?;
        Ok(kubelet)
    }

    /// Knows the driver's CSI socket by its convention alone.
    #[must_use]
    pub fn unregistered(root: &Path, driver: &str) -> Self {
        Self {
            root: root.to_owned(),
            driver: driver.to_owned(),
            endpoint: root.join("plugins").join(driver).join("csi.sock"),
        }
    }

    /// The driver's CSI socket.
    #[must_use]
    pub fn endpoint(&self) -> &Path {
        &self.endpoint
    }

    /// The driver's registration socket, once there is one. A hidden file is none.
    pub async fn registration_socket(&self) -> PathBuf {
        eventually("there is a registration socket", async || self.find().is_some()).await;
        self.find().expect("it was there a moment ago")
    }

    fn find(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(self.root.join("plugins_registry")).ok()?;
        entries.flatten().map(|entry| entry.path()).find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&self.driver) && name.ends_with(".sock")
        })
    }

    /// The plugin manager's first call.
    pub async fn get_info(&self) -> Result<PluginInfo> {
        self.plugin_manager("GetInfo", &InfoRequest {}, GET_INFO).await
    }

    /// Whether there is a socket by now, and who it is answers.
    pub async fn is_there(&self) -> bool {
        self.find().is_some() && self.get_info().await.is_ok()
    }

    /// The plugin manager's last call.
    pub async fn notify(&self, plugin_registered: bool) -> Result<()> {
        let status = RegistrationStatus {
            plugin_registered,
            error: if plugin_registered {
                String::new()
            } else {
                "a test refuses it".to_owned()
            },
        };
        let method = "NotifyRegistrationStatus";
        let _: RegistrationStatusResponse = self.plugin_manager(method, &status, NOTIFY).await?;
        Ok(())
    }

    /// The plugin manager names no authority, so that grpc-go makes one of the socket's path.
    async fn plugin_manager<A: prost::Message + Default>(
        &self,
        method: &str,
        request: &impl prost::Message,
        deadline: Duration,
    ) -> Result<A> {
        let socket = self.registration_socket().await;
        let authority = socket.display().to_string().replace('/', "%2F");
        let method = format!("/pluginregistration.Registration/{method}");
        raw::call(&socket, &authority, &method, request, deadline).await
    }

    /// What the driver calls its node.
    pub async fn node_name(&self) -> Result<String> {
        let answer = self.client().await?.node_get_info(NodeGetInfoRequest {}).await?;
        Ok(answer.into_inner().node_id)
    }

    /// Sets a volume up, or again: kubelet does both in the same way. A connection each for the two looks at the
    /// driver's capabilities and for the call.
    pub async fn publish(&self, volume: &Volume) -> Result<(), Status> {
        self.make_directory(volume)
            .expect("kubelet's directory of the volume");
        let capabilities = self.capabilities().await?.capabilities;
        self.capabilities().await?;
        let mut request = volume.publish_request(&self.root);
        if capabilities.is_empty() {
            // kubelet would have to change the group itself.
            request.volume_capability = None;
        }
        self.publish_as(request).await
    }

    /// The call alone, with any request.
    pub async fn publish_as(&self, request: NodePublishVolumeRequest) -> Result<(), Status> {
        self.client().await?.node_publish_volume(within(request)).await?;
        Ok(())
    }

    /// What is sent for a volume: to be changed, for [`Kubelet::publish_as`].
    #[must_use]
    pub fn request(&self, volume: &Volume) -> NodePublishVolumeRequest {
        volume.publish_request(&self.root)
    }

    /// Tears a volume down, and then kubelet's own directory of it.
    pub async fn unpublish(&self, volume: &Volume) -> Result<(), Status> {
        self.unpublish_as(volume.unpublish_request(&self.root)).await?;
        self.remove_directory(volume)
            .expect("nothing is left in kubelet's directory of the volume");
        Ok(())
    }

    /// The call alone, with any request.
    pub async fn unpublish_as(&self, request: NodeUnpublishVolumeRequest) -> Result<(), Status> {
        self.client()
            .await?
            .node_unpublish_volume(within(request))
            .await?;
        Ok(())
    }

    async fn capabilities(&self) -> Result<NodeGetCapabilitiesResponse, Status> {
        let mut client = self.client().await?;
        let request = within(NodeGetCapabilitiesRequest {});
        Ok(client.node_get_capabilities(request).await?.into_inner())
    }

    /// A new connection: kubelet keeps none.
    async fn client(&self) -> Result<NodeClient<Channel>, Status> {
        let channel = connect(&self.endpoint).await;
        let channel = channel.map_err(|error| Status::unavailable(esi_core::chain(&error)))?;
        Ok(NodeClient::new(channel))
    }

    /// The parent of the target, and kubelet's note of what is mounted there.
    pub fn make_directory(&self, volume: &Volume) -> Result<()> {
        let directory = volume.directory(&self.root);
        DirBuilder::new().recursive(true).mode(0o750).create(&directory)?;
        let note = json!({
            "driverName": self.driver,
            "specVolID": volume.name,
            "volumeHandle": volume.id(),
            "volumeLifecycleMode": "Ephemeral",
        });
        fs::write(directory.join("vol_data.json"), note.to_string())?;
        Ok(())
    }

    /// kubelet removes a target that is left empty, and the rest must be its own.
    fn remove_directory(&self, volume: &Volume) -> Result<()> {
        let directory = volume.directory(&self.root);
        fs::remove_dir(directory.join("mount")).ok();
        fs::remove_file(directory.join("vol_data.json")).ok();
        match fs::remove_dir(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL);
    request
}
