//! The Node service.

use std::sync::Arc;
use std::time::Duration;

use esi_core::names::ObjectName;
use esi_core::{Classify, chain};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
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
    calls: TaskTracker,
    /// Apart, so that publishes that wait for a server do not hold up the end of a pod.
    publishing: Arc<Semaphore>,
    unpublishing: Arc<Semaphore>,
}

impl NodeService {
    /// For kubelet on `node`. Calls run in `calls`, whoever hangs up.
    #[must_use]
    pub fn new(root: KubeletRoot, node: ObjectName, driver: Arc<dyn Driver>, calls: TaskTracker) -> Self {
        Self {
            root,
            node,
            driver,
            calls,
            publishing: Arc::new(Semaphore::new(CONCURRENT)),
            unpublishing: Arc::new(Semaphore::new(CONCURRENT)),
        }
    }

    /// Runs the call to its end or to the deadline, also when nobody waits for it any more: what it holds is then not
    /// left to the next call to find out.
    async fn run<E: Classify + Send + 'static>(
        &self,
        permits: &Arc<Semaphore>,
        call: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Result<(), Status> {
        let deadline = Instant::now() + DEADLINE;
        let permits = Arc::clone(permits);
        let task = self.calls.spawn(async move {
            timeout_at(deadline, async {
                // Nobody closes the semaphore.
                let _permit = permits.acquire_owned().await;
                call.await.map_err(|error| refusal(&error))
            })
            .await
        });
        match task.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_elapsed)) => Err(Status::deadline_exceeded(
                "the call took too long; it is tried again",
            )),
            // A defect, or the end of the process. Not final: a volume may be there.
            Err(_ended) => Err(Status::unavailable(
                "the call ended unexpectedly; it is tried again",
            )),
        }
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
        let driver = Arc::clone(&self.driver);
        let done = self
            .run(&self.publishing, async move { driver.publish(publish).await })
            .await;
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
            let driver = Arc::clone(&self.driver);
            let done = self
                .run(
                    &self.unpublishing,
                    async move { driver.unpublish(unpublish).await },
                )
                .await;
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
