//! `predilect duplicates`: entities that may be one, and those that are merged.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::load::ExtractorArgs;
use super::{ExitCode, Output, OutputArg, write_json};
use crate::engine::Engine;
use crate::link::{DuplicateParams, Duplicates, Rule};
use crate::rpc::Client;

/// List entities that may be one, the most valuable first, and the merges in force
#[derive(clap::Args)]
#[command(after_help = "\
Nothing is changed: who knows that two are one says so with `predilect merge`. With an extractor that
has an encoder, entities are also compared by meaning.

Example:
  predilect duplicates --store graph --types brand --output json")]
pub(super) struct Args {
    /// Folder of the store
    #[arg(long, value_name = "DIR", required_unless_present = "server")]
    store: Option<PathBuf>,
    /// A server that has the store open, such as <http://127.0.0.1:7433>
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    server: Option<String>,
    /// Types of entity; all without it
    #[arg(long, num_args = 1.., value_name = "TYPE")]
    types: Vec<String>,
    /// At most so many pairs
    #[arg(short, default_value_t = 100, value_name = "N")]
    k: usize,
    #[command(flatten)]
    extractor: ExtractorArgs,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let params = DuplicateParams { types: self.types.clone(), k: self.k };
        let found = match (&self.store, &self.server) {
            (_, Some(url)) => Client::connect(url)?.duplicates(&params)?,
            (store, None) => {
                let path = store.as_deref().unwrap_or(std::path::Path::new(""));
                Engine::open(path, false, None, self.extractor.build()?)?.duplicates(&params)?
            }
        };
        match self.output.output {
            Output::Json => write_json(out, &with_times(&found))?,
            Output::Text => tell(out, &found)?,
        }
        Ok(ExitCode::Done)
    }
}

fn with_times(found: &Duplicates) -> serde_json::Value {
    let merged = found.merged.iter().map(|merge| {
        json!({
            "entity": merge.entity.name,
            "into": merge.into.name,
            "at": merge.at.to_string(),
            "by": merge.by,
            "reason": merge.reason,
        })
    });
    json!({
        "pairs": found.pairs,
        "capped": found.capped,
        "merged": merged.collect::<Vec<_>>(),
    })
}

fn tell(out: &mut dyn Write, found: &Duplicates) -> anyhow::Result<()> {
    for pair in &found.pairs {
        let rule = match pair.rule {
            Rule::SameSpelling => "same spelling",
            Rule::OneLetter => "one letter",
            Rule::Words => "words",
            Rule::Encoding => "encoding",
        };
        let (into, entity) = (&pair.into, &pair.entity);
        writeln!(
            out,
            "{:.2}  {rule:<13}  {} ({})  {} ({})",
            pair.score, into.entity, into.mentions, entity.entity, entity.mentions
        )?;
    }
    if found.capped {
        writeln!(out, "... and there may be more: ask for one of the --types, or raise -k")?;
    }
    for merge in &found.merged {
        let reason = if merge.reason.is_empty() { "no reason told" } else { &merge.reason };
        let (entity, into) = (&merge.entity.name, &merge.into.name);
        writeln!(out, "merged  {entity} into {into} by {}, {}: {reason}", merge.by, merge.at)?;
    }
    Ok(())
}
