//! `predilect stats`: how much of what a store holds.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;

use super::{ExitCode, Output, OutputArg, StoreArg, write_json};
use crate::store::{GraphStore, SpaceUsage, Stats};

/// Tell how much of what a store holds, and one hash of all of it
#[derive(clap::Args)]
#[command(after_help = "\
The JSON answer says what the graph is and not how it came to be: stores that hold the same graph
give the same answer. The text also tells the sequence number, which counts the writes.

With --disk it tells instead what the files take: keys and bytes of each space, and what the storage
engine counts of itself. `background_errors` and `write_stopped` are 0 in a store that is well.

Example:
  predilect stats --store graph --output json
  predilect stats --store graph --disk")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Tell what the files take, and how the storage engine does
    #[arg(long)]
    disk: bool,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let store = GraphStore::open(&self.store.store, false, None)?;
        if self.disk {
            return self.tell_disk(out, &store);
        }
        let stats = store.view().stats()?;
        match self.output.output {
            Output::Json => write_json(out, &without_history(&stats))?,
            Output::Text => tell(out, &stats)?,
        }
        Ok(ExitCode::Done)
    }

    fn tell_disk(&self, out: &mut dyn Write, store: &GraphStore) -> anyhow::Result<ExitCode> {
        let (spaces, counts) = (store.backend().usage()?, store.backend().health()?);
        match self.output.output {
            Output::Json => write_json(out, &json!({ "spaces": spaces, "engine": counts }))?,
            Output::Text => {
                for SpaceUsage { space, keys, bytes } in &spaces {
                    writeln!(out, "{space:<26} {keys:>12} keys {bytes:>14} bytes")?;
                }
                for (name, count) in &counts {
                    writeln!(out, "{name:<26} {count:>12}")?;
                }
            }
        }
        Ok(ExitCode::Done)
    }
}

fn without_history(stats: &Stats) -> serde_json::Value {
    json!({
        "format_version": stats.format_version,
        "nodes": stats.nodes,
        "edges": stats.edges,
        "events": stats.events,
        "documents": stats.documents,
        "extracted": stats.extracted,
        "mentions": stats.mentions,
        "content_hash": stats.content_hash,
    })
}

fn tell(out: &mut dyn Write, stats: &Stats) -> anyhow::Result<()> {
    let mut group = |name: &str, counts: &BTreeMap<String, u64>| -> std::io::Result<()> {
        writeln!(out, "{name:<14} {:>10}", counts.values().sum::<u64>())?;
        for (kind, count) in counts {
            writeln!(out, "  {kind:<12} {count:>10}")?;
        }
        Ok(())
    };
    group("nodes", &stats.nodes)?;
    group("edges", &stats.edges)?;
    group("events", &stats.events)?;
    writeln!(out, "{:<14} {:>10}", "documents", stats.documents)?;
    writeln!(out, "  {:<12} {:>10}", "extracted", stats.extracted)?;
    writeln!(out, "{:<14} {:>10}", "mentions", stats.mentions)?;
    writeln!(out, "{:<14} {:>10}", "sequence", stats.sequence)?;
    writeln!(out, "{:<14} {:>10}", "format", stats.format_version)?;
    writeln!(out, "content hash   {}", stats.content_hash)?;
    Ok(())
}
