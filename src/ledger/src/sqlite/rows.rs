//! Records to rows and back.

use std::time::Duration;

use esi_core::{BindingKey, Generation, InstallationId, Intent, LeaseId, RequestId, Timestamp};
use rusqlite::types::FromSql;
use rusqlite::{CachedStatement, Connection, Params, Row, named_params};
use thiserror::Error;

use crate::error::StoreError;
use crate::port::{EndReason, Lease, State};
use crate::state::{Held, Record};
use crate::words::{ends_as_str, parse_ends};

/// The columns that [`read`] reads, in its order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, cluster, instance, binding, generation, owner, generator, begun_at, mint_deadline, ",
            "sweep_until, overlap, state, acknowledged, handle, ends, renewable, issued_at, expires_at, ",
            "max_expires_at, alive_until, overlap_until, end_reason, ended_at, granted, work_at, fence, held_at, held_until, ",
            "attempts, last_error, rotation_asked FROM leases ",
            $rest
        )
    };
}
pub(super) use select;

#[derive(Debug, Error)]
#[error("column {column} of a lease holds what it cannot")]
struct BadColumn {
    column: usize,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub(super) fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

/// All rows of a query.
pub(super) fn all(
    statement: &mut CachedStatement<'_>,
    params: impl Params,
    installation: &InstallationId,
) -> Result<Vec<Record>, StoreError> {
    let mut rows = statement.query(params).map_err(unavailable)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(unavailable)? {
        records.push(read(row, installation)?);
    }
    Ok(records)
}

/// Walks through the columns of a row.
struct Columns<'a> {
    row: &'a Row<'a>,
    next: usize,
}

impl Columns<'_> {
    fn get<T: FromSql>(&mut self) -> Result<T, StoreError> {
        let column = self.next;
        self.next += 1;
        self.row
            .get(column)
            .map_err(|source| corrupt(column, Some(Box::new(source))))
    }

    fn parse<T, E>(&mut self, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, StoreError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let column = self.next;
        let text: String = self.get()?;
        parse(&text).map_err(|source| corrupt(column, Some(Box::new(source))))
    }

    fn word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        let column = self.next;
        let text: String = self.get()?;
        parse(&text).ok_or_else(|| corrupt(column, None))
    }

    fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.get().map(Timestamp::from_millis)
    }

    fn maybe_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.get::<Option<i64>>()
            .map(|millis| millis.map(Timestamp::from_millis))
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let column = self.next;
        let number: i64 = self.get()?;
        T::try_from(number).map_err(|_range| corrupt(column, None))
    }
}

fn corrupt(column: usize, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Corrupt(Box::new(BadColumn { column, source }))
}

fn read(row: &Row<'_>, installation: &InstallationId) -> Result<Record, StoreError> {
    let mut columns = Columns { row, next: 0 };
    let c = &mut columns;
    // Struct fields are evaluated in the order they are written: that of the columns is kept by names first.
    let id: LeaseId = c.parse(str::parse)?;
    let key = BindingKey {
        cluster: c.parse(str::parse)?,
        instance: c.get()?,
        binding: c.parse(str::parse)?,
    };
    let generation = Generation::new(c.number()?);
    let owner = c.parse(|text| serde_json::from_str(text))?;
    let generator = c.parse(str::parse)?;
    let begun_at = c.time()?;
    let mint_deadline = c.time()?;
    let sweep_until = c.time()?;
    let overlap = Duration::from_millis(c.number()?);
    let state = c.word(State::parse)?;
    let acknowledged = c.get()?;
    let handle_column = c.next;
    let handle = c
        .get::<Option<String>>()?
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|source| corrupt(handle_column, Some(Box::new(source))))?;
    let ends = c.word(parse_ends)?;
    let renewable = c.get()?;
    let issued_at = c.maybe_time()?;
    let expires_at = c.maybe_time()?;
    let max_expires_at = c.maybe_time()?;
    let alive_until = c.maybe_time()?;
    let overlap_until = c.maybe_time()?;
    let reason_column = c.next;
    let end_reason = c
        .get::<Option<String>>()?
        .map(|name| EndReason::parse(&name).ok_or_else(|| corrupt(reason_column, None)))
        .transpose()?;
    let ended_at = c.maybe_time()?;
    let granted = Duration::from_millis(c.number()?);
    let work_at = c.maybe_time()?;
    let fence = c.get()?;
    let held = match (c.maybe_time()?, c.maybe_time()?) {
        (Some(at), Some(until)) => Some(Held { at, until }),
        (_, _) => None,
    };
    let attempts = c.number()?;
    let last_error = c.get()?;
    let rotation_asked = c.get()?;
    Ok(Record {
        lease: Lease {
            intent: Intent {
                installation: installation.clone(),
                lease: id,
            },
            key,
            owner,
            generator,
            generation,
            state,
            acknowledged,
            rotation_asked,
            handle,
            ends,
            renewable,
            begun_at,
            issued_at,
            expires_at,
            max_expires_at,
            alive_until,
            end_reason,
            attempts,
            last_error,
        },
        mint_deadline,
        sweep_until,
        overlap,
        overlap_until,
        ended_at,
        granted,
        work_at,
        fence,
        held,
    })
}

/// Writes a new intent.
pub(super) fn insert(
    connection: &Connection,
    record: &Record,
    request: &RequestId,
    epoch: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let lease = &record.lease;
    let owner = serde_json::to_string(&lease.owner).map_err(|error| StoreError::Corrupt(Box::new(error)))?;
    let sql = "INSERT INTO leases (id, epoch, cluster, instance, binding, generation, owner, generator, request_id, \
               begun_at, mint_deadline, sweep_until, overlap, state, acknowledged, ends, renewable, fence, attempts, \
               next_due) VALUES (:id, :epoch, :cluster, :instance, :binding, :generation, :owner, :generator, \
               :request_id, :begun_at, :mint_deadline, :sweep_until, :overlap, :state, :acknowledged, :ends, \
               :renewable, :fence, :attempts, :next_due)";
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement.execute(named_params! {
                ":id": lease.intent.lease.simple(),
                ":epoch": epoch,
                ":cluster": lease.key.cluster.as_str(),
                ":instance": lease.key.instance,
                ":binding": lease.key.binding.as_str(),
                ":generation": as_i64(lease.generation.number()),
                ":owner": owner,
                ":generator": lease.generator.to_string(),
                ":request_id": request.as_str(),
                ":begun_at": lease.begun_at.as_millis(),
                ":mint_deadline": record.mint_deadline.as_millis(),
                ":sweep_until": record.sweep_until.as_millis(),
                ":overlap": millis_of(record.overlap),
                ":state": lease.state.as_str(),
                ":acknowledged": lease.acknowledged,
                ":ends": ends_as_str(lease.ends),
                ":renewable": lease.renewable,
                ":fence": record.fence,
                ":attempts": lease.attempts,
                ":next_due": record.next_due(now).map(Timestamp::as_millis),
            })
        })
        .map(drop)
        .map_err(unavailable)
}

/// Writes what can change of a lease.
pub(super) fn update(connection: &Connection, record: &Record, now: Timestamp) -> Result<(), StoreError> {
    let lease = &record.lease;
    let handle = lease
        .handle
        .as_ref()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| StoreError::Corrupt(Box::new(error)))?;
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    let sql = "UPDATE leases SET state = :state, acknowledged = :acknowledged, handle = :handle, ends = :ends, \
               renewable = :renewable, issued_at = :issued_at, expires_at = :expires_at, \
               max_expires_at = :max_expires_at, alive_until = :alive_until, overlap_until = :overlap_until, \
               end_reason = :end_reason, ended_at = :ended_at, granted = :granted, work_at = :work_at, fence = :fence, \
               held_at = :held_at, held_until = :held_until, attempts = :attempts, last_error = :last_error, \
               rotation_asked = :rotation_asked, next_due = :next_due WHERE id = :id";
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement.execute(named_params! {
                ":id": lease.intent.lease.simple(),
                ":state": lease.state.as_str(),
                ":acknowledged": lease.acknowledged,
                ":handle": handle,
                ":ends": ends_as_str(lease.ends),
                ":renewable": lease.renewable,
                ":issued_at": millis(lease.issued_at),
                ":expires_at": millis(lease.expires_at),
                ":max_expires_at": millis(lease.max_expires_at),
                ":alive_until": millis(lease.alive_until),
                ":overlap_until": millis(record.overlap_until),
                ":end_reason": lease.end_reason.map(EndReason::as_str),
                ":ended_at": millis(record.ended_at),
                ":granted": millis_of(record.granted),
                ":work_at": millis(record.work_at),
                ":fence": record.fence,
                ":held_at": millis(record.held.map(|held| held.at)),
                ":held_until": millis(record.held.map(|held| held.until)),
                ":attempts": lease.attempts,
                ":last_error": lease.last_error,
                ":rotation_asked": lease.rotation_asked,
                ":next_due": millis(record.next_due(now)),
            })
        })
        .map(drop)
        .map_err(unavailable)
}

/// A generation is counted by this store, so it stays in range; a foreign one that is not names none.
pub(super) fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn millis_of(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
