//! `predilect erase`: everything of one user, out of every file of a store.

use std::io::Write;
use std::path::PathBuf;

use super::{ExitCode, Output, OutputArg, note, parse_user, write_json};
use crate::engine::{Engine, Erased};
use crate::event::NodeKey;
use crate::rpc::Client;
use crate::store::ErasedFacts;

/// Erase a user: what they did and wrote, what was shown to them, and their rows of embeddings
#[derive(clap::Args)]
#[command(after_help = "\
Afterwards the store is as if the user had never come, and its files are rewritten, so that none of
their bytes names the user. Backups, and the files that events were loaded from, stay as they are.

Example:
  predilect erase --store graph --user alice --dry-run
  predilect erase --store graph --user alice")]
pub(super) struct Args {
    /// Folder of the store
    #[arg(long, value_name = "DIR", required_unless_present = "server")]
    store: Option<PathBuf>,
    /// A server that has the store open, such as <http://127.0.0.1:7433>
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    server: Option<String>,
    /// The user
    #[arg(long, value_name = "ID", value_parser = parse_user)]
    user: NodeKey,
    /// Count what would be erased, and erase nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let erased = self.erased()?;
        let ErasedFacts { events, others, in_packed_rows, .. } = erased.facts;
        if in_packed_rows {
            note(
                "packed rows of edges keep a number that follows from the id: unload and load them again",
            );
        }
        if matches!(self.output.output, Output::Json) {
            write_json(out, &erased)?;
            return Ok(ExitCode::Done);
        }
        if erased.is_nothing() {
            writeln!(out, "nothing names {}; ids are case-sensitive", self.user)?;
        } else {
            let done = if self.dry_run { "there is of" } else { "erased" };
            writeln!(
                out,
                "{done} {}: {events} events, {others} other pieces of evidence, {} answers shown, {} rows",
                self.user, erased.served, erased.rows
            )?;
        }
        Ok(ExitCode::Done)
    }

    fn erased(&self) -> anyhow::Result<Erased> {
        let store = match (&self.store, &self.server) {
            (_, Some(url)) => {
                return Ok(Client::connect(url)?.erase_user(&self.user.name, !self.dry_run)?);
            }
            (Some(store), None) => store,
            (None, None) => anyhow::bail!("give --store or --server"),
        };
        let engine = Engine::open(store, false, None, None)?;
        Ok(if self.dry_run {
            engine.count_of_user(&self.user)?
        } else {
            engine.erase_user(&self.user)?
        })
    }
}
