//! `predilect prune`: takes events away that happened before a time.

use std::io::Write;
use std::sync::atomic::Ordering;

use super::{ExitCode, Interrupts, Output, OutputArg, StoreArg, note, parse_time, write_json};
use crate::schema::Timestamp;
use crate::store::{GraphStore, PruneReport, Pruned};

/// Take away every event that happened before a time, as if it had never come
#[derive(clap::Args)]
#[command(after_help = "\
Each event goes as `predilect retract` takes it back: with the opinions in its text, and with the nodes
that only it names. Batches are on disk one by one; when it is ended, the same command goes on. `predilect
compact` then gives the room back.

Example:
  predilect prune --store graph --before 2024-01-01T00:00:00Z --dry-run")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Events of this time and later stay
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    before: Timestamp,
    /// Only count what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
        let store = GraphStore::open(&self.store.store, false, None)?;
        let interrupted = interrupts();
        let pruned = if self.dry_run { Pruned::Counted } else { Pruned::Gone };
        let report = store.prune(self.before, pruned, &mut |events| {
            if !self.dry_run {
                note(&format!("took {events} events away"));
            }
            !interrupted.load(Ordering::Relaxed)
        })?;
        let PruneReport { events, opinions, kept, complete } = report;
        match self.output.output {
            Output::Json => write_json(out, &report)?,
            Output::Text if self.dry_run => {
                writeln!(out, "{events} events and {opinions} opinions would go, {kept} stay")?;
            }
            Output::Text => {
                writeln!(out, "{events} events and {opinions} opinions went, {kept} stay")?;
            }
        }
        Ok(if complete { ExitCode::Done } else { ExitCode::Interrupted })
    }
}
