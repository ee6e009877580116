//! `predilect verify`: proves that a store is whole.

use std::io::Write;

use super::{ExitCode, StoreArg};
use crate::store::GraphStore;

/// Prove that a store is whole: both directions agree, every edge is the fold of its evidence
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect verify --store graph")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let store = GraphStore::open(&self.store.store, false, None)?;
        let view = store.view();
        let problems = view.check()?;
        if problems.count == 0 {
            let stats = view.stats()?;
            let sum =
                |counts: &std::collections::BTreeMap<String, u64>| counts.values().sum::<u64>();
            let (nodes, edges) = (sum(&stats.nodes), sum(&stats.edges));
            let events = sum(&stats.events);
            writeln!(out, "whole: {nodes} nodes, {edges} edges, {events} events")?;
            return Ok(ExitCode::Done);
        }
        for problem in &problems.told {
            writeln!(out, "{problem}")?;
        }
        let more = problems.count - problems.told.len() as u64;
        if more > 0 {
            writeln!(out, "... and {more} more")?;
        }
        out.flush()?;
        anyhow::bail!(
            "the store is damaged: {} problems; `predilect restore` takes a backup, `predilect repair` what evidence is left",
            problems.count
        )
    }
}
