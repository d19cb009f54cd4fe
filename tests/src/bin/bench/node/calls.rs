//! kubelet's calls, timed where it makes them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use esi_node::csi::probe::connect;
use esi_node::csi::proto::csi::node_client::NodeClient;
use esi_node::csi::proto::csi::{NodeGetCapabilitiesRequest, NodeUnpublishVolumeRequest};
use esi_tests::node::{Kubelet, Volume};
use tokio::time::Instant;
use tonic::Request;
use tonic::transport::Channel;

use crate::machine::percentile;
use crate::table::{Millis, Table};

/// kubelet's patience for a call.
const DEADLINE: Duration = Duration::from_secs(120);
const P50: Duration = Duration::from_millis(1);
const P99: Duration = Duration::from_millis(3);

/// How long something took.
pub(super) struct Took {
    /// The call that does it, in a connection that has just been made.
    pub(super) call: Duration,
    /// With all that kubelet does for it: the connections, and the calls before.
    pub(super) whole: Duration,
}

/// Publishes, for the first time or again: two looks at the driver's capabilities and the call, a connection each.
pub(super) async fn publish(kubelet: &Kubelet, volume: &Volume) -> Result<Took> {
    let request = within(kubelet.request(volume));
    let started = Instant::now();
    for _ in 0..2 {
        let look = within(NodeGetCapabilitiesRequest {});
        client(kubelet).await?.node_get_capabilities(look).await?;
    }
    let mut client = client(kubelet).await?;
    let called = Instant::now();
    client
        .node_publish_volume(request)
        .await
        .with_context(|| format!("publish {}", volume.id()))?;
    Ok(Took {
        call: called.elapsed(),
        whole: started.elapsed(),
    })
}

/// Unpublishes: one connection, one call.
pub(super) async fn unpublish(kubelet: &Kubelet, volume: &Volume, root: &Path) -> Result<Took> {
    let request = within(NodeUnpublishVolumeRequest {
        volume_id: volume.id(),
        target_path: volume.target(root).display().to_string(),
    });
    let started = Instant::now();
    let mut client = client(kubelet).await?;
    let called = Instant::now();
    client
        .node_unpublish_volume(request)
        .await
        .with_context(|| format!("unpublish {}", volume.id()))?;
    Ok(Took {
        call: called.elapsed(),
        whole: started.elapsed(),
    })
}

/// A new connection: kubelet keeps none.
async fn client(kubelet: &Kubelet) -> Result<NodeClient<Channel>> {
    Ok(NodeClient::new(connect(kubelet.endpoint()).await?))
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

/// Adds what many took: the calls against their budgets, the rest beside them.
pub(super) fn tell(table: &mut Table, what: &str, took: &[Took]) {
    let mut calls: Vec<Duration> = took.iter().map(|took| took.call).collect();
    let mut wholes: Vec<Duration> = took.iter().map(|took| took.whole).collect();
    table.time(&format!("node: {what}, p50"), percentile(&mut calls, 50), P50);
    table.time(&format!("node: {what}, p99"), percentile(&mut calls, 99), P99);
    let whole = |percent, times: &mut [Duration]| Millis(percentile(times, percent)).to_string();
    table.note(
        &format!("node: {what}, with its connections, p50"),
        whole(50, &mut wholes),
    );
    table.note(
        &format!("node: {what}, with its connections, p99"),
        whole(99, &mut wholes),
    );
}
