//! `predilect train embedding`: a row of numbers for every node of a graph.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::json;

use super::super::graph_file::{EdgeFormat, NamedGraph, edges};
use super::super::stopwatch::{Stopwatch, peak_mib};
use super::super::{ExitCode, Output, OutputArg, note, write_json};
use crate::embed::{self, EmbeddingTable, Progress};
use crate::engine::Engine;
use crate::graph::NodeIndex;

/// Learn a row of numbers for every node, near those of related nodes
#[derive(clap::Args)]
#[command(after_help = models(), after_long_help = models())]
pub(super) struct Args {
    /// Files of edges: .parquet with columns src and dst, else text, packed where it ends in .gz
    #[arg(long, num_args = 1.., required_unless_present = "store", value_name = "FILE")]
    edges: Vec<PathBuf>,
    /// Folder of the store whose graph to learn, in place of files
    #[arg(long, value_name = "DIR", conflicts_with = "edges")]
    store: Option<PathBuf>,
    /// What a line of a text says
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: EdgeFormat,
    /// The model
    #[arg(long, default_value = "node2vec", value_name = "NAME")]
    model: String,
    /// Numbers of a row
    #[arg(long, default_value_t = 64, value_name = "N")]
    dim: usize,
    /// A parameter of the model
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
    param: Vec<(String, f64)>,
    /// Seed of all choices
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Threads; they change the time and no byte [default: one a processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Folder to write the rows to
    #[arg(long, value_name = "DIR")]
    dest: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

fn models() -> String {
    let mut text = "\
Edges count both ways. The same edges, parameters and seed give the same bytes at any number of
threads. Progress goes to stderr.

Models and their parameters:
"
    .to_owned();
    for entry in embed::MODELS {
        text.push_str(&format!("  {:<10}{}\n", entry.name, entry.about));
        for knob in entry.knobs {
            text.push_str(&format!("    {:<8}{} [{}]\n", knob.name, knob.about, knob.default));
        }
    }
    text.push_str(
        "\
\nExample:
  predilect train embedding --edges edges.txt --model node2vec --param p=0.5 --dim 64 --dest vectors
  predilect evaluate embedding --embedding vectors --labels labels.txt",
    );
    text
}

fn parse_param(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE, such as window=5")?;
    let value = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
    Ok((name.to_owned(), value))
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let entry = embed::by_name(&self.model)?;
        let mut params = entry.defaults(self.dim, self.seed);
        for (name, value) in &self.param {
            entry.set(&mut params, name, *value)?;
        }
        let NamedGraph { names, graph } = match &self.store {
            Some(store) => of_store(store)?,
            None => edges(&self.edges, self.format)?,
        };
        note(&format!("{} nodes, {} edges", names.len(), graph.edge_count()));
        let watch = Stopwatch::start();
        let mut told = 0;
        let mut tell = |Progress { done, of }: Progress| {
            if done * 10 / of.max(1) > told {
                told = done * 10 / of.max(1);
                note(&format!("{}: {done} of {of} steps", entry.name));
            }
        };
        let values = entry.train_on(self.threads.map(usize::from), &graph, &params, &mut tell)?;
        let (wall_s, cpu_s) = watch.stop();
        let n_nodes = names.len();
        let table = EmbeddingTable::new(entry.name, &params, names, values)?;
        let path = table.save(&self.dest)?;
        match self.output.output {
            Output::Json => write_json(
                out,
                &json!({
                    "model": entry.name, "seed": self.seed, "dim": self.dim,
                    "params": params.values, "nodes": n_nodes, "edges": graph.edge_count(),
                    "file": path, "wall_s": wall_s, "cpu_s": cpu_s, "peak_mib": peak_mib(),
                }),
            )?,
            Output::Text => writeln!(
                out,
                "{} rows of {} by {} in {wall_s:.1} s: {}",
                n_nodes,
                self.dim,
                entry.name,
                path.display()
            )?,
        }
        Ok(ExitCode::Done)
    }
}

/// The graph of a store; a node's name is its kind and id, such as `item:dune`.
fn of_store(store: &std::path::Path) -> anyhow::Result<NamedGraph> {
    let engine = Engine::open(store, false, None, None)?;
    let snapshot = engine.snapshot();
    let graph = snapshot.graph().base().as_ref().clone();
    ensure!(graph.node_count() > 0, "the store has no graph; load events first");
    let name = |node: usize| {
        let name = snapshot.names().get(NodeIndex::new(node)).context("a node without a name")?;
        Ok(format!("{}:{}", name.key.kind, name.key.name))
    };
    let names = (0..graph.node_count()).map(name).collect::<anyhow::Result<_>>()?;
    Ok(NamedGraph { names, graph })
}
