//! `predilect compact`: a store without what was overwritten or deleted.

use std::io::Write;

use serde_json::json;

use super::{ExitCode, Output, OutputArg, StoreArg, write_json};
use crate::store::{GraphStore, SpaceUsage};

/// Rewrite a store's files without what was overwritten or deleted
#[derive(clap::Args)]
#[command(after_help = "\
It needs as much room beside the store as the store's largest space takes.

Example:
  predilect compact --store graph")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let store = GraphStore::open(&self.store.store, false, None)?;
        let before = store.backend().usage()?;
        store.backend().compact()?;
        let after = store.backend().usage()?;
        let sum = |usage: &[SpaceUsage]| usage.iter().map(|space| space.bytes).sum::<u64>();
        let (bytes_before, bytes_after) = (sum(&before), sum(&after));
        match self.output.output {
            Output::Json => {
                let spaces = before.iter().zip(&after).map(|(before, after)| {
                    json!({
                        "space": before.space,
                        "bytes_before": before.bytes,
                        "bytes_after": after.bytes,
                    })
                });
                let spaces: Vec<_> = spaces.collect();
                let answer = json!({
                    "bytes_before": bytes_before,
                    "bytes_after": bytes_after,
                    "spaces": spaces,
                });
                write_json(out, &answer)?;
            }
            Output::Text => {
                for (before, after) in before.iter().zip(&after) {
                    let (space, before, after) = (before.space, before.bytes, after.bytes);
                    writeln!(out, "{space:<12} {before:>14} -> {after:>14} bytes")?;
                }
                writeln!(out, "{:<12} {bytes_before:>14} -> {bytes_after:>14} bytes", "all")?;
            }
        }
        Ok(ExitCode::Done)
    }
}
