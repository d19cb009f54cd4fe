//! Publish: a volume is there, with its content, however often it is asked for.

use std::sync::Arc;
use std::time::Duration;

use esi_core::chain;
use esi_delivery::Volume;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::blocking::{Blocking, Cut};
use super::decide::{Found, Todo, decide};
use super::layout;
use super::port::PublishError;
use super::start::{Parts, next};
use super::table::Turn;
use crate::fill::{FillError, Filled};
use crate::mount::{Detached, MountError, Place, Seen};
use crate::request::{Delivery, Publish};
use crate::state::{Phase, Record, StateError};

/// How long filling may take: kubelet gives up a publish after two minutes, and what is left is for giving back.
const FILL: Duration = Duration::from_secs(100);
/// How long giving back may take: nobody waits for it but the next try, and the generation after ends it anyway.
const GIVE_BACK: Duration = Duration::from_secs(5);

/// One call, which has the turn of its volume.
pub(super) struct Call {
    pub(super) parts: Arc<Parts>,
    pub(super) blocking: Blocking,
    pub(super) turn: Arc<Turn>,
    pub(super) request: Arc<Publish>,
    pub(super) calls: TaskTracker,
}

/// A volume that is made, and not seen yet.
struct Made {
    place: Place,
    volume: Detached,
}

impl Call {
    pub(super) async fn run(self) -> Result<(), PublishError> {
        let (parts, turn, request) = self.shared();
        let begun = self.blocking.run(move || begin(&parts, &turn, &request)).await?;
        match begun? {
            Begun::Ready => {}
            Begun::Adopted(filled) => self.tell(filled),
            Begun::Made(made) => {
                let filled = self.fill(&made).await?;
                self.show(made, filled).await?;
                self.tell(filled);
            }
        }
        self.parts.keep.fresh(Arc::clone(&self.request));
        Ok(())
    }

    /// Fills the volume, unless it takes too long or an unpublish comes in between.
    async fn fill(&self, made: &Made) -> Result<Option<Filled>, PublishError> {
        if self.request.delivery == Delivery::Init {
            return Ok(None);
        }
        let filled = match made.volume.share() {
            Err(error) => Err(mount(error)),
            Ok(root) => tokio::select! {
                biased;
                () = self.turn.stopped() => Err(PublishError::Stopped),
                filled = tokio::time::timeout(FILL, self.parts.fill.fill(&self.request, root)) => match filled {
                    Ok(filled) => filled.map_err(|error: FillError| PublishError::Fill(error)),
                    Err(_elapsed) => Err(PublishError::Late),
                },
            },
        };
        match filled {
            Ok(filled) => Ok(Some(filled)),
            Err(error) => {
                self.undo().await;
                Err(error)
            }
        }
    }

    /// Attaches the volume, and records that it is ready.
    async fn show(&self, made: Made, filled: Option<Filled>) -> Result<(), PublishError> {
        let (parts, turn, request) = self.shared();
        let shown = self
            .blocking
            .run(move || attach(&parts, &turn, &request, made, filled))
            .await?;
        // Once it is seen nothing is taken back: the next call finds it and says that it is ready.
        if let Err(PublishError::Mount(_)) = &shown {
            self.undo().await;
        }
        shown
    }

    /// Takes back what was done, while the turn is still held: later it could meet what the next try does. The record
    /// stays, for it is not certain that nothing was issued.
    async fn undo(&self) {
        let (parts, request) = (Arc::clone(&self.parts), Arc::clone(&self.request));
        let removed = self
            .blocking
            .run(move || parts.pods.place(&request.target).and_then(|place| place.remove()))
            .await;
        if let Ok(Err(error)) = removed {
            warn!(volume = %self.request.id, error = %chain(&error), "a mount point is left behind");
        }
        if self.request.delivery == Delivery::Node {
            let given_back = tokio::time::timeout(GIVE_BACK, self.parts.fill.give_back(&self.request)).await;
            if given_back.is_err() {
                warn!(volume = %self.request.id, "a credential could not be given back in time; the next one ends it");
            }
        }
    }

    /// Tells the server what is seen. Nobody waits for that.
    fn tell(&self, filled: Option<Filled>) {
        let Some(filled) = filled else { return };
        let (parts, request) = (Arc::clone(&self.parts), Arc::clone(&self.request));
        self.calls
            .spawn(async move { parts.fill.shown(&request, &filled).await });
    }

    fn shared(&self) -> (Arc<Parts>, Arc<Turn>, Arc<Publish>) {
        (
            Arc::clone(&self.parts),
            Arc::clone(&self.turn),
            Arc::clone(&self.request),
        )
    }
}

enum Begun {
    Ready,
    Adopted(Option<Filled>),
    Made(Made),
}

fn begin(parts: &Parts, turn: &Turn, request: &Publish) -> Result<Begun, PublishError> {
    let place = parts
        .pods
        .place(&request.target)
        .map_err(|error| PublishError::Target(Box::new(error)))?;
    let found = look(&place, request)?;
    match decide(turn.record().as_ref(), request, found) {
        Todo::Nothing => Ok(Begun::Ready),
        Todo::OtherTarget => Err(PublishError::OtherTarget),
        Todo::Occupied => Err(PublishError::Occupied),
        Todo::Adopt(generation) => {
            let mut record = Record::publishing(request, &parts.boot, parts.clock.now());
            record.generation = generation;
            parts
                .save(turn, next(parts, record, Phase::Ready))
                .map_err(state)?;
            info!(volume = %request.id, target = %request.target, "a volume is taken over as it is");
            Ok(Begun::Adopted(generation.map(|generation| Filled {
                generation,
                expires_in: None,
            })))
        }
        Todo::Make => make(parts, turn, request, place),
        Todo::Remake => {
            place.unmount().map_err(mount)?;
            parts.checkpoint.reach("publish/cleared");
            make(parts, turn, request, place)
        }
    }
}

/// Looks what is there, and closes it again.
fn look(place: &Place, request: &Publish) -> Result<Found, PublishError> {
    Ok(match place.look().map_err(mount)? {
        Seen::Absent | Seen::Bare => Found::Nothing,
        Seen::Foreign => Found::Foreign,
        // What an init container wrote says nothing to be relied on.
        Seen::Volume(_root) if request.delivery == Delivery::Init => Found::Volume(None),
        Seen::Volume(root) => {
            let current = Volume::from_fd(root).current();
            Found::Volume(current.map_err(|error| PublishError::Mount(Box::new(error)))?)
        }
    })
}

fn make(parts: &Parts, turn: &Turn, request: &Publish, place: Place) -> Result<Begun, PublishError> {
    let record = Record::publishing(request, &parts.boot, parts.clock.now());
    parts.save(turn, record).map_err(state)?;
    parts.checkpoint.reach("publish/recorded");
    place.make().map_err(mount)?;
    parts.checkpoint.reach("publish/placed");
    let volume = Detached::make(&parts.kernel, &layout::of(request)).map_err(mount)?;
    parts.checkpoint.reach("publish/made");
    Ok(Begun::Made(Made { place, volume }))
}

fn attach(
    parts: &Parts,
    turn: &Turn,
    request: &Publish,
    made: Made,
    filled: Option<Filled>,
) -> Result<(), PublishError> {
    parts.checkpoint.reach("publish/filled");
    made.volume.attach(&made.place).map_err(mount)?;
    parts.checkpoint.reach("publish/mounted");
    let mut record = Record::publishing(request, &parts.boot, parts.clock.now());
    record.generation = filled.map(|filled| filled.generation);
    parts
        .save(turn, next(parts, record, Phase::Ready))
        .map_err(state)?;
    parts.checkpoint.reach("publish/ready");
    Ok(())
}

fn mount(error: MountError) -> PublishError {
    PublishError::Mount(Box::new(error))
}

fn state(error: StateError) -> PublishError {
    PublishError::State(Box::new(error))
}

impl From<Cut> for PublishError {
    fn from(_cut: Cut) -> Self {
        Self::Stopped
    }
}
