//! `predilect bench`: how fast parts of the program are on this machine.

mod edges;
mod extract;
mod graph;
mod load;

use std::io::Write;
use std::time::Instant;

use clap::Subcommand;

use super::ExitCode;

/// Measure how fast this machine runs a part of the program
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    Extract(extract::Args),
    Load(load::Args),
    Csr(graph::CsrArgs),
    Khop(graph::KhopArgs),
    Ppr(graph::PprArgs),
    Walk(graph::WalkArgs),
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.part {
            Part::Extract(args) => args.run(out),
            Part::Load(args) => args.run(out),
            Part::Csr(args) => args.run(out),
            Part::Khop(args) => args.run(out),
            Part::Ppr(args) => args.run(out),
            Part::Walk(args) => args.run(out),
        }
    }
}

/// Time on the clock and on the processors, from when it was made.
struct Stopwatch {
    wall: Instant,
    cpu: Option<f64>,
}

impl Stopwatch {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }

    /// Seconds on the clock and on the processors; the latter where the system tells.
    fn stop(&self) -> (f64, Option<f64>) {
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
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
}
