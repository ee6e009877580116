//! `predilect bench csr|khop|ppr|walk`: how fast the graph in memory is built and walked.
//!
//! Each prints a JSON line per result. Rates are per second of processor time; reading the files does not
//! count.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::ensure;
use petgraph::Direction;
use serde_json::{Map, Value, json};

use super::super::stopwatch::{Stopwatch, peak_mib};
use super::super::{ExitCode, Output, OutputArg};
use super::edges::{EdgeList, EdgesArg, queries};
use crate::graph::{CompactGraph, NodeIndex};
use crate::traverse::{
    Budget, NeighborhoodSizes, PprWalkParams, PprWalks, TraverseError, WalkParams, Walker,
};

/// Neighbors of a node that the capped count looks at.
const FANOUT: usize = 50;
/// Nodes that precision is measured on.
const TOP: usize = 50;
/// Steps of the exact answer: what is left to walk after them is less than 1e-7.
const POWER_STEPS: usize = 100;

/// Build the graph from edges in memory, both directions
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect bench csr --edges edges.parquet --rounds 5")]
pub(super) struct CsrArgs {
    #[command(flatten)]
    edges: EdgesArg,
    /// How many times to build it
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    #[command(flatten)]
    output: OutputArg,
}

/// Count the nodes within two steps, of all neighbors and of 50 a node
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect bench khop --edges edges.parquet --queries queries.txt --output json")]
pub(super) struct KhopArgs {
    #[command(flatten)]
    edges: EdgesArg,
    /// Nodes to ask for, a number a line
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

/// Rank nodes by personalized PageRank, by push and walks
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect bench ppr --edges edges.parquet --queries queries.txt --walks 1000,10000 --output json")]
pub(super) struct PprArgs {
    #[command(flatten)]
    edges: EdgesArg,
    /// Nodes to ask for, a number a line
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    /// Walks of a query; each number is measured by itself
    #[arg(long, value_delimiter = ',', default_value = "500,1000,3000,10000", value_name = "N,...",
          value_parser = clap::value_parser!(u32).range(1..))]
    walks: Vec<u32>,
    /// Queries whose answer is held against the exact one
    #[arg(long, default_value_t = 20, value_name = "N")]
    exact: usize,
    #[command(flatten)]
    output: OutputArg,
}

/// Walk at random from every node
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect bench walk --edges edges.parquet --p 0.5 --q 2 --threads 2 --output json")]
pub(super) struct WalkArgs {
    #[command(flatten)]
    edges: EdgesArg,
    /// Walks from each node
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    walks: u16,
    /// Nodes of a walk
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    length: u16,
    /// How unlikely a walk is to go back where it came from
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    p: f64,
    /// How unlikely a walk is to go far from where it came from
    #[arg(long, default_value_t = 1.0, value_name = "Q")]
    q: f64,
    /// Seed of the walks
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    output: OutputArg,
}

impl CsrArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let EdgeList { n_nodes, edges } = self.edges.read()?;
        let n = edges.len();
        for round in 1..=self.rounds {
            let edges = edges.clone();
            let watch = Stopwatch::start();
            let graph = CompactGraph::from_edges(n_nodes, edges)?;
            let time = watch.stop();
            let more = json!({
                "round": round,
                "nodes": n_nodes,
                "bytes_per_edge": graph.bytes() as f64 / n as f64,
            });
            let check = graph.edge_count() as u64;
            let result = Measured { task: "csr", unit: "edges", n, check, more };
            result.tell(time, &self.output, out)?;
        }
        Ok(ExitCode::Done)
    }
}

impl KhopArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let graph = self.edges.graph()?;
        let queries = queries(&self.queries, &graph)?;
        for (task, fanout) in [("khop2", usize::MAX), ("khop2cap", FANOUT)] {
            let watch = Stopwatch::start();
            let sizes = spread(&queries, self.edges.n_threads(), |queries| {
                let mut sizes = NeighborhoodSizes::new(&graph);
                queries.iter().map(|&node| sizes.of(node, 2, fanout, &Budget::default())).collect()
            })?;
            let time = watch.stop();
            let check = sizes.iter().map(|&size| size as u64).sum();
            let result =
                Measured { task, unit: "queries", n: queries.len(), check, more: json!({}) };
            result.tell(time, &self.output, out)?;
        }
        Ok(ExitCode::Done)
    }
}

impl PprArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let graph = self.edges.graph()?;
        let queries = queries(&self.queries, &graph)?;
        let exact: Vec<BTreeSet<NodeIndex>> =
            queries.iter().take(self.exact).map(|&node| exact_top(&graph, node)).collect();
        for &n_walks in &self.walks {
            let params =
                PprWalkParams { n_walks: n_walks as usize, k: TOP, ..PprWalkParams::default() };
            let watch = Stopwatch::start();
            let answers = spread(&queries, self.edges.n_threads(), |queries| {
                let mut walks = PprWalks::new(&graph)?;
                queries.iter().map(|&node| walks.rank(node, &params)).collect()
            })?;
            let time = watch.stop();
            let hits = answers.iter().zip(&exact).map(|(answer, exact)| {
                answer.iter().filter(|(node, _)| exact.contains(node)).count()
            });
            let hits: usize = hits.sum();
            let precision = hits as f64 / (TOP * exact.len().min(answers.len())) as f64;
            let more = json!({ "walks": n_walks, "precision50": precision });
            let check = answers.iter().map(|answer| answer.len() as u64).sum();
            let result = Measured { task: "ppr", unit: "queries", n: queries.len(), check, more };
            result.tell(time, &self.output, out)?;
        }
        Ok(ExitCode::Done)
    }
}

impl WalkArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let graph = self.edges.graph()?;
        let params = WalkParams {
            per_node: usize::from(self.walks),
            length: usize::from(self.length),
            p: self.p,
            q: self.q,
            seed: self.seed,
            budget: Budget::default(),
        };
        let length = params.length;
        ensure!(length > 1, "a walk of one node has no steps; give --length two nodes or more");
        let walker = Walker::new(&graph, params)?;
        let watch = Stopwatch::start();
        let walks = walker.all(self.edges.n_threads())?;
        let time = watch.stop();
        ensure!(all_are_edges(&graph, &walks, length), "a step follows no edge of the graph");
        // The same walks have the same sum, whoever made them.
        let check = (1_u64..).zip(&walks).fold(0_u64, |sum, (place, &node)| {
            sum.wrapping_add(place.wrapping_mul(u64::from(node)))
        });
        let task = if self.p == 1.0 && self.q == 1.0 { "walk uniform" } else { "walk node2vec" };
        let n = walker.n_walks() * (length - 1);
        let more = json!({ "walks": walker.n_walks(), "length": length, "p": self.p, "q": self.q });
        let result = Measured { task, unit: "steps", n, check, more };
        result.tell(time, &self.output, out)
    }
}

/// The answers to `queries`, a part of them by each thread.
fn spread<T: Send>(
    queries: &[NodeIndex],
    n_threads: usize,
    answer: impl Fn(&[NodeIndex]) -> Result<Vec<T>, TraverseError> + Sync,
) -> anyhow::Result<Vec<T>> {
    let share = queries.len().div_ceil(n_threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            queries.chunks(share).map(|part| scope.spawn(|| answer(part))).collect();
        let mut answers = Vec::with_capacity(queries.len());
        for worker in workers {
            let part = worker.join().map_err(|_| anyhow::anyhow!("a worker ended early"))?;
            answers.extend(part?);
        }
        Ok(answers)
    })
}

/// What was measured.
pub(super) struct Measured {
    pub task: &'static str,
    pub unit: &'static str,
    /// How many units of work were done.
    pub n: usize,
    pub check: u64,
    pub more: Value,
}

impl Measured {
    pub fn tell(
        self,
        (wall_s, cpu_s): (f64, Option<f64>),
        output: &OutputArg,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let Self { task, unit, n, check, more } = self;
        let rate = n as f64 / cpu_s.unwrap_or(wall_s);
        let unit = format!("{unit}/{}", if cpu_s.is_some() { "cpu-s" } else { "s" });
        match output.output {
            Output::Text => {
                write!(out, "{task:<14} {rate:.4e} {unit}, {n} in {wall_s:.3} s, check {check}")?;
                for (name, value) in more.as_object().into_iter().flatten() {
                    write!(out, ", {name} {value}")?;
                }
                writeln!(out)?;
            }
            Output::Json => {
                let mut line: Map<String, Value> = Map::new();
                let known = json!({
                    "task": task, "rate": rate, "unit": unit, "n": n, "cpu_s": cpu_s,
                    "wall_s": wall_s, "peak_mib": peak_mib(), "check": check,
                });
                for part in [known, more] {
                    line.extend(part.as_object().cloned().unwrap_or_default());
                }
                serde_json::to_writer(&mut *out, &line)?;
                writeln!(out)?;
            }
        }
        out.flush()?;
        Ok(ExitCode::Done)
    }
}

/// Does every node have an edge with the one before it? One walk in a hundred is looked at.
fn all_are_edges(graph: &CompactGraph, walks: &[u32], length: usize) -> bool {
    let rows = [Direction::Outgoing, Direction::Incoming].map(|direction| graph.rows(direction));
    walks.chunks_exact(length).step_by(101).all(|walk| {
        walk.windows(2).all(|pair| rows.iter().any(|rows| rows.of(pair[0]).contains(&pair[1])))
    })
}

/// The nodes of highest personalized PageRank, by power iteration over all edges, both ways and alike.
fn exact_top(graph: &CompactGraph, seed: NodeIndex) -> BTreeSet<NodeIndex> {
    let alpha = PprWalkParams::default().alpha;
    let rows = [Direction::Outgoing, Direction::Incoming].map(|direction| graph.rows(direction));
    let mut mass = vec![0.0; graph.node_count()];
    mass[seed.index()] = 1.0;
    for _ in 0..POWER_STEPS {
        let mut next = vec![0.0; mass.len()];
        for (node, &mass) in (0_u32..).zip(&mass) {
            let degree: usize = rows.iter().map(|rows| rows.of(node).len()).sum();
            if mass == 0.0 || degree == 0 {
                continue;
            }
            let share = (1.0 - alpha) * mass / degree as f64;
            for &other in rows.iter().flat_map(|rows| rows.of(node)) {
                next[other as usize] += share;
            }
        }
        next[seed.index()] += alpha;
        mass = next;
    }
    let mut nodes: Vec<usize> = (0..mass.len()).collect();
    nodes.sort_by(|&a, &b| mass[b].total_cmp(&mass[a]).then(a.cmp(&b)));
    nodes.into_iter().take(TOP).map(NodeIndex::new).collect()
}
