//! `predilect embedding`: the versions of a store's embedding, how they differ, and single rows.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;

use super::{ExitCode, Output, OutputArg, StoreArg, keep_snapshot, parse_key, write_json};
use crate::embed::{Drift, Version};
use crate::engine::Engine;
use crate::event::NodeKey;
use crate::snapshot::row_name;

/// List and compare the versions of a store's embedding, and tell a node's row
#[derive(clap::Args)]
#[command(after_help = "\
`predilect train embedding --store` keeps a version each time, in a folder such as graph/embeddings/000001,
which `predilect evaluate embedding --embedding` takes, too.

Example:
  predilect embedding versions --store graph
  predilect embedding drift --store graph
  predilect embedding row --store graph --node item:wh-1000xm5 --output json")]
pub(super) struct Args {
    #[command(subcommand)]
    question: Question,
}

#[derive(Subcommand)]
enum Question {
    Versions(Versions),
    Drift(Compared),
    Row(Row),
}

/// List the versions: model, parameters, seed, and the state of the graph that each was trained on
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect embedding versions --store graph --output json")]
struct Versions {
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    output: OutputArg,
}

/// How far nodes moved from one version to another
#[derive(clap::Args)]
#[command(after_help = "\
Another training turns the rows: the rotation that brings both versions nearest to each other comes first.
A cosine of 1 is a row that stayed where it was.

Example:
  predilect embedding drift --store graph --from 1 --to 2 --k 5")]
struct Compared {
    #[command(flatten)]
    store: StoreArg,
    /// The older version [default: the last but one]
    #[arg(long, value_name = "N")]
    from: Option<u32>,
    /// The newer version [default: the last]
    #[arg(long, value_name = "N")]
    to: Option<u32>,
    /// Name so many of those that moved most
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
    #[command(flatten)]
    output: OutputArg,
}

/// The row of a node; one that came after the training has a row from its neighbours
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect embedding row --store graph --node item:wh-1000xm5 --output json")]
struct Row {
    #[command(flatten)]
    store: StoreArg,
    /// The node
    #[arg(long, value_name = "KIND:ID", value_parser = parse_key)]
    node: NodeKey,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.question {
            Question::Versions(question) => question.run(out),
            Question::Drift(question) => question.run(out),
            Question::Row(question) => question.run(out),
        }?;
        Ok(ExitCode::Done)
    }
}

fn open(store: &StoreArg) -> anyhow::Result<Engine> {
    Ok(Engine::open(&store.store, false, None, None)?)
}

impl Versions {
    fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let versions = open(&self.store)?.embedding_versions()?;
        if matches!(self.output.output, Output::Json) {
            return write_json(out, &versions);
        }
        for about in &versions {
            let Version { version, model, dim, seed, nodes, edges, as_of, .. } = about;
            write!(
                out,
                "{version:>3}  {model}, {nodes} rows of {dim}, seed {seed}, {edges} edges as of {as_of}"
            )?;
            match about.warm_start {
                Some(start) => writeln!(out, ", from {start}")?,
                None => writeln!(out)?,
            }
        }
        if versions.is_empty() {
            writeln!(out, "none yet: `predilect train embedding --store` keeps one")?;
        }
        Ok(())
    }
}

impl Compared {
    fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let engine = open(&self.store)?;
        let (from, to) = match (self.from, self.to) {
            (Some(from), Some(to)) => (from, to),
            (from, to) => {
                let versions = engine.embedding_versions()?;
                let numbers: Vec<u32> = versions.iter().map(|about| about.version).collect();
                let [.., before, last] = numbers.as_slice() else {
                    anyhow::bail!(
                        "the store keeps {} versions; two can be compared",
                        numbers.len()
                    );
                };
                (from.unwrap_or(*before), to.unwrap_or(*last))
            }
        };
        let drift = engine.embedding_drift((from, to), self.k)?;
        if matches!(self.output.output, Output::Json) {
            return write_json(out, &json!({ "from": from, "to": to, "drift": drift }));
        }
        let Drift { n_shared, mean_cosine, least_cosine, n_new, n_gone, most_moved } = drift;
        writeln!(
            out,
            "from version {from} to {to}: {n_shared} nodes in both, {n_new} new, {n_gone} gone"
        )?;
        writeln!(
            out,
            "cosine of old and new rows: {mean_cosine:.4} on average, {least_cosine:.4} at least"
        )?;
        for (name, cosine) in most_moved {
            writeln!(out, "  {cosine:>7.4}  {name}")?;
        }
        Ok(())
    }
}

impl Row {
    fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let engine = open(&self.store)?;
        keep_snapshot(&engine);
        let snapshot = engine.snapshot();
        let (version, row) = engine.embedding_row(&snapshot, &self.node)?;
        if matches!(self.output.output, Output::Json) {
            let node = row_name(&self.node);
            let answer = json!({
                "node": node, "version": version, "inductive": row.inductive, "values": row.values,
            });
            return write_json(out, &answer);
        }
        if row.inductive {
            super::note("the node came after the training: its row is made of its neighbours'");
        }
        let values: Vec<String> = row.values.iter().map(ToString::to_string).collect();
        Ok(writeln!(out, "{}", values.join(" "))?)
    }
}
