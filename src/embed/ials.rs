//! Implicit alternating least squares: rows whose products are near 1 where an edge is, and near 0 elsewhere.
//!
//! A pair is of a node with edges out and one with edges in, and every node has one row, whichever side it is
//! on. Where no node is on both sides, users and items say, this is matrix factorization of what the users
//! did, one side after the other. Nodes on both sides are solved by turns.
//!
//! Source: Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008, with
//! the objective of Rendle, Krichene, Zhang & Koren, "Revisiting the performance of iALS on item
//! recommendation benchmarks", `RecSys` 2022 (equations 2 and 3). An edge counts once, whatever its
//! weight.

use std::iter::once;
use std::ops::Range;

use petgraph::Direction::{Incoming, Outgoing};
use rayon::prelude::*;

use super::conjugate::{Solve, System};
use super::rows::Rows;
use super::sparse::Neighbors;
use super::{EmbedError, Entry, Knob, Params, Progress};
use crate::graph::CompactGraph;

pub(super) const ENTRY: Entry = Entry {
    name: "ials",
    about: "products near 1 where an edge is and near 0 elsewhere, by least squares",
    knobs: &[
        Knob {
            name: "unobserved",
            about: "weight of all pairs without an edge, over that of the edges",
            default: 10.0,
            range: (0.0, 1e6),
        },
        Knob {
            name: "l2",
            about: "regularization, which grows with a node's pairs",
            default: 0.005,
            range: (1e-9, 1e3),
        },
        Knob {
            name: "epochs",
            about: "times that all rows are solved",
            default: 15.0,
            range: (1.0, 1e4),
        },
    ],
    train,
};

/// Turns in which nodes on both sides are solved.
const TURNS: usize = 4;
/// Steps of conjugate gradients, from where the last round ended.
const STEPS: usize = 3;
/// Rows that a task solves.
const STRIP: usize = 64;
/// Standard deviation of the first rows, over the root of their length.
const SPREAD: f32 = 0.1;

fn train(
    graph: &CompactGraph,
    params: &Params,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<f32>, EmbedError> {
    let sides = Sides::of(graph);
    if sides.nodes.is_empty() {
        return Err(EmbedError::NoEdges);
    }
    let n_pairs = sides.sources().len() as f64 * sides.targets().len() as f64;
    let n_edges = sides.others.iter().map(Vec::len).sum::<usize>() as f64 / 2.0;
    let objective = Objective {
        unobserved: (params.get("unobserved") * n_edges / n_pairs) as f32,
        l2: params.get("l2") as f32,
    };
    let spread = SPREAD / (params.dim as f32).sqrt();
    let mut rows = Rows::drawn(sides.nodes.len(), params.dim, spread, params.seed);
    let of = params.count("epochs");
    for done in 1..=of {
        sides.turns().into_iter().for_each(|turn| sides.solve(turn, objective, &mut rows));
        progress(Progress { done, of });
    }
    let mut values = vec![0.0; graph.node_count() * params.dim];
    for (place, node) in sides.nodes.iter().enumerate() {
        rows.copy(place, &mut values[*node as usize * params.dim..][..params.dim]);
    }
    Ok(values)
}

#[derive(Clone, Copy)]
struct Objective {
    /// Weight of a pair without an edge.
    unobserved: f32,
    l2: f32,
}

/// Nodes with edges by side: first those with edges out alone, then those of both sides, dealt out by turns,
/// then those with edges in alone.
struct Sides {
    nodes: Vec<u32>,
    /// Where the second and the third part start.
    both: usize,
    inward: usize,
    /// The places of each place's neighbors.
    others: Vec<Vec<u32>>,
}

impl Sides {
    fn of(graph: &CompactGraph) -> Self {
        let neighbors = Neighbors::new(graph);
        let part = |node: u32| {
            let has = |direction| graph.rows(direction).of(node).iter().any(|other| *other != node);
            match (has(Outgoing), has(Incoming)) {
                (true, false) => 0,
                (true, true) => 1 + node as usize % TURNS,
                _ => 1 + TURNS,
            }
        };
        let has_edges = |node: &u32| neighbors.degree(*node as usize) > 0;
        let mut nodes: Vec<u32> = (0..neighbors.n_nodes() as u32).filter(has_edges).collect();
        nodes.sort_by_key(|node| (part(*node), *node));
        let both = nodes.partition_point(|node| part(*node) == 0);
        let inward = nodes.partition_point(|node| part(*node) <= TURNS);
        let mut places = vec![0; neighbors.n_nodes()];
        for (place, node) in (0..).zip(&nodes) {
            places[*node as usize] = place;
        }
        let others = |node: &u32| {
            neighbors.of(*node as usize).iter().map(|other| places[*other as usize]).collect()
        };
        let others = nodes.iter().map(others).collect();
        Self { nodes, both, inward, others }
    }

    fn sources(&self) -> Range<usize> {
        0..self.inward
    }

    fn targets(&self) -> Range<usize> {
        self.both..self.nodes.len()
    }

    /// Places that are solved together, one run after the other.
    fn turns(&self) -> Vec<Range<usize>> {
        let share = (self.inward - self.both).div_ceil(TURNS).max(1);
        let both = (self.both..self.inward).step_by(share);
        let both = both.map(|start| start..(start + share).min(self.inward));
        once(0..self.both).chain(both).chain(once(self.inward..self.nodes.len())).collect()
    }

    /// Solves the rows of a turn, given all others.
    fn solve(&self, turn: Range<usize>, objective: Objective, rows: &mut Rows) {
        let mut partners = Vec::new();
        if turn.start < self.inward {
            partners.push(self.targets());
        }
        if turn.end > self.both {
            partners.push(self.sources());
        }
        let n_partners: usize = partners.iter().map(ExactSizeIterator::len).sum();
        let gram = rows.gram_of(&partners, objective.unobserved);
        let mut solved = rows.part(turn.clone());
        let system = System { others: rows, gram: &gram, steps: STEPS };
        solved.par_strips_mut(STRIP).enumerate().for_each(|(strip, vectors)| {
            let of_row = |row: usize| {
                let others = &self.others[turn.start + strip * STRIP + row];
                let weight = others.len() as f32 + objective.unobserved * n_partners as f32;
                (&others[..], objective.l2 * weight)
            };
            Solve { system, of_row, vectors }.all();
        });
        rows.put(turn.start, &solved);
    }
}
