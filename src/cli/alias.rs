//! `predilect alias`: tells other ways in which an entity is written.

use std::io::Write;

use super::load::ExtractorArgs;
use super::{ExitCode, StoreArg, parse_entity};
use crate::engine::{Engine, EngineError};
use crate::event::{ALIASES, Document, NodeKey, Value};

/// Tell other ways in which an entity is written, in any language
#[derive(clap::Args)]
#[command(after_help = "\
Texts that were read before are read again by `predilect extract`. Aliases can also be loaded, as
items of the kind `entity`:
  {\"id\":\"brand:sony\",\"kind\":\"entity\",\"attributes\":{\"aliases\":[\"索尼\"]}}

Example:
  predilect alias --store graph --entity brand:sony --alias 索尼 'Sony Corp'")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// The entity
    #[arg(long, value_name = "TYPE:NAME", value_parser = parse_entity)]
    entity: NodeKey,
    /// Other ways in which it is written; none takes all back
    #[arg(long, num_args = 1.., value_name = "TEXT", required_unless_present = "clear")]
    alias: Vec<String>,
    /// Forget the aliases that were told before
    #[arg(long)]
    clear: bool,
    #[command(flatten)]
    extractor: ExtractorArgs,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        anyhow::ensure!(
            !self.entity.entity_type().is_empty(),
            "{} has no type; give `type:name`, such as brand:sony",
            self.entity
        );
        let engine = Engine::open(&self.store.store, false, None, self.extractor.build()?)?;
        let mut document = match engine.node(&self.entity) {
            Ok(node) => node.document.unwrap_or_default(),
            Err(EngineError::Unknown { .. }) => Document::default(),
            Err(error) => return Err(error.into()),
        };
        let aliases = document.attributes.entry(ALIASES.to_owned()).or_default();
        if self.clear {
            aliases.clear();
        }
        for alias in &self.alias {
            let alias = alias.trim();
            let good = !alias.is_empty() && !alias.chars().any(char::is_control);
            anyhow::ensure!(good, "{alias:?} is no alias; give letters");
            let value = Value::Text(alias.to_owned());
            if !aliases.contains(&value) {
                aliases.push(value);
            }
        }
        let count = aliases.len();
        document.attributes.retain(|_, values| !values.is_empty());
        if document == Document::default() {
            engine.retract_document(&self.entity)?;
        } else {
            engine.upsert(vec![(self.entity.clone(), document)])?;
        }
        let waiting = engine.backlog()?;
        writeln!(out, "{} has {count} aliases; {waiting} texts wait for extraction", self.entity)?;
        Ok(ExitCode::Done)
    }
}
