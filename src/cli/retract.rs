//! `predilect retract`: takes an event or a document back.

use std::io::Write;

use super::{ExitCode, StoreArg, parse_key};
use crate::engine::Engine;
use crate::event::NodeKey;

/// Take an event or a document back, with all that came of it
#[derive(clap::Args)]
#[command(after_help = "\
The graph is then as if it had never come.

Example:
  predilect retract --store graph --event tiny-06
  predilect retract --store graph --document item:wh-1000xm5")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Id of the event
    #[arg(long, value_name = "ID", required_unless_present = "document")]
    event: Option<String>,
    /// The document
    #[arg(long, value_name = "KIND:ID", value_parser = parse_key, conflicts_with = "event")]
    document: Option<NodeKey>,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let engine = Engine::open(&self.store.store, false, None, None)?;
        if let Some(event) = &self.event {
            anyhow::ensure!(
                engine.retract_event(event)?,
                "no event `{event}` in the store; ids are case-sensitive"
            );
            writeln!(out, "retracted event `{event}`")?;
        }
        if let Some(key) = &self.document {
            anyhow::ensure!(
                engine.retract_document(key)?,
                "no document {key} in the store; ids are case-sensitive"
            );
            writeln!(out, "retracted {key}")?;
        }
        Ok(ExitCode::Done)
    }
}
