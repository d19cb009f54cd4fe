//! What the kernel tells, and what is made of many figures.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Runnable processes, averaged over the last minute.
pub(crate) fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split_whitespace().next().context("/proc/loadavg is empty")?;
    Ok(first.parse()?)
}

/// The processor time that a process has used, in user space and in the kernel (proc(5): fields 14 and 15).
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    /// `USER_HZ`, the unit of these fields on every architecture that matters here.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may have spaces; what follows it has none. The first field behind it is the third.
    let (_, fields) = stat.rsplit_once(") ").context("no name in /proc/PID/stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The time that `percent` of all stay below.
pub(crate) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

/// Half of all are below it.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    percentile(times, 50)
}

/// Memory of a process, in bytes: what it has (`VmRSS`), or the most that it ever had (`VmHWM`).
pub(crate) fn memory(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mut said = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = said
        .find(|(said, _)| *said == name)
        .with_context(|| format!("no {name}"))?;
    let kib: u64 = value.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}
