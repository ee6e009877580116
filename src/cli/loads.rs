//! `predilect loads`: what was loaded, and how far each load is.

use std::io::Write;

use serde_json::{Value, json};

use super::{ExitCode, Output, OutputArg, StoreArg, write_json};
use crate::store::{GraphStore, LoadRecord};

/// List the loads of a store: their ids, how far each is, what each brought
#[derive(clap::Args)]
#[command(after_help = "\
Numbers of events and items are those that the load was the first to bring.

Example:
  predilect loads --store graph --output json")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let loads = GraphStore::open(&self.store.store, false, None)?.view().loads()?;
        match self.output.output {
            Output::Json => write_json(out, &loads.iter().map(described).collect::<Vec<_>>())?,
            Output::Text => tell(out, &loads)?,
        }
        Ok(ExitCode::Done)
    }
}

fn described(load: &LoadRecord) -> Value {
    let files: Vec<_> = load
        .files
        .iter()
        .map(|file| {
            json!({
                "path": file.path,
                "kind": if file.is_items { "items" } else { "events" },
                "bytes": file.bytes,
                "rows": file.rows,
                "rejected": file.rejected.iter().map(|(_, n)| n).sum::<u64>(),
            })
        })
        .collect();
    json!({
        "load_id": load.id,
        "number": load.number,
        "state": load.state.name(),
        "begun": load.begun,
        "finished": load.finished,
        "events": load.events,
        "items": load.documents,
        "files": files,
    })
}

fn tell(out: &mut dyn Write, loads: &[LoadRecord]) -> anyhow::Result<()> {
    let width = loads.iter().map(|load| load.id.len()).max().unwrap_or_default().max(4);
    for load in loads {
        let (state, events, items) = (load.state.name(), load.events, load.documents);
        writeln!(out, "{:width$}  {state:<10}  {events} events, {items} items", load.id)?;
    }
    Ok(())
}
