use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Served {
    path: PathBuf,
    renewal: Arc<Notify>,
    task: JoinHandle<()>,
    _directory: TempDir,
}

/// A socket that sends each connection's first bytes back.
fn serve() -> Served {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("csi.sock");
    let socket = Socket::open(&path).unwrap();
    let renewal = socket.renewal();
    let task = tokio::spawn(async move {
        let incoming = socket.incoming(Arc::new(Semaphore::new(2)));
        tokio::pin!(incoming);
        while let Some(connection) = incoming.next().await {
            let mut connection = connection.unwrap();
            tokio::spawn(async move {
                let mut bytes = [0; PREFACE.len()];
                connection.read_exact(&mut bytes).await.unwrap();
                connection.write_all(&bytes).await.unwrap();
                connection.read_to_end(&mut Vec::new()).await.unwrap();
            });
        }
    });
    Served {
        path,
        renewal,
        task,
        _directory: directory,
    }
}

/// Connects and waits for the answer.
async fn dial(path: &Path) -> io::Result<UnixStream> {
    let mut connection = UnixStream::connect(path).await?;
    connection.write_all(PREFACE).await?;
    connection.read_exact(&mut [0; PREFACE.len()]).await?;
    Ok(connection)
}

/// Dials until somebody answers: time is paused, so that a look at the path takes none.
async fn dial_again(path: &Path) -> UnixStream {
    loop {
        if let Ok(connection) = dial(path).await {
            return connection;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_socket_is_for_its_user_alone_and_nothing_hidden_is_left() {
    let served = serve();
    dial(&served.path).await.unwrap();
    let mode = fs::metadata(&served.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(names(served.path.parent().unwrap()), ["csi.sock"]);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_was_unlinked_comes_again() {
    let served = serve();
    dial(&served.path).await.unwrap();
    fs::remove_file(&served.path).unwrap();
    dial_again(&served.path).await;
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_was_replaced_comes_again() {
    let served = serve();
    dial(&served.path).await.unwrap();
    let elsewhere = served.path.with_file_name("other");
    fs::write(&elsewhere, "not a socket").unwrap();
    fs::rename(&elsewhere, &served.path).unwrap();
    dial_again(&served.path).await;
}

#[tokio::test]
async fn a_renewal_is_another_file_at_the_same_path() {
    use std::os::unix::fs::MetadataExt as _;
    let served = serve();
    let before = dial(&served.path).await.unwrap();
    // Held open, so that its inode is not given again.
    let old = fs::symlink_metadata(&served.path).unwrap().ino();
    served.renewal.notify_one();
    while fs::symlink_metadata(&served.path).is_ok_and(|found| found.ino() == old) {
        tokio::task::yield_now().await;
    }
    dial(&served.path).await.unwrap();
    drop(before);
}

#[tokio::test]
async fn the_end_removes_the_file() {
    let served = serve();
    dial(&served.path).await.unwrap();
    served.task.abort();
    served.task.await.unwrap_err();
    assert!(!served.path.exists());
}

#[tokio::test]
async fn the_end_leaves_a_file_of_somebody_else() {
    let served = serve();
    dial(&served.path).await.unwrap();
    let other = served.path.with_file_name("other");
    fs::write(&other, "").unwrap();
    fs::rename(&other, &served.path).unwrap();
    served.task.abort();
    served.task.await.unwrap_err();
    assert!(served.path.exists());
}

#[tokio::test]
async fn what_an_unfinished_start_left_is_in_nobodys_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("csi.sock");
    fs::write(directory.path().join(".csi"), "").unwrap();
    fs::write(&path, "").unwrap();
    let socket = Socket::open(&path).unwrap();
    assert!(socket.bound.is_there());
}

#[tokio::test]
async fn more_connections_than_permits_wait() {
    let served = serve();
    let first = dial(&served.path).await.unwrap();
    let _second = dial(&served.path).await.unwrap();
    let mut third = tokio::spawn({
        let path = served.path.clone();
        async move { dial(&path).await }
    });
    let early = tokio::time::timeout(Duration::from_millis(50), &mut third).await;
    assert!(early.is_err(), "a third one was served");
    drop(first);
    third.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_path_that_is_no_address_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("{}.sock", "x".repeat(107)));
    let error = Socket::open(&path).unwrap_err().to_string();
    assert!(error.contains("107") && error.contains("shorter"), "{error}");
}
