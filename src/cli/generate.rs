//! `predilect generate`: made-up data of any size.

use std::io::Write;
use std::path::PathBuf;

use super::{ExitCode, Output, OutputArg, write_json};
use crate::generate::{GenerateParams, write};

/// Write made-up items and events of any size; the same seed gives the same bytes
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect generate --users 20000 --items 5000 --events 1000000 --seed 7 --dest data
  predilect load --store graph --items data/items.jsonl --events data/events.csv")]
pub(super) struct Args {
    /// How many users
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// How many items
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    items: u32,
    /// How many events
    #[arg(long, value_name = "N")]
    events: u64,
    /// The seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Folder for items.jsonl, events.csv and manifest.json; made when it is not there
    #[arg(long, value_name = "DIR")]
    dest: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let (users, items) = (self.users, self.items);
        let params = GenerateParams { users, items, events: self.events, seed: self.seed };
        let manifest = write(&params, &self.dest)?;
        match self.output.output {
            Output::Json => write_json(out, &manifest)?,
            Output::Text => writeln!(
                out,
                "wrote {users} users, {items} items and {} events to {}",
                self.events,
                self.dest.display()
            )?,
        }
        Ok(ExitCode::Done)
    }
}
