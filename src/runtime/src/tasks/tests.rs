use std::future::pending;
use std::io;

use tokio::sync::oneshot;

use super::*;

const GRACE: Duration = Duration::from_secs(10);

async fn until(shutdown: Shutdown) {
    shutdown.requested().await;
}

#[tokio::test]
async fn tasks_that_end_after_the_request_end_cleanly() {
    let shutdown = Shutdown::new();
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("one", until(shutdown.clone()));
    tasks.spawn("two", until(shutdown.clone()));
    shutdown.trigger();
    tasks.wait(GRACE).await.unwrap();
}

#[tokio::test]
async fn a_task_that_ends_too_early_stops_everything_and_is_named() {
    let shutdown = Shutdown::new();
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("healthy", until(shutdown.clone()));
    tasks.spawn("watcher", async {});
    let error = tasks.wait(GRACE).await.unwrap_err();
    assert!(matches!(error, TasksError::Ended { name: "watcher" }), "{error}");
    assert!(shutdown.is_requested());
}

#[tokio::test]
async fn a_panic_stops_everything_and_names_the_task() {
    let mut tasks = Tasks::new(Shutdown::new());
    tasks.spawn("worker", async { assert_eq!(1, 2, "a defect") });
    let error = tasks.wait(GRACE).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        ("task_panicked", "the task `worker` panicked")
    );
}

#[tokio::test]
async fn the_error_of_a_task_is_the_source() {
    let mut tasks = Tasks::new(Shutdown::new());
    tasks.spawn("ledger", async { Err::<(), _>(io::Error::other("disk full")) });
    let error = tasks.wait(GRACE).await.unwrap_err();
    assert_eq!(esi_core::chain(&error), "the task `ledger` failed: disk full");
}

#[tokio::test]
async fn the_first_failure_is_reported_not_those_that_follow_from_it() {
    let shutdown = Shutdown::new();
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("first", async { Err::<(), _>(io::Error::other("cause")) });
    tasks.spawn("second", async move {
        shutdown.requested().await;
        Err::<(), _>(io::Error::other("consequence"))
    });
    let error = tasks.wait(GRACE).await.unwrap_err();
    assert!(
        matches!(error, TasksError::Failed { name: "first", .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_work_in_progress() {
    let shutdown = Shutdown::new();
    let mut tasks = Tasks::new(shutdown.clone());
    let (done, finished) = oneshot::channel();
    tasks.spawn("slow", async move {
        shutdown.requested().await;
        tokio::time::sleep(GRACE / 2).await;
        done.send(()).unwrap();
    });
    tasks.shutdown.trigger();
    tasks.wait(GRACE).await.unwrap();
    finished.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_at_its_deadline_and_names_who_was_cut_off() {
    let shutdown = Shutdown::new();
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("stuck", pending::<()>());
    tasks.spawn("also stuck", pending::<()>());
    tasks.spawn("fine", until(shutdown.clone()));
    shutdown.trigger();
    let began = tokio::time::Instant::now();
    let error = tasks.wait(GRACE).await.unwrap_err();
    assert_eq!(began.elapsed(), GRACE);
    assert_eq!(
        error.to_string(),
        "stopped before these tasks had finished: also stuck, stuck"
    );
}

#[tokio::test]
async fn a_forced_stop_does_not_wait_for_the_deadline() {
    let shutdown = Shutdown::new();
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("stuck", pending::<()>());
    shutdown.force();
    assert_eq!(
        tasks.wait(Duration::MAX).await.unwrap_err().kind(),
        "task_cut_off"
    );
}

#[tokio::test]
async fn a_companion_lives_through_the_drain_and_is_not_waited_for() {
    let shutdown = Shutdown::new();
    let mut tasks = Tasks::new(shutdown.clone());
    let (ask, mut asked) = tokio::sync::mpsc::channel::<oneshot::Sender<&str>>(1);
    tasks.spawn_companion("admin", async move {
        while let Some(reply) = asked.recv().await {
            reply.send("draining").unwrap();
        }
        pending::<()>().await;
    });
    tasks.spawn("server", async move {
        shutdown.requested().await;
        let (reply, answer) = oneshot::channel();
        ask.send(reply).await.unwrap();
        assert_eq!(answer.await.unwrap(), "draining");
    });
    tasks.shutdown.trigger();
    tasks.wait(GRACE).await.unwrap();
}

#[tokio::test]
async fn a_companion_that_dies_stops_everything_too() {
    let shutdown = Shutdown::new();
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("server", until(shutdown));
    tasks.spawn_companion("admin", async {});
    let error = tasks.wait(GRACE).await.unwrap_err();
    assert!(matches!(error, TasksError::Ended { name: "admin" }), "{error}");
}
