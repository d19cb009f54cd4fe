//! The one owner of all that the daemon knows of its volumes beside their records.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use esi_api::MAX_RELEASED_VOLUMES;
use esi_core::names::ServerName;
use esi_core::{Classify as _, Clock, chain};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::channel::{Inbox, Message};
use super::error::{RotateError, SendError};
use super::events::Events;
use super::known::{Known, Note};
use super::line::{Line, after};
use super::port::{Reported, World};
use crate::fill::Filled;
use crate::metrics::{Metrics, Queue};
use crate::request::VolumeId;
use crate::state::{Phase, Record};

/// At most this many rotations at once: each is a call, a rendering and a thread, and a whole node's may be due
/// together after an outage.
const ROTATIONS: usize = 8;
/// Between two looks through the records, where nobody says that there is something new.
const SURVEY: Duration = Duration::from_secs(30);
/// What ends within this time is released in one call.
const GATHER: Duration = Duration::from_millis(100);

/// Keeps the volumes of a node alive, and releases those that ended.
#[derive(Debug)]
pub struct Keeper {
    inbox: Inbox,
    world: Arc<dyn World>,
    events: Events,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    lines: BTreeMap<ServerName, Line>,
    known: HashMap<VolumeId, Known>,
    jobs: JoinSet<Done>,
    rotations: usize,
    survey: Instant,
}

/// A job came to its end.
enum Done {
    Reported(ServerName, Reported),
    Rotated(VolumeId, Result<Filled, RotateError>),
    Released(ServerName, Result<(), SendError>),
}

impl Keeper {
    /// Knows nothing yet but the records.
    #[must_use]
    pub fn new(
        inbox: Inbox,
        world: Arc<dyn World>,
        events: Events,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inbox,
            world,
            events,
            metrics,
            clock,
            lines: BTreeMap::new(),
            known: HashMap::new(),
            jobs: JoinSet::new(),
            rotations: 0,
            survey: Instant::now(),
        }
    }

    /// Runs until it is dropped, and with it what it is doing; or until there are no volumes any more.
    pub async fn run(mut self) {
        loop {
            self.begin();
            let next = self.next();
            tokio::select! {
                message = self.inbox.0.recv() => match message {
                    Some(message) => self.hear(message),
                    None => return,
                },
                Some(done) = self.jobs.join_next() => match done {
                    Ok(done) => self.end(done),
                    // A defect: this task ends with it, which its owner notices.
                    Err(error) => {
                        tracing::error!(%error, "a job of the keeper did not come to its end");
                        return;
                    }
                },
                () = sleep_until(next) => {}
            }
        }
    }

    fn hear(&mut self, message: Message) {
        let now = Instant::now();
        match message {
            Message::Fresh(request) => {
                self.known
                    .entry(request.id.clone())
                    .or_insert_with(|| Known::new(&request.pod, &request.plan))
                    .fresh(request, now);
            }
            Message::Gone => self.survey_within(GATHER),
        }
    }

    fn survey_within(&mut self, span: Duration) {
        let within = after(Instant::now(), span);
        self.survey = within.map_or(self.survey, |within| self.survey.min(within));
    }

    /// Begins everything whose time has come.
    fn begin(&mut self) {
        let now = Instant::now();
        let releases = self.lines.values().filter_map(|line| line.releases.due());
        // The records say what is to be released.
        if releases.fold(self.survey, Instant::min) <= now {
            self.look_through(now);
        }
        self.begin_reports(now);
        self.begin_rotations(now);
        self.say_last(now);
    }

    /// When there is something to begin next.
    fn next(&self) -> Instant {
        let lines = self.lines.values().filter_map(Line::due);
        let rotations = self.known.values().filter_map(Known::due);
        let rotations = rotations.filter(|_due| self.rotations < ROTATIONS);
        let lasts = self.known.values().filter_map(Known::last);
        lines
            .chain(rotations)
            .chain(lasts)
            .fold(self.survey, Instant::min)
    }

    /// Finds what is new, and what has gone; begins to release.
    fn look_through(&mut self, now: Instant) {
        self.survey = after(now, SURVEY).unwrap_or(now);
        let records = self.world.records();
        let lives: HashSet<&VolumeId> = records
            .iter()
            .filter(|record| record.phase != Phase::Releasing)
            .map(|record| &record.id)
            .collect();
        self.known.retain(|id, _| lives.contains(id));
        let servers: HashSet<&ServerName> = records.iter().map(|record| &record.plan.server).collect();
        self.lines
            .retain(|server, line| servers.contains(server) || !line.is_idle());
        let mut gone: BTreeMap<&ServerName, Vec<VolumeId>> = BTreeMap::new();
        for record in &records {
            let server = &record.plan.server;
            if !self.lines.contains_key(server) {
                self.lines.insert(server.clone(), Line::new(now));
            }
            match record.phase {
                Phase::Publishing => {}
                Phase::Ready => {
                    if !self.known.contains_key(&record.id) {
                        self.known
                            .insert(record.id.clone(), Known::new(&record.pod, &record.plan));
                    }
                }
                Phase::Releasing => gone.entry(server).or_default().push(record.id.clone()),
            }
        }
        for (server, line) in &mut self.lines {
            match gone.remove(server) {
                Some(volumes) if line.releases.wants(now) => {
                    let release = release(Arc::clone(&self.world), server.clone(), volumes);
                    self.jobs.spawn(release);
                }
                Some(_later) => {}
                None => line.releases.has_nothing(),
            }
        }
        self.measure(&records, now);
    }

    fn begin_reports(&mut self, now: Instant) {
        let due: Vec<ServerName> = self
            .lines
            .iter_mut()
            .filter_map(|(server, line)| line.reports.begin(now).then(|| server.clone()))
            .collect();
        if due.is_empty() {
            return;
        }
        let mut records = self.world.records();
        records.retain(|record| record.phase == Phase::Ready);
        for server in due {
            let volumes = records
                .extract_if(.., |record| record.plan.server == server)
                .collect();
            let world = Arc::clone(&self.world);
            self.jobs.spawn(async move {
                let reported = world.report(&server, volumes).await;
                Done::Reported(server, reported)
            });
        }
    }

    /// Those first whose time came first.
    fn begin_rotations(&mut self, now: Instant) {
        let mut due: Vec<(Instant, VolumeId)> = self
            .known
            .iter()
            .filter_map(|(id, known)| Some((known.due()?, id.clone())))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort_unstable_by_key(|(at, _)| *at);
        for (_, id) in due {
            if self.rotations >= ROTATIONS {
                return;
            }
            let begun = self
                .known
                .get_mut(&id)
                .and_then(|known| known.begin(|request| self.world.has_token(request)));
            let Some(request) = begun else { continue };
            self.rotations = self.rotations.saturating_add(1);
            let world = Arc::clone(&self.world);
            self.jobs.spawn(async move {
                let rotated = world.rotate(request).await;
                Done::Rotated(id, rotated)
            });
        }
    }

    fn say_last(&mut self, now: Instant) {
        for known in self.known.values_mut() {
            if known.last().is_none_or(|last| last > now) {
                continue;
            }
            let unheard = self
                .lines
                .get(&known.server)
                .and_then(|line| line.problem.as_deref());
            let note = known.say_last(unheard, now);
            tell(&self.events, known, note);
        }
    }

    fn end(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Reported(server, reported) => self.reported(&server, &reported, now),
            Done::Rotated(id, rotated) => self.rotated(&id, &rotated, now),
            Done::Released(server, released) => {
                self.metrics.released(&released);
                if let Err(error) = &released {
                    tracing::debug!(%server, error = %chain(error), "releases wait");
                }
                if let Some(line) = self.lines.get_mut(&server) {
                    line.released(&released, now);
                }
                // There may be more.
                if released.is_ok() {
                    self.survey_within(GATHER);
                }
            }
        }
    }

    fn reported(&mut self, server: &ServerName, reported: &Reported, now: Instant) {
        self.metrics.reported(reported.error.as_ref());
        if let Some(line) = self.lines.get_mut(server) {
            match (&reported.error, &line.problem) {
                (Some(error), None) => {
                    tracing::warn!(%server, kind = error.kind(), error = %chain(error), "the server takes no report; volumes stay as they are");
                }
                (None, Some(_)) => tracing::info!(%server, "the server takes reports again"),
                (Some(_), Some(_)) | (None, None) => {}
            }
            line.reported(reported, now);
        }
        for (id, generation, verdict) in &reported.verdicts {
            self.metrics.verdict(verdict.action);
            if let Some(known) = self.known.get_mut(id) {
                let note = known.judged(*generation, verdict, now);
                tell(&self.events, known, note);
            }
        }
    }

    fn rotated(&mut self, id: &VolumeId, rotated: &Result<Filled, RotateError>, now: Instant) {
        self.rotations = self.rotations.saturating_sub(1);
        self.metrics.rotated(rotated);
        if let Err(error) = rotated {
            tracing::warn!(volume = %id, kind = error.kind(), error = %chain(error), "a volume is not rotated, and keeps what it shows");
        }
        if let Some(known) = self.known.get_mut(id) {
            let note = known.rotated(rotated, now);
            tell(&self.events, known, note);
        }
    }

    fn measure(&self, records: &[Record], now: Instant) {
        let wall = self.clock.now();
        let gone = records.iter().filter(|record| record.phase == Phase::Releasing);
        let queue = Queue {
            length: gone.clone().count(),
            oldest: gone.map(|record| wall.since(record.at)).max(),
        };
        let left = self.known.values().filter_map(Known::last_of_variables);
        let first = left
            .clone()
            .flatten()
            .min()
            .map(|at| wall + at.saturating_duration_since(now));
        self.metrics.volumes(records);
        self.metrics.queue(&queue);
        self.metrics.left_to_end(left.count(), first);
    }
}

async fn release(world: Arc<dyn World>, server: ServerName, mut volumes: Vec<VolumeId>) -> Done {
    volumes.truncate(MAX_RELEASED_VOLUMES);
    let released = world.release(&server, volumes).await;
    Done::Released(server, released)
}

fn tell(events: &Events, known: &Known, note: Option<Note>) {
    if let Some((reason, message)) = note {
        events.tell(&known.pod, reason, message);
    }
}
