//! `predilect train embedding`: a row of numbers for every node of a graph.

mod kept;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{bail, ensure};
use serde_json::json;

use super::super::graph_file::{EdgeFormat, NamedGraph, edges};
use super::super::stopwatch::{Stopwatch, peak_mib};
use super::super::{ExitCode, Output, OutputArg, note, write_json};
use crate::embed::{self, Course, EmbeddingTable, Progress};
use crate::engine::Engine;

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
    /// Folder to write the rows to; those of a store are kept beside it as the next version without one
    #[arg(long, value_name = "DIR", required_unless_present = "store")]
    dest: Option<PathBuf>,
    #[command(flatten)]
    course: kept::CourseArgs,
    #[command(flatten)]
    output: OutputArg,
}

fn models() -> String {
    let mut text = "\
Edges count both ways. The same edges, parameters and seed give the same bytes at any number of
threads, and so does a training that is ended and goes on with --resume. Progress goes to stderr.

Rows of a store are a version of its embedding: `predilect embedding` lists and compares versions,
and `--method embedding` of `predilect query recommend` and `similar` answers by the last one.

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
  predilect evaluate embedding --embedding vectors --labels labels.txt
  predilect train embedding --store graph --dim 64
  predilect train embedding --store graph --dim 64 --warm-start --checkpoint steps --resume",
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
        let dest = match (&self.store, &self.dest) {
            (Some(store), None) => return self.keep(store, entry, params, out),
            (None, None) => bail!("give --dest, a folder to write the rows to"),
            (_, Some(dest)) => dest,
        };
        ensure!(!self.course.warm_start, "--warm-start is of a store's versions: leave --dest out");
        let NamedGraph { names, graph } = match &self.store {
            Some(store) => of_store(store)?,
            None => edges(&self.edges, self.format)?,
        };
        note(&format!("{} nodes, {} edges", names.len(), graph.edge_count()));
        let watch = Stopwatch::start();
        let checkpoint = self.course.checkpoint();
        let course = Course { start: None, checkpoint: checkpoint.clone() };
        let mut tell = tell(entry.name);
        let n_threads = self.threads.map(usize::from);
        let values = entry.train_by(n_threads, &graph, &params, &course, &mut tell)?;
        let (wall_s, cpu_s) = watch.stop();
        let n_nodes = names.len();
        let table = EmbeddingTable::new(entry.name, &params, names, values)?;
        let path = table.save(dest)?;
        checkpoint.map_or(Ok(()), |checkpoint| checkpoint.remove())?;
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

/// Says every tenth of the steps how far a training is.
fn tell(model: &'static str) -> impl FnMut(Progress) + Send {
    let mut told = 0;
    move |Progress { done, of }: Progress| {
        if done * 10 / of.max(1) > told {
            told = done * 10 / of.max(1);
            note(&format!("{model}: {done} of {of} steps"));
        }
    }
}

/// The graph of a store; a node's name is its kind and id, such as `item:dune`.
fn of_store(store: &std::path::Path) -> anyhow::Result<NamedGraph> {
    let engine = Engine::open(store, false, None, None)?;
    let snapshot = engine.snapshot();
    let graph = snapshot.graph().base().as_ref().clone();
    ensure!(graph.node_count() > 0, "the store has no graph; load events first");
    Ok(NamedGraph { names: snapshot.row_names(), graph })
}
