//! `predilect train embedding`: a row of numbers for every node of a graph.

mod kept;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::json;

use super::super::graph_file::{EdgeFormat, NamedGraph, edges};
use super::super::stopwatch::{Stopwatch, peak_mib};
use super::super::triple_file::TripleNames;
use super::super::{ExitCode, Output, OutputArg, note, write_json};
use crate::embed::triples::{self, TripleSet};
use crate::embed::{self, Course, EmbeddingTable, Params, Progress};
use crate::engine::Engine;

/// Learn a row of numbers for every node, near those of related nodes
#[derive(clap::Args)]
#[command(after_help = models(), after_long_help = models())]
pub(super) struct Args {
    /// Files of edges: .parquet with columns src and dst, else text, packed where it ends in .gz; a file of
    /// triples, where the model learns these
    #[arg(long, num_args = 1.., required_unless_present_any = ["store", "triples"], value_name = "FILE")]
    edges: Vec<PathBuf>,
    /// File of triples, in place of edges: head, relation and tail a line, by tabs or blanks
    #[arg(long, value_name = "FILE", conflicts_with_all = ["edges", "store"])]
    triples: Option<PathBuf>,
    /// Folder of the store whose graph to learn, in place of files
    #[arg(long, value_name = "DIR", conflicts_with = "edges")]
    store: Option<PathBuf>,
    /// What a line of a text says
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: EdgeFormat,
    /// The model [default: node2vec, or complex for triples]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
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
and `--method embedding` of `predilect query recommend` and `similar` answers by the last one. Nodes of
a kind of which there are 262,144 or more are linked to those near them, on one thread, which takes
minutes.

Models and their parameters:
"
    .to_owned();
    let mut list = |name: &str, about: &str, knobs: &[embed::Knob]| {
        text.push_str(&format!("  {name:<10}{about}\n"));
        for knob in knobs {
            text.push_str(&format!("    {:<10}{} [{}]\n", knob.name, knob.about, knob.default));
        }
    };
    embed::MODELS.iter().for_each(|entry| list(entry.name, entry.about, entry.knobs));
    let of_triples = triples::MODELS.iter().filter(|entry| entry.has_rows());
    of_triples
        .for_each(|entry| list(entry.name, &format!("triples: {}", entry.about), entry.knobs));
    text.push_str(
        "\
\nExample:
  predilect train embedding --edges edges.txt --model node2vec --param p=0.5 --dim 64 --dest vectors
  predilect evaluate embedding --embedding vectors --labels labels.txt
  predilect train embedding --store graph --dim 64
  predilect train embedding --store graph --dim 64 --warm-start --checkpoint steps --resume
  predilect train embedding --triples triples.txt --model complex --dim 128 --dest vectors",
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
        if let Some(file) = self.file_of_triples() {
            return self.run_triples(out, file);
        }
        let entry = embed::by_name(self.model.as_deref().unwrap_or("node2vec"))?;
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

    /// The file to learn triples from, if the model does.
    fn file_of_triples(&self) -> Option<&Path> {
        let learns_triples = |model: &str| triples::by_name(model).is_ok();
        match self.edges.as_slice() {
            [file] if self.model.as_deref().is_some_and(learns_triples) => Some(file),
            _ => self.triples.as_deref(),
        }
    }

    /// Rows of entities, and of relations in a second file.
    fn run_triples(&self, out: &mut dyn Write, file: &Path) -> anyhow::Result<ExitCode> {
        ensure!(
            !self.course.is_given(),
            "triples are learnt at once: leave out --warm-start, --checkpoint and --resume"
        );
        let dest = self.dest.as_deref().context("give --dest, a folder to write the rows to")?;
        let entry = triples::by_name(self.model.as_deref().unwrap_or("complex"))?;
        let mut params = entry.defaults(self.dim, self.seed);
        for (name, value) in &self.param {
            entry.set(&mut params, name, *value)?;
        }
        let mut names = TripleNames::default();
        let triples = names.read(file)?;
        let (entities, relations) = (names.entities.names, names.relations.names);
        let (n_entities, n_relations) = (entities.len(), relations.len());
        note(&format!("{n_entities} entities, {n_relations} relations, {} triples", triples.len()));
        let set = TripleSet {
            n_entities: n_entities as u32,
            n_relations: n_relations as u32,
            triples: &triples,
        };
        let watch = Stopwatch::start();
        let train = || entry.train(&set, &params, &mut tell(entry.name));
        let factors = embed::on_threads(self.threads.map(usize::from), train)??;
        let (wall_s, cpu_s) = watch.stop();
        let rows = factors.entities().to_vec();
        let path = EmbeddingTable::new(entry.name, &params, entities, rows)?.save(dest)?;
        let back = relations.iter().map(|name| format!("{name}⁻¹"));
        let steps = relations.iter().cloned().chain(back).collect();
        let width = Params { dim: factors.relation_width(), ..params.clone() };
        let rows = factors.relations().to_vec();
        let table = EmbeddingTable::new(entry.name, &width, steps, rows)?;
        let relations_path = table.save_relations(dest)?;
        match self.output.output {
            Output::Json => write_json(
                out,
                &json!({
                    "model": entry.name, "seed": self.seed, "dim": self.dim,
                    "params": params.values, "entities": n_entities, "relations": n_relations,
                    "triples": triples.len(), "file": path, "relations_file": relations_path,
                    "wall_s": wall_s, "cpu_s": cpu_s, "peak_mib": peak_mib(),
                }),
            )?,
            Output::Text => writeln!(
                out,
                "{n_entities} rows of {} by {} in {wall_s:.1} s: {}",
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
fn of_store(store: &Path) -> anyhow::Result<NamedGraph> {
    let engine = Engine::open(store, false, None, None)?;
    let snapshot = engine.snapshot();
    let graph = snapshot.graph().base().as_ref().clone();
    ensure!(graph.node_count() > 0, "the store has no graph; load events first");
    Ok(NamedGraph { names: snapshot.row_names(), graph })
}
