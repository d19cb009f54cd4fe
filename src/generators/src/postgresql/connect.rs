//! Connections: opened as the manifest says, kept for the next use, bounded.
//!
//! ```text
//!  Pools ──▶ Pool (one per place: server, database, user, password, TLS) ──start──▶ Session ──give_back──▶ kept
//!                                                                                  └─ dropped: closed
//! ```
//!
//! Invariant: a session is kept only if its last statement succeeded outside a transaction; on any error, time-out or
//! cancellation it is dropped and with it the connection, so that nothing half done is ever inherited.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use esi_core::SecretBytes;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::failure::{Budget, Failure};
use super::name::Identifier;
use super::sql;

/// Most connections to one place at once. Each is a process of the server's, whose limit is 100 by default and is
/// shared with the applications.
const MAX_CONNECTIONS: usize = 8;
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Most places whose connections are kept; the one unused for longest goes first.
const MAX_PLACES: usize = 64;

/// Where to connect, as whom and how.
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: Identifier,
    pub(super) username: Identifier,
    pub(super) password: SecretBytes,
    pub(super) tls: PgSslMode,
    /// CA certificates in PEM.
    pub(super) roots: String,
}

impl Place {
    /// The same server, another database.
    pub(super) fn with_database(&self, database: Identifier) -> Self {
        Self {
            host: self.host.clone(),
            port: self.port,
            database,
            username: self.username.clone(),
            password: self.password.duplicate(),
            tls: self.tls,
            roots: self.roots.clone(),
        }
    }

    /// The server, as a handle names it.
    pub(super) fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What two places must have in common to share connections.
    fn key(&self) -> Key {
        let mut hash = Context::new(&SHA256);
        let port = self.port.to_be_bytes();
        let tls = [self.tls as u8];
        for part in [
            self.host.as_bytes(),
            &port,
            self.database.text().as_bytes(),
            self.username.text().as_bytes(),
            self.password.expose(),
            &tls,
            self.roots.as_bytes(),
        ] {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        let mut key = [0; SHA256_OUTPUT_LEN];
        key.copy_from_slice(hash.finish().as_ref());
        key
    }

    fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .database(self.database.text())
            .username(self.username.text())
            // Checked to be text when the manifest was.
            .password(self.password.expose_str().unwrap_or_default())
            .application_name("esi")
            .ssl_mode(self.tls)
            // Statements hold verifiers: they are not for our logs.
            .disable_statement_logging();
        if self.roots.is_empty() {
            options
        } else {
            options.ssl_root_cert_from_pem(self.roots.clone().into_bytes())
        }
    }
}

type Key = [u8; SHA256_OUTPUT_LEN];

/// The pools of all places in use.
#[derive(Default)]
pub(crate) struct Pools {
    /// The one used last is at the end.
    kept: Mutex<Vec<(Key, Arc<Pool>)>>,
}

impl Pools {
    /// The pool of `place`.
    pub(super) fn get(&self, place: &Place) -> Arc<Pool> {
        let key = place.key();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|(other, _)| *other == key);
        let entry = match known {
            Some(index) => kept.remove(index),
            None => (key, Pool::new(place.options())),
        };
        let pool = Arc::clone(&entry.1);
        kept.push(entry);
        if kept.len() > MAX_PLACES {
            kept.remove(0);
        }
        drop(kept);
        pool
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pools")
    }
}

/// The connections to one place.
pub(super) struct Pool {
    options: PgConnectOptions,
    /// The one used last is at the end.
    idle: Mutex<Vec<Idle>>,
    permits: Arc<Semaphore>,
    janitor: OnceLock<AbortHandle>,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl Pool {
    fn new(options: PgConnectOptions) -> Arc<Self> {
        Arc::new(Self {
            options,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            janitor: OnceLock::new(),
        })
    }

    /// A session, and the answer to its first statement, which must be one that may be repeated: a kept connection
    /// that has broken meanwhile shows it there, and the next one is tried.
    pub(super) async fn start(
        self: &Arc<Self>,
        sql: &str,
        budget: &Budget,
        action: &'static str,
    ) -> Result<(Session, Vec<Row>), Failure> {
        let mut session = self.admit(budget, action).await?;
        while let Some(connection) = self.pop() {
            session.connection = Some(connection);
            match session.run(sql, budget, action).await {
                Ok(rows) => return Ok((session, rows)),
                Err(failure) if failure.is_lost_connection() => {}
                Err(failure) => return Err(failure),
            }
        }
        session.connection = Some(budget.within("connect", self.options.connect()).await?);
        session.run(sql::PROLOGUE, budget, "connect").await?;
        let rows = session.run(sql, budget, action).await?;
        Ok((session, rows))
    }

    /// A session without a connection yet, once there may be one more.
    async fn admit(self: &Arc<Self>, budget: &Budget, action: &'static str) -> Result<Session, Failure> {
        let permit = async {
            let permits = Arc::clone(&self.permits);
            permits
                .acquire_owned()
                .await
                .map_err(|_closed| sqlx::Error::PoolClosed)
        };
        Ok(Session {
            _permit: budget.within(action, permit).await?,
            connection: None,
            pool: Arc::clone(self),
        })
    }

    fn pop(&self) -> Option<PgConnection> {
        self.lock().pop().map(|idle| idle.connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, connection: PgConnection) {
        let since = Instant::now();
        self.lock().push(Idle { connection, since });
        self.janitor
            .get_or_init(|| tokio::spawn(close_unused(Arc::downgrade(self))).abort_handle());
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(janitor) = self.janitor.get() {
            janitor.abort();
        }
    }
}

/// Closes what is unused for too long; ends with its pool.
async fn close_unused(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let old: Vec<Idle> = pool
            .lock()
            .extract_if(.., |one| one.since.elapsed() >= IDLE)
            .collect();
        drop(old);
    }
}

/// A row of an answer, every column of which our statements ask for as text.
#[derive(Debug)]
pub(super) struct Row(Vec<Option<String>>);

impl Row {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        (0..row.len())
            .map(|column| row.try_get(column))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// A column, counted from 0; empty where it is NULL.
    pub(super) fn text(&self, column: usize) -> &str {
        self.0.get(column).and_then(Option::as_deref).unwrap_or_default()
    }
}

/// One connection, in use. Dropped, it is closed.
pub(super) struct Session {
    connection: Option<PgConnection>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    /// Runs statements; the rows of all of them.
    pub(super) async fn run(
        &mut self,
        sql: &str,
        budget: &Budget,
        action: &'static str,
    ) -> Result<Vec<Row>, Failure> {
        let connection = &mut self.connection;
        budget
            .within(action, async move {
                let connection = connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
                let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .fetch_all(connection)
                    .await?;
                rows.iter().map(Row::read).collect()
            })
            .await
    }

    /// The server's version as `server_version_num` gives it, such as 150018.
    pub(super) fn version(&self) -> u32 {
        self.connection
            .as_ref()
            .and_then(PgConnection::server_version_num)
            .unwrap_or_default()
    }

    /// Keeps the connection for the next use. Only after a success, outside a transaction.
    pub(super) fn give_back(mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.push(connection);
        }
    }
}
