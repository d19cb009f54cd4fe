//! What each call of the port does inside a transaction: load, ask the state machine, save.

use esi_core::{BindingKey, Generation, Handle, InstallationId, LeaseId, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _};

use super::rows::{self, as_i64, select, unavailable};
use super::time::Reading;
use crate::error::StoreError;
use crate::port::{Activation, Begun, Claim, Counts, EndReason, InUse, Lease, NewLease, Selector, State};
use crate::state::{Record, Refusal, supersede};

/// An open transaction.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) connection: &'a Connection,
    pub(super) installation: &'a InstallationId,
    pub(super) epoch: i64,
    pub(super) reading: Reading,
}

impl Session<'_> {
    pub(super) fn now(&self) -> Timestamp {
        self.reading.now
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        self.connection.prepare_cached(sql).map_err(unavailable)
    }

    pub(super) fn save(&self, record: &Record) -> Result<(), StoreError> {
        rows::update(self.connection, record, self.now())
    }

    fn find(&self, lease: LeaseId) -> Result<Option<Record>, StoreError> {
        let mut statement = self.prepare(select!("WHERE id = ?1"))?;
        Ok(rows::all(&mut statement, [lease.simple()], self.installation)?.pop())
    }

    /// Releases every claim. Only one server has a SQLite ledger at a time: whoever held one is gone, and nobody
    /// waits for it to run out.
    pub(super) fn release_all(&self) -> Result<(), StoreError> {
        let mut held = self.prepare(select!("WHERE next_due IS NOT NULL AND held_until IS NOT NULL"))?;
        for mut record in rows::all(&mut held, [], self.installation)? {
            record.release();
            self.save(&record)?;
        }
        Ok(())
    }

    /// The live generations of a binding, newest first.
    fn live(&self, key: &BindingKey) -> Result<Vec<Record>, StoreError> {
        let sql = select!(
            "WHERE cluster = ?1 AND instance = ?2 AND binding = ?3 AND state IN ('intent', 'active') \
             ORDER BY generation DESC"
        );
        let params = (key.cluster.as_str(), &key.instance, key.binding.as_str());
        rows::all(&mut self.prepare(sql)?, params, self.installation)
    }

    pub(super) fn begin(&self, new: NewLease) -> Result<Begun, StoreError> {
        let now = self.now();
        let mut live = self.live(&new.key)?;
        supersede(&mut live, now);
        for record in &live {
            self.save(record)?;
        }
        let sql = "SELECT max(generation) FROM leases WHERE cluster = ?1 AND instance = ?2 AND binding = ?3";
        let key = &new.key;
        let newest: Option<i64> = self
            .prepare(sql)?
            .query_row(
                (key.cluster.as_str(), &key.instance, key.binding.as_str()),
                |row| row.get(0),
            )
            .map_err(unavailable)?;
        let generation = newest
            .and_then(|newest| u64::try_from(newest).ok())
            .map_or(Generation::FIRST, |newest| Generation::new(newest).next());
        let request = new.request_id.clone();
        let record = Record::begin(new, self.installation.clone(), generation, now);
        rows::insert(self.connection, &record, &request, self.epoch, now)?;
        Ok(Begun {
            intent: record.lease.intent,
            generation,
        })
    }

    /// Applies an event to one lease and saves what comes out, also with a refusal.
    fn change<T>(
        &self,
        lease: LeaseId,
        absent: Refusal,
        event: impl FnOnce(&mut Record, Timestamp) -> Result<T, Refusal>,
    ) -> Result<(Record, T), StoreError> {
        let mut record = self.find(lease)?.ok_or(absent)?;
        let outcome = event(&mut record, self.now());
        self.save(&record)?;
        Ok((record, outcome?))
    }

    pub(super) fn record(&self, lease: LeaseId, handle: Handle) -> Result<(), StoreError> {
        check_size(&handle)?;
        self.change(lease, Refusal::Superseded, |record, now| {
            record.record_handle(handle, now)
        })
        .map(drop)
    }

    pub(super) fn activate(&self, lease: LeaseId, activation: Activation) -> Result<Lease, StoreError> {
        check_size(&activation.handle)?;
        let acknowledged = activation.acknowledged;
        let (record, ()) = self.change(lease, Refusal::Superseded, |record, now| {
            record.activate(activation, now)
        })?;
        if acknowledged {
            self.overlap_older_than(&record)?;
        }
        Ok(record.lease)
    }

    pub(super) fn abandon(&self, lease: LeaseId) -> Result<(), StoreError> {
        let Some(mut record) = self.find(lease)? else {
            return Ok(());
        };
        record.abandon(self.now());
        self.save(&record)
    }

    /// The generation of the binding, if it is live.
    fn live_generation(
        &self,
        key: &BindingKey,
        generation: Generation,
    ) -> Result<Option<Record>, StoreError> {
        let sql = select!(
            "WHERE cluster = ?1 AND instance = ?2 AND binding = ?3 AND generation = ?4 \
             AND state IN ('intent', 'active')"
        );
        let number = as_i64(generation.number());
        let params = (key.cluster.as_str(), &key.instance, key.binding.as_str(), number);
        Ok(rows::all(&mut self.prepare(sql)?, params, self.installation)?.pop())
    }

    fn overlap_older_than(&self, newer: &Record) -> Result<(), StoreError> {
        for mut record in self.live(&newer.lease.key)? {
            if record.lease.generation < newer.lease.generation {
                record.overlap_with(newer, self.now());
                self.save(&record)?;
            }
        }
        Ok(())
    }

    pub(super) fn acknowledge(&self, key: &BindingKey, generation: Generation) -> Result<(), StoreError> {
        let mut record = self
            .live_generation(key, generation)?
            .ok_or(StoreError::NotLive)?;
        let outcome = record.acknowledge(self.now());
        if outcome != Ok(false) {
            self.save(&record)?;
        }
        if outcome? {
            self.overlap_older_than(&record)?;
        }
        Ok(())
    }

    pub(super) fn in_use(&self, uses: &[InUse], until: Timestamp) -> Result<Vec<Option<Lease>>, StoreError> {
        let until = self.reading.translate(until);
        uses.iter().map(|used| self.used(used, until)).collect()
    }

    fn used(&self, used: &InUse, until: Timestamp) -> Result<Option<Lease>, StoreError> {
        let Some(mut record) = self.live_generation(&used.key, used.generation)? else {
            return Ok(None);
        };
        let news = record.acknowledge(self.now());
        if news.is_ok() {
            record.alive(until);
        }
        self.save(&record)?;
        if news == Ok(true) {
            self.overlap_older_than(&record)?;
        }
        Ok(news.is_ok().then_some(record.lease))
    }

    /// The live leases that the selector names.
    fn selected(&self, selector: &Selector) -> Result<Vec<Record>, StoreError> {
        let mut records = match selector {
            Selector::Lease(lease) => self.find(*lease)?.into_iter().collect(),
            Selector::Binding(key) => self.live(key)?,
            Selector::Volume { key, node, up_to } => {
                let mut live = self.live(key)?;
                live.retain(|Record { lease, .. }| {
                    lease.owner.node.as_ref() == Some(node)
                        && up_to.is_none_or(|up_to| lease.generation <= up_to)
                });
                live
            }
            Selector::Instance { cluster, instance } => {
                let sql = select!("WHERE cluster = ?1 AND instance = ?2 AND state IN ('intent', 'active')");
                rows::all(
                    &mut self.prepare(sql)?,
                    (cluster.as_str(), instance),
                    self.installation,
                )?
            }
        };
        records.retain(Record::is_live);
        Ok(records)
    }

    pub(super) fn end(&self, selector: &Selector, reason: EndReason) -> Result<usize, StoreError> {
        let mut ended = 0;
        for mut record in self.selected(selector)? {
            ended += usize::from(record.end(reason, self.now()));
            self.save(&record)?;
        }
        Ok(ended)
    }

    pub(super) fn ask_rotation(&self, selector: &Selector) -> Result<usize, StoreError> {
        let mut asked = 0;
        for mut record in self.selected(selector)? {
            asked += usize::from(record.ask_rotation(self.now()));
            self.save(&record)?;
        }
        Ok(asked)
    }

    /// Settles a claim, or says how far the work has come.
    pub(super) fn settle(
        &self,
        claim: Claim,
        event: impl FnOnce(&mut Record, Timestamp) -> Result<(), Refusal>,
    ) -> Result<(), StoreError> {
        self.change(claim.lease, Refusal::ClaimLost, event).map(drop)
    }

    pub(super) fn retry(&self, lease: LeaseId) -> Result<bool, StoreError> {
        let Some(mut record) = self.find(lease)? else {
            return Ok(false);
        };
        let dead = record.revive(self.now());
        self.save(&record)?;
        Ok(dead)
    }

    pub(super) fn generation(&self, named: &InUse) -> Result<Option<Lease>, StoreError> {
        let InUse { key, generation } = named;
        let sql = select!("WHERE cluster = ?1 AND instance = ?2 AND binding = ?3 AND generation = ?4");
        let number = as_i64(generation.number());
        let params = (key.cluster.as_str(), &key.instance, key.binding.as_str(), number);
        let found = rows::all(&mut self.prepare(sql)?, params, self.installation)?.pop();
        Ok(found.map(|record| record.lease))
    }

    pub(super) fn newest(&self, key: &BindingKey) -> Result<Option<Lease>, StoreError> {
        let sql =
            select!("WHERE cluster = ?1 AND instance = ?2 AND binding = ?3 ORDER BY generation DESC LIMIT 1");
        let params = (key.cluster.as_str(), &key.instance, key.binding.as_str());
        let newest = rows::all(&mut self.prepare(sql)?, params, self.installation)?.pop();
        Ok(newest.map(|record| record.lease))
    }

    pub(super) fn unfinished(&self, after: Option<LeaseId>, limit: usize) -> Result<Vec<Lease>, StoreError> {
        let sql = select!("WHERE id > ?1 AND state NOT IN ('revoked', 'abandoned') ORDER BY id LIMIT ?2");
        let after = after.map(LeaseId::simple).unwrap_or_default();
        let limit = i64::try_from(limit.min(MAX_LISTED)).unwrap_or(i64::MAX);
        let records = rows::all(&mut self.prepare(sql)?, (after, limit), self.installation)?;
        Ok(records.into_iter().map(|record| record.lease).collect())
    }

    pub(super) fn counts(&self) -> Result<Counts, StoreError> {
        let mut statement = self.prepare("SELECT number FROM counts WHERE state = ?1")?;
        State::ALL
            .into_iter()
            .map(|state| {
                let number = statement
                    .query_row([state.as_str()], |row| row.get::<_, i64>(0))
                    .optional()
                    .map_err(unavailable)?;
                Ok((
                    state,
                    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0),
                ))
            })
            .collect()
    }
}

/// Most leases of one answer: the thread that reads them is the one that writes.
const MAX_LISTED: usize = 10_000;

fn check_size(handle: &Handle) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(handle)
        .map_err(|error| StoreError::Corrupt(Box::new(error)))?
        .len();
    if bytes > Handle::MAX_BYTES {
        return Err(StoreError::HandleTooLarge { bytes });
    }
    Ok(())
}
