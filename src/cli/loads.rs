//! `predilect loads`: what was loaded, and how far each load is.

use std::io::Write;

use serde_json::{Value, json};

use super::{ExitCode, Output, OutputArg, StoreArg, write_json};
use crate::store::{GraphStore, LoadRecord, LoadedEdges, StoreError};

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
        let store = GraphStore::open(&self.store.store, false, None)?;
        let view = store.view();
        let edges = |load: LoadRecord| Ok((view.loaded_edges(load.number)?, load));
        let loads: Vec<Load> =
            view.loads()?.into_iter().map(edges).collect::<Result<_, StoreError>>()?;
        match self.output.output {
            Output::Json => write_json(out, &loads.iter().map(described).collect::<Vec<_>>())?,
            Output::Text => tell(out, &loads)?,
        }
        Ok(ExitCode::Done)
    }
}

/// A load, and what it brought from files of edges.
type Load = (Option<LoadedEdges>, LoadRecord);

fn described((edges, load): &Load) -> Value {
    let other = if edges.is_some() { "edges" } else { "events" };
    let files: Vec<_> = load
        .files
        .iter()
        .map(|file| {
            json!({
                "path": file.path,
                "kind": if file.is_items { "items" } else { other },
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
        "edges": edges.unwrap_or_default().count,
        "files": files,
    })
}

fn tell(out: &mut dyn Write, loads: &[Load]) -> anyhow::Result<()> {
    let width = loads.iter().map(|(_, load)| load.id.len()).max().unwrap_or_default().max(4);
    for (edges, load) in loads {
        let (state, events, items) = (load.state.name(), load.events, load.documents);
        let edges = edges.map(|edges| format!(", {} edges", edges.count)).unwrap_or_default();
        writeln!(out, "{:width$}  {state:<10}  {events} events, {items} items{edges}", load.id)?;
    }
    Ok(())
}
