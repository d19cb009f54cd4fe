//! The keeper's world, as it is: the volumes of this node and the servers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esi_api::{MAX_RELEASED_VOLUMES, MAX_REPORTED_BINDINGS};
use esi_client::{Budget, Gone, Shown};
use esi_core::names::ServerName;
use esi_core::{Checkpoint, Clock, Generation, chain};
use tracing::{info, warn};

use super::error::{RotateError, SendError};
use super::port::{Reported, World};
use crate::fill::{Fill as _, Filled, NodeFill};
use crate::request::{Publish, VolumeId};
use crate::server::Servers;
use crate::state::{Phase, Record};
use crate::volume::{Held, Volumes};

/// The time of one report, retries included: there is the next one.
const REPORT: Duration = Duration::from_secs(20);
/// The time of one release, retries included. An unpublish that kubelet repeats waits for it.
const RELEASE: Duration = Duration::from_secs(10);
/// The time of a rotation: longer than its issue may take.
const ROTATE: Duration = Duration::from_secs(100);
/// A volume of a server that nobody has named for so long is forgotten, or the queue would grow for ever: what was
/// issued for it has ended with its pod, or by itself.
const NOBODYS: Duration = Duration::from_secs(7 * 24 * 3600);
/// A token that is good for less is not begun with: an issue may take as long, and be repeated.
const TOKEN: Duration = Duration::from_secs(60);

/// The node.
#[derive(Debug)]
pub struct Node {
    /// Its volumes.
    pub volumes: Arc<Volumes>,
    /// The servers.
    pub servers: Servers,
    /// Who issues, renders and writes.
    pub fill: Arc<NodeFill>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Is told of every step.
    pub checkpoint: Arc<dyn Checkpoint>,
}

impl Node {
    /// What the volumes show. Those that show nothing are left out.
    async fn shown(&self, volumes: Vec<Record>) -> Vec<(Record, Generation)> {
        let all = Arc::clone(&self.volumes);
        let look = move || {
            let shown = volumes.into_iter().filter_map(|record| {
                let generation = all.shown(&record).or(record.generation)?;
                Some((record, generation))
            });
            shown.collect()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// The turns at those of these volumes that are to be released, where nobody has them.
    fn hold_gone(&self, volumes: &[VolumeId]) -> Vec<Held> {
        volumes
            .iter()
            .take(MAX_RELEASED_VOLUMES)
            .filter_map(|id| self.volumes.hold(id))
            // One that was published again meanwhile lives.
            .filter(|held| held.record().phase == Phase::Releasing)
            .collect()
    }

    /// Says to the server that volumes are gone, and forgets them. Their turns are held all the while: a publish that
    /// takes one back cannot come in between. How many there were.
    async fn give_back(&self, server: &ServerName, mut held: Vec<Held>) -> Result<usize, SendError> {
        let number = held.len();
        if number == 0 {
            return Ok(0);
        }
        let told = self.tell(server, &held).await;
        self.checkpoint.reach("release/told");
        if matches!(told, Err(SendError::Server(_))) {
            let now = self.clock.now();
            held.retain(|held| now.since(held.record().at) > NOBODYS);
        } else if told.is_err() {
            held.clear();
        }
        for held in held {
            let id = held.record().id.clone();
            match held.forget().await {
                Ok(()) => info!(volume = %id, "a volume is released"),
                Err(error) => {
                    warn!(volume = %id, error = %chain(&error), "a released volume is not forgotten, and will be released again");
                }
            }
        }
        told.map(|()| number)
    }

    async fn tell(&self, server: &ServerName, held: &[Held]) -> Result<(), SendError> {
        let gone: Vec<Gone> = held
            .iter()
            .map(|held| {
                let record = held.record();
                Gone {
                    pod: record.pod.uid.clone(),
                    binding: record.plan.binding.clone(),
                    generation: record.generation,
                }
            })
            .collect();
        let server = self.servers.get(server)?;
        server.own().release(&gone, Budget::of(RELEASE)).await?;
        Ok(())
    }
}

#[async_trait]
impl World for Node {
    fn records(&self) -> Vec<Record> {
        self.volumes.records()
    }

    fn has_token(&self, volume: &Publish) -> bool {
        match self.fill.token(volume) {
            None => false,
            // The server says whether it is good.
            Some(None) => true,
            Some(Some(expires)) => expires.since(self.clock.now()) > TOKEN,
        }
    }

    async fn report(&self, server: &ServerName, volumes: Vec<Record>) -> Reported {
        let shown = self.shown(volumes).await;
        let mut reported = Reported::default();
        let server = match self.servers.get(server) {
            Ok(server) => server,
            Err(error) => {
                reported.error = Some(error.into());
                return reported;
            }
        };
        for part in shown.chunks(MAX_REPORTED_BINDINGS) {
            let bindings: Vec<Shown> = part
                .iter()
                .map(|(record, generation)| Shown {
                    pod: record.pod.uid.clone(),
                    binding: record.plan.binding.clone(),
                    generation: *generation,
                })
                .collect();
            match server.own().report_shown(&bindings, Budget::of(REPORT)).await {
                Ok(report) => {
                    reported.report_in = report.report_in;
                    let volumes = part
                        .iter()
                        .map(|(record, generation)| (record.id.clone(), *generation));
                    let verdicts = volumes
                        .zip(report.verdicts)
                        .map(|((id, generation), verdict)| (id, generation, verdict));
                    reported.verdicts.extend(verdicts);
                }
                Err(error) => {
                    reported.error = Some(error.into());
                    break;
                }
            }
        }
        reported
    }

    async fn rotate(&self, volume: Arc<Publish>) -> Result<Filled, RotateError> {
        let mut held = self.volumes.hold(&volume.id).ok_or(RotateError::Busy)?;
        if held.record().phase != Phase::Ready {
            return Err(RotateError::Gone);
        }
        let root = held.root().await.ok_or(RotateError::Gone)?;
        // kubelet asks for it all the time, and what it shows stays whole.
        held.keep();
        if let Err(error) = held.changes().await {
            // Known in memory, and to the server: no reason to let a credential run out.
            warn!(volume = %volume.id, error = %chain(&error), "a rotation is not durable");
        }
        self.checkpoint.reach("rotate/recorded");
        let filled = tokio::select! {
            biased;
            () = held.stopped() => return Err(RotateError::Gone),
            filled = tokio::time::timeout(ROTATE, self.fill.rotate(&volume, root)) => {
                filled.map_err(|_elapsed| RotateError::Late)??
            }
        };
        self.checkpoint.reach("rotate/written");
        if let Err(error) = held.shows(filled.generation).await {
            warn!(volume = %volume.id, error = %chain(&error), "what a volume shows is not durable");
        }
        drop(held);
        self.checkpoint.reach("rotate/known");
        info!(volume = %volume.id, pod = %volume.pod.name, namespace = %volume.pod.namespace, generation = %filled.generation, "a volume is rotated");
        self.fill.shown(&volume, &filled).await;
        Ok(filled)
    }

    async fn release(&self, server: &ServerName, volumes: Vec<VolumeId>) -> Result<(), SendError> {
        let asked = volumes.len();
        let released = self.give_back(server, self.hold_gone(&volumes)).await?;
        if released == asked {
            Ok(())
        } else {
            Err(SendError::Busy)
        }
    }
}
