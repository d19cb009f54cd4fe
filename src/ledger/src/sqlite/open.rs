//! Opening a ledger file, or refusing it.
//!
//! Every check that only reads comes before the first write, so that a file that is refused is left as it was. The
//! file is looked at by path and opened by SQLite alone: closing any other descriptor of it would drop the lock that
//! this process may hold on it already (POSIX locks belong to the process).

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use esi_core::{Classify, Clock, Code, InstallationId, Retry, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};
use thiserror::Error;

use super::owner::Owner;
use super::time::SharedTime;

const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../../migrations/0001_leases.sql")),
    M::up(include_str!("../../migrations/0002_rotation.sql")),
];
/// How many migrations this version knows: a ledger's own number is in its `user_version`.
const VERSION: i64 = 2;
/// Marks a SQLite file as a ledger: "ESIL".
const APPLICATION: i64 = 0x4553_494C;
/// How long a server that is just ending may still hold the file.
const LOCK_WAIT: Duration = Duration::from_millis(250);
/// Statements kept prepared: more than there are.
const STATEMENTS: usize = 64;
/// Pages of the write-ahead log after which it is folded into the file: a third of SQLite's default, since everybody
/// waits meanwhile.
const FOLD_PAGES: i64 = 300;
/// Only the server reads it.
const MODE: u32 = 0o600;

/// Why a ledger is not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such folder, or it cannot be entered.
    #[error("the folder of the lease ledger cannot be used: create it and let the server write into it")]
    Folder(#[source] io::Error),
    /// The path is that of a folder, a device, …
    #[error("the path of the lease ledger is not that of a file: name a file in a folder of its own")]
    NotAFile,
    /// It may not be written.
    #[error("the lease ledger is read-only: give the server a writable volume and the rights on the file")]
    ReadOnly,
    /// Locks and write ordering cannot be relied on there.
    #[error(
        "the lease ledger is on a network or user-space file system ({kind}): use a local disk or a block volume"
    )]
    NetworkFileSystem {
        /// Which.
        kind: &'static str,
    },
    /// Another process has it open.
    #[error("another server has the lease ledger open: stop it first; only one may run on one ledger")]
    InUse,
    /// It is some other file.
    #[error("the file is no lease ledger: move it away, or name another path")]
    NotALedger,
    /// A later version has changed its form.
    #[error(
        "the lease ledger was written by a newer version ({version}, this one knows {VERSION}): install that version"
    )]
    Newer {
        /// Its number.
        version: i64,
    },
    /// It is damaged.
    #[error(
        "the lease ledger is damaged: restore it from a backup, or move it away and remove by hand what it knew of"
    )]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its form could not be brought up to date.
    #[error("the lease ledger could not be brought to this version's form; it is as it was")]
    Migration(#[source] rusqlite_migration::Error),
    /// The disk or its file system failed.
    #[error("the lease ledger cannot be opened: check its disk")]
    Io(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system gives no more threads.
    #[error("the thread of the lease ledger cannot be started")]
    Thread(#[source] io::Error),
}

impl Classify for OpenError {
    fn code(&self) -> Code {
        match self {
            Self::InUse | Self::Io(_) | Self::Thread(_) => Code::Unavailable,
            Self::Damaged(_) | Self::Migration(_) => Code::Internal,
            Self::Folder(_)
            | Self::NotAFile
            | Self::ReadOnly
            | Self::NetworkFileSystem { .. }
            | Self::NotALedger
            | Self::Newer { .. } => Code::FailedPrecondition,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::InUse | Self::Io(_) | Self::Thread(_) => Retry::Backoff,
            Self::Folder(_)
            | Self::NotAFile
            | Self::ReadOnly
            | Self::NetworkFileSystem { .. }
            | Self::NotALedger
            | Self::Newer { .. }
            | Self::Damaged(_)
            | Self::Migration(_) => Retry::Never,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "ledger_folder",
            Self::NotAFile => "ledger_not_a_file",
            Self::ReadOnly => "ledger_read_only",
            Self::NetworkFileSystem { .. } => "ledger_network_file_system",
            Self::InUse => "ledger_in_use",
            Self::NotALedger => "ledger_foreign",
            Self::Newer { .. } => "ledger_newer",
            Self::Damaged(_) => "ledger_damaged",
            Self::Migration(_) => "ledger_migration",
            Self::Io(_) => "ledger_io",
            Self::Thread(_) => "ledger_thread",
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::NotADatabase) => Self::NotALedger,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(Box::new(error)),
            Some(_) | None => Self::Io(Box::new(error)),
        }
    }
}

pub(super) fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Owner, OpenError> {
    prepare_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(LOCK_WAIT)?;
    // SQLite opens for reading only, without a word, what it may not write.
    if connection.is_readonly("main")? {
        return Err(OpenError::ReadOnly);
    }
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    recognise(&connection)?;
    check(&connection)?;

    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", FOLD_PAGES)?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    let journal: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if journal != "wal" {
        return Err(OpenError::Io(format!("the journal mode stays {journal}").into()));
    }
    Migrations::from_slice(MIGRATIONS)
        .to_latest(&mut connection)
        .map_err(OpenError::Migration)?;
    let (installation, epoch, last) = identity(&connection)?;
    let mut owner = Owner {
        connection,
        installation,
        epoch,
        time: SharedTime::after(last, clock),
        failing: false,
    };
    owner.release_claims();
    Ok(owner)
}

/// Makes the file if there is none, and refuses where it cannot be a ledger.
fn prepare_file(path: &Path) -> Result<(), OpenError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let statfs = rustix::fs::statfs(folder).map_err(|error| unusable(folder, &error.into()))?;
    if let Some(kind) = network(statfs.f_type as u32) {
        return Err(OpenError::NetworkFileSystem { kind });
    }
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)
    {
        Ok(file) => {
            // A file whose name is lost in a crash takes the ledger with it.
            file.sync_all()
                .and_then(|()| File::open(folder)?.sync_all())
                .map_err(|error| OpenError::Io(Box::new(error)))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = std::fs::metadata(path).map_err(|error| unusable(path, &error))?;
            if !metadata.is_file() {
                return Err(OpenError::NotAFile);
            }
            if metadata.permissions().mode() & 0o077 != 0 {
                std::fs::set_permissions(path, Permissions::from_mode(MODE))
                    .map_err(|_denied| OpenError::ReadOnly)?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Err(OpenError::ReadOnly),
        Err(error) => Err(unusable(folder, &error)),
    }
}

/// Says in the source, for the log, which path it is.
fn unusable(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Folder(io::Error::new(
        error.kind(),
        format!("{}: {error}", path.display()),
    ))
}

/// File systems whose locks or write order depend on somebody else's server (`statfs(2)`, `linux/magic.h`).
fn network(f_type: u32) -> Option<&'static str> {
    match f_type {
        0x6969 => Some("NFS"),
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => Some("SMB"),
        0x6573_5546 => Some("FUSE"),
        0x0102_1997 => Some("9P"),
        0x00C3_6400 => Some("CephFS"),
        0x5346_414F => Some("AFS"),
        0x7375_7245 => Some("Coda"),
        0x0BD0_0BD0 => Some("Lustre"),
        0x4750_4653 => Some("GPFS"),
        0x1983_0326 => Some("BeeGFS"),
        0x7461_636F => Some("OCFS2"),
        0x0116_1970 => Some("GFS2"),
        0x786F_4256 => Some("vboxsf"),
        _ => None,
    }
}

/// Whether it is a ledger, or an empty file that can become one. The first read takes the lock.
fn recognise(connection: &Connection) -> Result<(), OpenError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = tables == 0;
    if !empty && number("application_id")? != APPLICATION {
        return Err(OpenError::NotALedger);
    }
    let version = number("user_version")?;
    if version > VERSION {
        return Err(OpenError::Newer { version });
    }
    Ok(())
}

fn check(connection: &Connection) -> Result<(), OpenError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(OpenError::Damaged(verdict.into()));
    }
    Ok(())
}

/// Whose ledger it is: made once.
fn identity(connection: &Connection) -> Result<(InstallationId, i64, Timestamp), OpenError> {
    connection.execute(
        "INSERT INTO meta (one, installation, epoch, time) VALUES (1, ?1, 1, 0) ON CONFLICT DO NOTHING",
        [InstallationId::random().as_str()],
    )?;
    let (installation, epoch, time): (String, i64, i64) =
        connection.query_row("SELECT installation, epoch, time FROM meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let installation = installation
        .parse()
        .map_err(|error| OpenError::Damaged(Box::new(error)))?;
    Ok((installation, epoch, Timestamp::from_millis(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_and_local_ones_are_not() {
        assert_eq!(network(0x6969), Some("NFS"));
        assert_eq!(network(0xFF53_4D42), Some("SMB"));
        assert_eq!(network(0xEF53), None, "ext4 is local");
        assert_eq!(network(0x0102_1994), None, "tmpfs is local");
    }
}
