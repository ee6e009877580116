//! `predilect unload`: takes back what a load brought.

use std::io::Write;

use super::load::ExtractorArgs;
use super::progress::Told;
use super::{ExitCode, Interrupts, Output, OutputArg, StoreArg, write_json};
use crate::ingest;
use crate::store::GraphStore;

/// Take back what a load brought: its events and edges go, its items become what they were before
#[derive(clap::Args)]
#[command(after_help = "\
An event that two loads brought belongs to the first; so does a row of a file of edges. Texts whose mentions came of the load's items
are read anew, if texts of the store were read at all. Ended meanwhile, the same command goes on.

Example:
  predilect unload --store graph --load-id may-2025")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Id of the load; `predilect loads` lists them
    #[arg(long, value_name = "ID")]
    load_id: String,
    #[command(flatten)]
    extractor: ExtractorArgs,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
        let store = GraphStore::open(&self.store.store, false, None)?;
        // Where nothing was read, nothing is to be read anew.
        let extractor =
            if store.view().readers()?.is_empty() { None } else { self.extractor.build()? };
        let mut told = Told::new(interrupts());
        let report = ingest::unload(&store, &self.load_id, extractor.as_deref(), &mut |at| {
            told.step(at);
        });
        told.clear();
        let report = report?;
        match self.output.output {
            Output::Json => write_json(out, &report)?,
            Output::Text => {
                let (events, items) = (report.events, report.documents);
                write!(out, "took load {} back: {events} events, {items} items", report.load_id)?;
                let edges = report.edges;
                writeln!(
                    out,
                    "{}",
                    if edges > 0 { format!(", {edges} edges") } else { String::new() }
                )?;
            }
        }
        Ok(ExitCode::Done)
    }
}
