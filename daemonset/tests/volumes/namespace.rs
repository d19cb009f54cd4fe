//! Tests that mount run in a process and a mount namespace of their own: what they leave goes with it.

use std::any::type_name;
use std::future::Future;
use std::process::Command;
use std::time::Duration;

const INSIDE: &str = "ESI_TEST_INSIDE";
/// No test takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs the body in a mount namespace of its own, whose mounts are private. `body` is the async block of the test
/// function itself, by whose type the test is found again.
pub(crate) fn alone<F: Future<Output = ()>>(body: F) {
    let name = test_name::<F>();
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, body).await });
        done.expect("the test hangs");
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: {name} needs root");
        return;
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{name}: {said}"
    );
}

/// `<crate>::<module>::<test>::{{closure}}` without its ends.
fn test_name<T>() -> String {
    let path = type_name::<T>().split("::{{closure}}").next().unwrap();
    path.split_once("::").unwrap().1.to_owned()
}
