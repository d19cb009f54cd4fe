//! The embedded store against the rules of every store, and its own: its file, its queue, its batches.

mod disk;

use std::sync::Arc;

use esi_core::{Clock, ManualClock};
use tempfile::TempDir;

use super::*;
use crate::conformance::{self, Bed, Ledger, START, activation, key};

#[derive(Debug)]
struct InFolder(TempDir);

impl InFolder {
    /// In memory where that can be: the rules do not depend on the disk, and a disk makes them slow.
    fn new() -> Self {
        Self(
            tempfile::tempdir_in("/dev/shm")
                .or_else(|_| tempfile::tempdir())
                .unwrap(),
        )
    }

    fn on_disk() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("ledger.db")
    }
}

impl Ledger for InFolder {
    fn open(&self, clock: Arc<dyn Clock>) -> Box<dyn Store> {
        Box::new(SqliteStore::open(&self.path(), clock).unwrap())
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(START))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_rules() {
    conformance::rules(InFolder::new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_rules_of_volumes() {
    conformance::volumes(InFolder::new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_rules_of_claims() {
    conformance::claims(InFolder::new).await;
}

#[test]
fn it_keeps_every_promise_in_any_history() {
    conformance::history(InFolder::new);
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused_and_the_first_goes_on() {
    let ledger = InFolder::new();
    let bed = Bed::new(&ledger);
    let refused = SqliteStore::open(&ledger.path(), clock()).unwrap_err();
    assert!(matches!(refused, OpenError::InUse), "{refused:?}");
    bed.begin(&key("a")).await;
    let bed = bed.reopen(&ledger);
    assert_eq!(bed.unfinished().await.len(), 1);
}

#[tokio::test]
async fn the_file_is_for_the_server_alone_also_if_it_was_not_before() {
    use std::os::unix::fs::PermissionsExt as _;
    let ledger = InFolder::new();
    let bed = Bed::new(&ledger);
    bed.begin(&key("a")).await;
    let modes = || {
        let files = std::fs::read_dir(ledger.0.path()).unwrap();
        let modes = files.map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o777);
        modes.collect::<Vec<_>>()
    };
    assert_eq!(modes(), [0o600, 0o600], "the ledger and its write-ahead log");
    drop(bed);
    std::fs::set_permissions(ledger.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(Bed::new(&ledger));
    assert_eq!(modes(), [0o600], "and a clean end leaves no log");
}

fn refusal(bytes: &[u8]) -> (OpenError, Vec<u8>) {
    let ledger = InFolder::new();
    std::fs::write(ledger.path(), bytes).unwrap();
    let refusal = SqliteStore::open(&ledger.path(), clock()).unwrap_err();
    (refusal, std::fs::read(ledger.path()).unwrap())
}

/// The bytes of a ledger after some SQL.
fn altered(sql: &str) -> Vec<u8> {
    let ledger = InFolder::new();
    drop(SqliteStore::open(&ledger.path(), clock()).unwrap());
    let connection = rusqlite::Connection::open(ledger.path()).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
    std::fs::read(ledger.path()).unwrap()
}

#[test]
fn a_file_that_is_no_ledger_is_refused_and_left_alone() {
    let text = b"this is no database, it is somebody's diary; \n".repeat(100);
    let (error, after) = refusal(&text);
    assert!(matches!(error, OpenError::NotALedger), "{error:?}");
    assert_eq!(after, text);

    let foreign = altered("PRAGMA application_id = 7");
    let (error, after) = refusal(&foreign);
    assert!(matches!(error, OpenError::NotALedger), "{error:?}");
    assert_eq!(after, foreign);
}

#[test]
fn a_ledger_of_a_newer_version_is_refused_and_left_alone() {
    let newer = altered("PRAGMA user_version = 99");
    let (error, after) = refusal(&newer);
    assert!(matches!(error, OpenError::Newer { version: 99 }), "{error:?}");
    assert_eq!(after, newer);
}

#[tokio::test]
async fn a_ledger_of_the_first_version_is_taken_over_with_its_leases() {
    let ledger = InFolder::new();
    let bed = Bed::new(&ledger);
    let lease = bed.active(&key("a"), activation()).await;
    drop(bed);
    let connection = rusqlite::Connection::open(ledger.path()).unwrap();
    connection
        .execute_batch("ALTER TABLE leases DROP COLUMN rotation_asked; PRAGMA user_version = 1")
        .unwrap();
    let schema = |connection: &rusqlite::Connection| {
        let mut statement = connection
            .prepare("SELECT sql FROM sqlite_schema WHERE name = 'leases'")
            .unwrap();
        statement.query_row([], |row| row.get::<_, String>(0)).unwrap()
    };
    let first = rusqlite::Connection::open_in_memory().unwrap();
    first
        .execute_batch(include_str!("../../../migrations/0001_leases.sql"))
        .unwrap();
    let words = |text: String| text.split_whitespace().collect::<String>();
    assert_eq!(
        words(schema(&connection)),
        words(schema(&first)),
        "it is the first version"
    );
    connection.close().unwrap();

    let bed = Bed::new(&ledger);
    assert_eq!(bed.lease(lease.intent.lease).await, lease);
    let selector = Selector::Binding(key("a"));
    assert_eq!(bed.store.ask_rotation(selector).await.unwrap(), 1);
}

#[tokio::test]
async fn a_damaged_ledger_is_refused() {
    let ledger = InFolder::new();
    let bed = Bed::new(&ledger);
    for number in 0..100 {
        bed.active(&key(&number.to_string()), activation()).await;
    }
    drop(bed);
    let mut bytes = std::fs::read(ledger.path()).unwrap();
    for byte in bytes.iter_mut().skip(8192).step_by(97) {
        *byte ^= 0x5A;
    }
    let (error, _after) = refusal(&bytes);
    assert!(matches!(error, OpenError::Damaged(_)), "{error:?}");
}

#[test]
fn a_path_that_cannot_be_a_ledger_is_refused_by_name() {
    let ledger = InFolder::new();
    let folder = SqliteStore::open(ledger.0.path(), clock()).unwrap_err();
    assert!(matches!(folder, OpenError::NotAFile), "{folder:?}");
    let path = ledger.0.path().join("no");
    let missing = SqliteStore::open(&path.join("ledger.db"), clock()).unwrap_err();
    assert!(matches!(missing, OpenError::Folder(_)), "{missing:?}");
    assert!(
        esi_core::chain(&missing).contains(&format!("{}: ", path.display())),
        "{missing:?}"
    );
    assert!(
        !missing.to_string().contains(&path.display().to_string()),
        "{missing}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_copied_while_it_works_hold_everything_that_was_answered() {
    let ledger = InFolder::on_disk();
    let bed = Arc::new(Bed::new(&ledger));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let bed = Arc::clone(&bed);
            tokio::spawn(async move {
                for number in 0..50 {
                    bed.active(&key(&format!("{writer}-{number}")), activation())
                        .await;
                }
            })
        })
        .collect();
    let answered = loop {
        let answered = bed.unfinished().await;
        if answered.len() > 100 {
            break answered;
        }
    };
    // As a crash leaves them: the file first, for what is checkpointed after it is still in the log.
    let copy = InFolder::on_disk();
    for name in ["ledger.db", "ledger.db-wal"] {
        std::fs::copy(ledger.0.path().join(name), copy.0.path().join(name)).unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let restored = Bed::new(&copy);
    for lease in answered {
        let found = restored
            .find(lease.intent.lease)
            .await
            .expect("an answered lease is lost");
        assert!(found.state >= lease.state);
    }
}

#[tokio::test]
async fn one_failing_command_takes_no_other_with_it() {
    let ledger = InFolder::new();
    let store = Arc::new(SqliteStore::open(&ledger.path(), clock()).unwrap());
    let breaks = |session: &Session<'_>| {
        session.begin(conformance::new_lease(&key("broken")))?;
        Err::<(), _>(StoreError::Unavailable(
            "a command fails after it has written".into(),
        ))
    };
    let (broken, good) = tokio::join!(
        store.call(breaks),
        store.begin(conformance::new_lease(&key("good")))
    );
    assert!(matches!(broken, Err(StoreError::Unavailable(_))), "{broken:?}");
    good.unwrap();
    assert!(store.newest(&key("broken")).await.unwrap().is_none());
    assert!(store.newest(&key("good")).await.unwrap().is_some());
}

#[tokio::test]
async fn more_than_the_queue_holds_is_refused_and_the_rest_is_done() {
    let ledger = InFolder::new();
    let store = Arc::new(SqliteStore::open(&ledger.path(), clock()).unwrap());
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (started, start) = tokio::sync::oneshot::channel();
    let blocker = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let wait = move |_: &Session<'_>| {
                started.send(()).unwrap();
                held.recv().ok();
                Ok(())
            };
            store.call(wait).await
        })
    };
    start.await.unwrap();
    let waiting: Vec<_> = (0..QUEUE)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.counts().await })
        })
        .collect();
    while store.queue.as_ref().unwrap().capacity() > 0 {
        tokio::task::yield_now().await;
    }
    let refused = store.counts().await;
    assert!(matches!(refused, Err(StoreError::Overloaded)), "{refused:?}");
    hold.send(()).unwrap();
    blocker.await.unwrap().unwrap();
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_said_and_harms_no_other() {
    let ledger = InFolder::new();
    let bed = Bed::new(&ledger);
    bed.begin(&key("a")).await;
    bed.begin(&key("b")).await;
    drop(bed);
    let connection = rusqlite::Connection::open(ledger.path()).unwrap();
    connection
        .execute(
            "UPDATE leases SET owner = 'nonsense' WHERE instance = 'pod:a'",
            [],
        )
        .unwrap();
    connection.close().unwrap();
    let bed = Bed::new(&ledger);
    let broken = bed.store.newest(&key("a")).await;
    assert!(matches!(broken, Err(StoreError::Corrupt(_))), "{broken:?}");
    assert!(bed.store.newest(&key("b")).await.unwrap().is_some());
}

#[tokio::test]
async fn what_a_server_before_had_claimed_is_due_at_once() {
    let place = InFolder::new();
    let bed = Bed::new(&place);
    let lease = bed.active(&key("a"), activation()).await;
    bed.end(&lease).await;
    let claimed = bed.one_due().await;
    let bed = bed.reopen(&place);
    let again = bed.one_due().await;
    assert_eq!(again.lease.intent, claimed.lease.intent);
    let late = bed.store.done(claimed.claim).await.unwrap_err();
    assert!(matches!(late, StoreError::ClaimLost), "{late}");
}
