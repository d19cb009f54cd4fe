//! What the binary costs: `cargo test -p esi-cli --test cli cost -- --ignored --nocapture`, with the static binary
//! named by `ESI_CLI_BINARY` (else the debug build is measured, which says nothing).

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::world::{FILES_AND_VARIABLES, ONE_VARIABLE, World};
use esi_client::testing::Method;

/// Budgets of the design, of what does not depend on how busy the machine is.
const MAX_SIZE: u64 = 5_000_000;
const MAX_PEAK_KIB: u64 = 8 * 1024;
/// Enough for a median that a few interruptions do not move.
const RUNS: usize = 50;

#[tokio::test]
#[ignore = "a measurement, to be run alone"]
async fn cost() {
    let binary = std::env::var_os("ESI_CLI_BINARY").map(PathBuf::from);
    let world = World::new().await;
    let (mut start, mut first_request, mut whole, mut cpu) = (vec![], vec![], vec![], vec![]);
    let mut peak_kib = 0;
    for run in 0..RUNS {
        let begin = Instant::now();
        world
            .cli("--version", ONE_VARIABLE)
            .by(binary.as_deref())
            .finish()
            .await;
        start.push(begin.elapsed());

        let begin = Instant::now();
        world
            .cli("init", FILES_AND_VARIABLES)
            .by(binary.as_deref())
            .finish()
            .await
            .ended_with(0, &world);
        whole.push(begin.elapsed());
        first_request.push(world.fake.calls_of(Method::Issue)[2 * run].at - begin);

        // The command looks at its parent, which has just fetched and delivered.
        let script = "awk '/VmHWM/ {print $2}' /proc/$PPID/status; cut -d' ' -f1 /proc/$PPID/schedstat";
        let finished = world
            .cli("run", FILES_AND_VARIABLES)
            .by(binary.as_deref())
            .args(&["--", "sh", "-c", script])
            .finish()
            .await;
        let mut numbers = finished.stdout().lines().map(|line| line.parse::<u64>().unwrap());
        peak_kib = peak_kib.max(numbers.next().unwrap());
        cpu.push(Duration::from_nanos(numbers.next().unwrap()));
    }
    println!("start (--version)              median {:?}", median(start));
    println!(
        "start to the first request     median {:?}",
        median(first_request)
    );
    println!("init, all of it                median {:?}", median(whole));
    println!("processor time up to delivery  median {:?}", median(cpu));
    println!("peak memory                    most   {peak_kib} KiB");
    if let Some(binary) = binary {
        let size = std::fs::metadata(binary).unwrap().len();
        println!("size                                  {size} bytes");
        assert!(size < MAX_SIZE && peak_kib < MAX_PEAK_KIB);
    }
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort();
    spans[spans.len() / 2]
}
