//! `predilect erase`: everything of one user, out of every file of a store.

use std::io::Write;

use super::{ExitCode, Output, OutputArg, StoreArg, note, parse_user, write_json};
use crate::engine::Engine;
use crate::event::NodeKey;
use crate::store::ErasedFacts;

/// Erase a user: what they did and wrote, what was shown to them, and their rows of embeddings
#[derive(clap::Args)]
#[command(after_help = "\
Afterwards the store is as if the user had never come, and its files are rewritten, so that none of
their bytes names the user. Backups, and the files that events were loaded from, stay as they are.

Example:
  predilect erase --store graph --user alice")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// The user
    #[arg(long, value_name = "ID", value_parser = parse_user)]
    user: NodeKey,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let engine = Engine::open(&self.store.store, false, None, None)?;
        let erased = engine.erase_user(&self.user)?;
        if matches!(self.output.output, Output::Json) {
            write_json(out, &erased)?;
            return Ok(ExitCode::Done);
        }
        let ErasedFacts { events, others, in_packed_rows, .. } = erased.facts;
        if erased.is_nothing() {
            writeln!(out, "nothing names {}; ids are case-sensitive", self.user)?;
        } else {
            writeln!(
                out,
                "erased {}: {events} events, {others} other pieces of evidence, {} answers shown, {} rows",
                self.user, erased.served, erased.rows
            )?;
        }
        if in_packed_rows {
            note(
                "packed rows of edges keep a number that follows from the id: unload and load them again",
            );
        }
        Ok(ExitCode::Done)
    }
}
