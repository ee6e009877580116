//! `predilect generate`: made-up data of any size.

use std::io::Write;
use std::path::PathBuf;

use super::{ExitCode, Output, OutputArg, write_json};
use crate::generate::{EdgeCounts, GenerateParams, write, write_edges};

/// Write made-up items and events of any size; the same seed gives the same bytes
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect generate --users 20000 --items 5000 --events 1000000 --seed 7 --dest data
  predilect load --store graph --items data/items.jsonl --events data/events.csv

With --entities, a bare graph for `predilect bench` is written instead: edges.parquet and queries.txt,
with at most as many edges from users to items as --events says.")]
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
    /// How many entities of a bare graph
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    entities: Option<u32>,
    /// The seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Folder for the files; made when it is not there
    #[arg(long, value_name = "DIR")]
    dest: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let (users, items) = (self.users, self.items);
        let params = GenerateParams { users, items, events: self.events, seed: self.seed };
        if let Some(entities) = self.entities {
            return self.edges(&params, entities, out);
        }
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

    fn edges(
        &self,
        params: &GenerateParams,
        entities: u32,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let counts = write_edges(params, entities, &self.dest)?;
        let EdgeCounts { nodes, user_item, item_entity } = counts;
        match self.output.output {
            Output::Json => write_json(out, &counts)?,
            Output::Text => writeln!(
                out,
                "wrote {nodes} nodes, {user_item} edges from users to items and {item_entity} from items \
                 to entities to {}",
                self.dest.display()
            )?,
        }
        Ok(ExitCode::Done)
    }
}
