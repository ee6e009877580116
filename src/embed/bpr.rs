//! Bayesian personalized ranking: rows whose products rank the nodes that a node's edges lead to before
//! others.
//!
//! Most nodes drawn evenly are ranked right soon and teach nothing more, so several are drawn for an edge, and
//! the one that is ranked highest is set against the edge's. Nodes are dealt into blocks, and in each round
//! every block meets one other, so that threads share no row and the order of steps is fixed.
//!
//! Source: Rendle, Freudenthaler, Gantner & Schmidt-Thieme, "BPR: Bayesian personalized ranking from implicit
//! feedback", UAI 2009; Zhang, Chen, Wang & Yu, "Optimizing top-N collaborative filtering via dynamic
//! negative item sampling", SIGIR 2013; Duchi, Hazan & Singer, "Adaptive subgradient methods for online
//! learning and stochastic optimization", JMLR 2011, with one sum of squares for a row. An edge counts
//! once, whatever its weight.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use std::mem;

use petgraph::Direction::{Incoming, Outgoing};
use rand::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;
use rayon::prelude::*;

use super::lanes::{Isa, Line, Work, dot, run};
use super::layout::Layout;
use super::rows::{Rows, number};
use super::sgns::mixed;
use super::sparse::Neighbors;
use super::{EmbedError, Entry, Knob, Params, Progress};
use crate::graph::CompactGraph;

pub(super) const ENTRY: Entry = Entry {
    name: "bpr",
    about: "products that rank a node's neighbors before other nodes",
    knobs: &[
        Knob { name: "l2", about: "regularization", default: 0.02, range: (0.0, 1e3) },
        Knob {
            name: "rate",
            about: "learning rate of the first epoch",
            default: 0.1,
            range: (1e-6, 1e3),
        },
        Knob {
            name: "epochs",
            about: "times that every edge is seen",
            default: 30.0,
            range: (1.0, 1e4),
        },
        Knob {
            name: "drawn",
            about: "share of the nodes drawn to rank the highest of them below an edge's",
            default: 0.0016,
            range: (0.0, 1.0),
        },
    ],
    train,
};

/// Standard deviation of the first rows, times their length.
const SPREAD: f32 = 0.3;
/// Squares below this count as this, lest the first step be too far.
const TINY: f32 = 1e-8;
/// Nodes drawn for an edge at most, however many there are.
const MOST_DRAWN: usize = 128;

fn train(
    graph: &CompactGraph,
    params: &Params,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<f32>, EmbedError> {
    let ranking = Ranking {
        dim: params.dim,
        l2: params.get("l2") as f32,
        rate: params.get("rate") as f32,
        epochs: params.count("epochs"),
        drawn: params.get("drawn") as f32,
        seed: params.seed,
        offsets: false,
    };
    ranking.rows(graph, progress).ok_or(EmbedError::NoEdges)
}

/// What rows are learnt by; see [`ENTRY`].
pub(crate) struct Ranking {
    pub dim: usize,
    pub l2: f32,
    pub rate: f32,
    pub epochs: usize,
    pub drawn: f32,
    pub seed: u64,
    /// Does a row have one more number, which lifts whatever edges lead to, and is 1 for their sources?
    /// Then no node is to be both.
    pub offsets: bool,
}

impl Ranking {
    /// The rows of all nodes, `[nodes, dim]`, or `[nodes, dim + 1]` with offsets; zeros for nodes without
    /// edges. None where there are no edges.
    pub fn rows(
        &self,
        graph: &CompactGraph,
        progress: &mut dyn FnMut(Progress),
    ) -> Option<Vec<f32>> {
        let neighbors = Neighbors::new(graph);
        let degrees: Vec<u32> =
            (0..neighbors.n_nodes()).map(|node| neighbors.degree(node) as u32).collect();
        if degrees.iter().all(|degree| *degree == 0) {
            return None;
        }
        let layout = Layout::new(&degrees);
        let mut blocks: Vec<Block> =
            (0..layout.n_blocks).map(|at| Block::new(graph, &layout, at, self)).collect();
        let n_targets: usize = blocks.iter().map(|block| block.targets.len()).sum();
        let edges = dealt(graph, &layout);
        for epoch in 0..self.epochs {
            let step = Step {
                // Wide steps find the place, small ones settle there.
                rate: self.rate * (1.0 - epoch as f32 / self.epochs as f32),
                l2: self.l2,
                drawn: ((self.drawn * n_targets as f32).round() as usize).clamp(1, MOST_DRAWN),
                offset: self.offsets.then_some(self.dim),
            };
            for round in 0..layout.n_blocks {
                let seed = mixed(self.seed, (epoch * layout.n_blocks + round) as u64);
                meet(&mut blocks, round, &edges, &neighbors, step, seed);
            }
            progress(Progress { done: epoch + 1, of: self.epochs });
        }
        let width = self.dim + usize::from(self.offsets);
        let mut values = vec![0.0; graph.node_count() * width];
        for block in &blocks {
            for (row, node) in block.nodes.iter().enumerate() {
                if degrees[*node as usize] > 0 {
                    block.rows.copy(row, &mut values[*node as usize * width..][..width]);
                }
            }
        }
        Some(values)
    }
}

/// Has every block meet one other, or itself in round 0: the number of the round says which.
fn meet(
    blocks: &mut [Block],
    round: usize,
    edges: &[Vec<(u32, u32)>],
    neighbors: &Neighbors,
    step: Step,
    seed: u64,
) {
    let n = blocks.len();
    let firsts = (0..n).filter(|first| *first <= first ^ round);
    let numbers: Vec<Vec<usize>> = firsts
        .map(|first| if round == 0 { vec![first] } else { vec![first, first ^ round] })
        .collect();
    let mut met: Vec<Vec<Block>> = numbers
        .iter()
        .map(|numbers| numbers.iter().map(|at| mem::take(&mut blocks[*at])).collect())
        .collect();
    met.par_iter_mut().zip(&numbers).for_each(|(met, numbers)| {
        for from in 0..numbers.len() {
            let to = numbers.len() - 1 - from;
            let edges = &edges[numbers[from] * n + numbers[to]];
            let random = SplitMix64::seed_from_u64(mixed(seed, numbers[from] as u64));
            run(Meeting { blocks: met, from, to, edges, neighbors, step, random });
        }
    });
    for (at, block) in numbers.into_iter().flatten().zip(met.into_iter().flatten()) {
        blocks[at] = block;
    }
}

/// Edges by the block of their source and that of their target; each as the rows of its ends.
fn dealt(graph: &CompactGraph, layout: &Layout) -> Vec<Vec<(u32, u32)>> {
    let n = layout.n_blocks;
    let mut edges = vec![Vec::new(); n * n];
    for source in 0..graph.node_count() as u32 {
        let (from, row) = layout.block_and_row(source);
        let targets = graph.rows(Outgoing).of(source).iter().filter(|target| **target != source);
        for target in targets {
            let (to, other) = layout.block_and_row(*target);
            edges[from * n + to].push((row as u32, other as u32));
        }
    }
    edges
}

#[derive(Clone, Copy)]
struct Step {
    rate: f32,
    l2: f32,
    drawn: usize,
    /// The place of the offset in a row.
    offset: Option<usize>,
}

/// Some of the nodes.
#[derive(Default)]
struct Block {
    nodes: Vec<u32>,
    /// A row for each node, and the mean square of its gradients, summed over its steps.
    rows: Rows,
    squares: Vec<f32>,
    /// The rows of nodes that edges lead to.
    targets: Vec<u32>,
}

impl Block {
    fn new(graph: &CompactGraph, layout: &Layout, at: usize, ranking: &Ranking) -> Self {
        let nodes: Vec<u32> = layout.block(at).collect();
        let Ranking { dim, seed, offsets, .. } = *ranking;
        let seed = mixed(seed, u64::MAX - at as u64);
        let width = dim + usize::from(offsets);
        let mut rows = Rows::drawn(nodes.len(), width, SPREAD / dim as f32, seed);
        for (row, node) in nodes.iter().enumerate().filter(|_| offsets) {
            let is_source = !graph.rows(Outgoing).of(*node).is_empty();
            *number(rows.row_mut(row), dim) = f32::from(u8::from(is_source));
        }
        let is_target = |row: &u32| !graph.rows(Incoming).of(nodes[*row as usize]).is_empty();
        Self {
            targets: (0..nodes.len() as u32).filter(is_target).collect(),
            rows,
            squares: vec![0.0; nodes.len()],
            nodes,
        }
    }

    /// Takes a step along `scale · along - l2 · row`, the shorter the more the row went already.
    #[inline(always)]
    fn push<I: Isa>(&mut self, isa: I, row: u32, (along, scale): (&[Line], f32), step: Step) {
        let row = row as usize;
        let (scale, fade) = (isa.splat(scale), isa.splat(-step.l2));
        let lines = self.rows.row_mut(row);
        let mut sum = isa.splat(0.0);
        let gradient = |along: &Line, own: &Line| {
            let kept = isa.fma(fade, isa.load(&own.0), isa.splat(0.0));
            isa.fma(scale, isa.load(&along.0), kept)
        };
        for (along, own) in along.iter().zip(&*lines) {
            let gradient = gradient(along, own);
            sum = isa.fma(gradient, gradient, sum);
        }
        self.squares[row] += isa.sum(sum) / (along.len() * along[0].0.len()) as f32;
        let rate = isa.splat(step.rate / self.squares[row].max(TINY).sqrt());
        for (along, own) in along.iter().zip(lines) {
            let moved = isa.fma(rate, gradient(along, own), isa.load(&own.0));
            isa.store(moved, &mut own.0);
        }
    }
}

/// The edges from one block to another, or within one.
struct Meeting<'a> {
    blocks: &'a mut [Block],
    from: usize,
    to: usize,
    edges: &'a [(u32, u32)],
    neighbors: &'a Neighbors,
    step: Step,
    random: SplitMix64,
}

impl Meeting<'_> {
    #[inline(always)]
    fn draw(&mut self, n: usize) -> usize {
        // Lemire's reduction without its correction: off by less than n in 2^32.
        (((self.random.next_u64() >> 32) * n as u64) >> 32) as usize
    }

    /// Of the targets drawn that are no neighbors of `node`, the one that `own` ranks highest.
    #[inline(always)]
    fn highest<I: Isa>(&mut self, isa: I, node: u32, own: &[Line]) -> Option<u32> {
        let others = self.neighbors.of(node as usize);
        let mut highest = None;
        let mut greatest = f32::NEG_INFINITY;
        for _ in 0..self.step.drawn {
            let at = self.draw(self.blocks[self.to].targets.len());
            let to = &self.blocks[self.to];
            let row = to.targets[at];
            let score = dot(isa, own, to.rows.row(row as usize));
            let other = to.nodes[row as usize];
            if score > greatest && other != node && others.binary_search(&other).is_err() {
                (highest, greatest) = (Some(row), score);
            }
        }
        highest
    }
}

impl Work for Meeting<'_> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        let mut order = self.edges.to_vec();
        for left in (1..order.len()).rev() {
            order.swap(left, self.draw(left + 1));
        }
        let (from, to, step) = (self.from, self.to, self.step);
        let (mut own, mut change) = (Vec::new(), Vec::new());
        for (source, target) in order {
            own.clear();
            own.extend_from_slice(self.blocks[from].rows.row(source as usize));
            let node = self.blocks[from].nodes[source as usize];
            let Some(other) = self.highest(isa, node, &own) else { continue };
            change.clear();
            change.extend_from_slice(self.blocks[to].rows.row(target as usize));
            let less = isa.splat(-1.0);
            for (change, line) in change.iter_mut().zip(self.blocks[to].rows.row(other as usize)) {
                isa.store(isa.fma(less, isa.load(&line.0), isa.load(&change.0)), &mut change.0);
            }
            let slope = 1.0 / (1.0 + dot(isa, &own, &change).exp());
            self.blocks[to].push(isa, target, (&own, slope), step);
            self.blocks[to].push(isa, other, (&own, -slope), step);
            if let Some(at) = step.offset {
                *number(&mut change, at) = 0.0;
            }
            self.blocks[from].push(isa, source, (&change, slope), step);
            if let Some(at) = step.offset {
                *number(self.blocks[from].rows.row_mut(source as usize), at) = 1.0;
            }
        }
    }
}
