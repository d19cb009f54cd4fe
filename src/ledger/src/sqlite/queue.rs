//! What is due, and who gets it.

use std::collections::BTreeMap;
use std::time::Duration;

use esi_core::Timestamp;
use rusqlite::OptionalExtension as _;

use super::rows::{self, select, unavailable};
use super::session::Session;
use crate::error::StoreError;
use crate::port::{Due, DueBatch, Room};

/// Most rows that one call changes: the thread that does it is the one that everybody waits for.
const MAX_CHANGED: usize = 512;

/// A row of the queue.
struct Entry {
    row: i64,
    due: Timestamp,
}

/// How much room is left while leases are claimed.
struct Left {
    total: usize,
    per_generator: usize,
    busy: BTreeMap<String, usize>,
}

impl Left {
    fn of(room: Room) -> Self {
        let Room {
            total,
            per_generator,
            busy,
        } = room;
        Self {
            total: total.min(MAX_CHANGED),
            per_generator,
            busy: busy
                .into_iter()
                .map(|(generator, number)| (generator.to_string(), number))
                .collect(),
        }
    }

    fn takes(&self, generator: &str) -> bool {
        self.busy.get(generator).copied().unwrap_or(0) < self.per_generator
    }

    fn take(&mut self, generator: String) {
        self.total = self.total.saturating_sub(1);
        *self.busy.entry(generator).or_default() += 1;
    }
}

impl Session<'_> {
    pub(super) fn claim_due(&self, room: Room, claim_for: Duration) -> Result<DueBatch, StoreError> {
        let now = self.now();
        let (entries, mut more) = self.entries(Left::of(room))?;
        let mut batch = DueBatch {
            now,
            ..DueBatch::default()
        };
        for entry in entries {
            match self.claim(&entry, claim_for)? {
                Some(due) => batch.due.push(due),
                // Only time has changed it: the room that was kept for it is still free.
                None => more = true,
            }
        }
        batch.next = if more { Some(now) } else { self.next_after(now)? };
        Ok(batch)
    }

    /// Applies what time has decided; claims the lease if there is work for a backend.
    fn claim(&self, entry: &Entry, claim_for: Duration) -> Result<Option<Due>, StoreError> {
        let now = self.now();
        let mut statement = self.prepare(select!("WHERE rowid = ?1"))?;
        let Some(mut record) = rows::all(&mut statement, [entry.row], self.installation)?.pop() else {
            return Ok(None);
        };
        record.pass_time(now);
        let due = record.work(now).map(|work| Due {
            claim: record.claim(claim_for, now),
            work,
            since: entry.due,
            granted: record.granted,
            ended_at: record.ended_at,
            lease: record.lease.clone(),
        });
        self.save(&record)?;
        Ok(due)
    }

    /// What is due and has room, oldest first, and whether there was more.
    fn entries(&self, mut left: Left) -> Result<(Vec<Entry>, bool), StoreError> {
        let mut statement = self.prepare(
            "SELECT rowid, next_due, generator FROM leases WHERE next_due IS NOT NULL AND next_due <= ?1 \
             ORDER BY next_due",
        )?;
        let mut rows = statement.query([self.now().as_millis()]).map_err(unavailable)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next().map_err(unavailable)? {
            let generator: String = row.get(2).map_err(unavailable)?;
            if left.total == 0 {
                return Ok((entries, true));
            }
            if !left.takes(&generator) {
                continue;
            }
            entries.push(Entry {
                row: row.get(0).map_err(unavailable)?,
                due: Timestamp::from_millis(row.get(1).map_err(unavailable)?),
            });
            left.take(generator);
        }
        Ok((entries, false))
    }

    fn next_after(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT next_due FROM leases WHERE next_due IS NOT NULL AND next_due > ?1 ORDER BY next_due LIMIT 1";
        let next: Option<i64> = self
            .prepare(sql)?
            .query_row([now.as_millis()], |row| row.get(0))
            .optional()
            .map_err(unavailable)?;
        Ok(next.map(Timestamp::from_millis))
    }
}
