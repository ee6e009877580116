//! What a part of the program took.

use std::time::Instant;

/// Time on the clock and on the processors, from when it was made.
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: Option<f64>,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }

    /// Seconds on the clock and on the processors; the latter where the system tells.
    pub fn stop(&self) -> (f64, Option<f64>) {
        let cpu_s = cpu_seconds().zip(self.cpu).map(|(now, then)| now - then);
        (self.wall.elapsed().as_secs_f64(), cpu_s)
    }
}

/// Processor time of this process, its ended threads included.
#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "other systems do not tell")]
fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

#[cfg(not(unix))]
fn cpu_seconds() -> Option<f64> {
    None
}

/// The most memory that this process had, in MiB, as Linux tells it.
pub(crate) fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
}
