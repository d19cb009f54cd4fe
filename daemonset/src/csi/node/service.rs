//! The Node service.

use std::sync::Arc;
use std::time::Duration;

use esi_core::names::ObjectName;
use esi_core::{Classify, chain};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::{Code, Request, Response, Status, async_trait};

use super::read;
use crate::csi::proto::csi::node_server::Node;
use crate::csi::proto::csi::node_service_capability::{Rpc, Type, rpc};
use crate::csi::proto::csi::{
    NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse, NodeGetInfoRequest, NodeGetInfoResponse,
    NodePublishVolumeRequest, NodePublishVolumeResponse, NodeServiceCapability, NodeUnpublishVolumeRequest,
    NodeUnpublishVolumeResponse,
};
use crate::request::KubeletRoot;
use crate::volume::Driver;

/// kubelet's own is two minutes, for three connections: ours ends first, so that the next call does not meet this one.
const DEADLINE: Duration = Duration::from_secs(100);
/// Calls of one kind at once; others wait. More than the pods of a node: a call waits for servers, not for memory.
const CONCURRENT: usize = 512;
/// Most bytes of a message: it travels in a header, and grpc-go takes 16 KiB of those in all, a byte as three.
const MAX_MESSAGE: usize = 2048;

/// What kubelet calls. Clones share it.
#[derive(Debug, Clone)]
pub struct NodeService {
    root: KubeletRoot,
    node: ObjectName,
    driver: Arc<dyn Driver>,
    /// Apart, so that publishes that wait for a server do not hold up the end of a pod.
    publishing: Arc<Semaphore>,
    unpublishing: Arc<Semaphore>,
}

impl NodeService {
    /// For kubelet on `node`.
    #[must_use]
    pub fn new(root: KubeletRoot, node: ObjectName, driver: Arc<dyn Driver>) -> Self {
        Self {
            root,
            node,
            driver,
            publishing: Arc::new(Semaphore::new(CONCURRENT)),
            unpublishing: Arc::new(Semaphore::new(CONCURRENT)),
        }
    }

    /// Waits for the call, within the deadline. The volumes finish what they have begun, whoever waits.
    async fn answer<E: Classify>(
        permits: &Semaphore,
        call: impl Future<Output = Result<(), E>>,
    ) -> Result<(), Status> {
        let answered = timeout(DEADLINE, async {
            // Nobody closes the semaphore.
            let _permit = permits.acquire().await;
            call.await.map_err(|error| refusal(&error))
        })
        .await;
        answered.unwrap_or_else(|_elapsed| {
            // Not final: kubelet unpublishes what it believes may be there.
            Err(Status::deadline_exceeded(
                "the call took too long; it is tried again",
            ))
        })
    }
}

#[async_trait]
impl Node for NodeService {
    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        let publish = read::publish(request.into_inner(), &self.root).map_err(|error| refusal(&error))?;
        let (id, target) = (publish.id.clone(), publish.target.clone());
        let done = Self::answer(&self.publishing, self.driver.publish(publish)).await;
        let code = done.as_ref().map_or_else(Status::code, |()| Code::Ok);
        tracing::debug!(%id, %target, ?code, "publish");
        done.map(|()| Response::new(NodePublishVolumeResponse {}))
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        let request = read::unpublish(request.get_ref(), &self.root).map_err(|error| refusal(&error))?;
        if let Some(unpublish) = request {
            let (id, target) = (unpublish.id.clone(), unpublish.target.clone());
            let done = Self::answer(&self.unpublishing, self.driver.unpublish(unpublish)).await;
            let code = done.as_ref().map_or_else(Status::code, |()| Code::Ok);
            tracing::debug!(%id, %target, ?code, "unpublish");
            done?;
        }
        Ok(Response::new(NodeUnpublishVolumeResponse {}))
    }

    async fn node_get_capabilities(
        &self,
        _: Request<NodeGetCapabilitiesRequest>,
    ) -> Result<Response<NodeGetCapabilitiesResponse>, Status> {
        // The fsGroup is given to the driver then, and kubelet walks no volume to change files.
        let group = NodeServiceCapability {
            r#type: Some(Type::Rpc(Rpc {
                r#type: rpc::Type::VolumeMountGroup.into(),
            })),
        };
        Ok(Response::new(NodeGetCapabilitiesResponse {
            capabilities: vec![group],
        }))
    }

    /// Does no I/O: kubelet registers the driver only once this has answered.
    async fn node_get_info(
        &self,
        _: Request<NodeGetInfoRequest>,
    ) -> Result<Response<NodeGetInfoResponse>, Status> {
        Ok(Response::new(NodeGetInfoResponse {
            node_id: self.node.to_string(),
            max_volumes_per_node: 0,
            accessible_topology: None,
        }))
    }
}

/// The status that kubelet sees and an Event of the pod shows; the log says the causes too.
fn refusal(error: &impl Classify) -> Status {
    tracing::warn!(
        kind = error.kind(),
        error = chain(error),
        "a call of kubelet's fails"
    );
    let status = esi_api::status::from_error(error);
    let message = status.message();
    if message.len() <= MAX_MESSAGE {
        return status;
    }
    let cut: String = message
        .char_indices()
        .take_while(|(at, _)| *at < MAX_MESSAGE)
        .map(|(_, char)| char)
        .chain(['…'])
        .collect();
    Status::with_metadata(status.code(), cut, status.metadata().clone())
}
