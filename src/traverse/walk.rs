//! Random walks: the sentences that graph embeddings learn from.
//!
//! A walk waits for memory at every step. So many walks go on at the same time: while one waits,
//! others step, and each asks for what it needs next before its turn comes. A walk has a random
//! generator of its own, so it is the same whoever else walks.

use std::ops::Range;

use rand::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;

use super::edge_filter::{Bits, EdgeFilter};
use super::undirected::Undirected;
use super::{Budget, TraverseError};
use crate::graph::CompactGraph;
use crate::pages::with_room;

/// Walks that wait for memory at the same time.
const IN_FLIGHT: usize = 256;
/// Walks that are made together when steps may be refused, so that others begin where one ends.
const BIASED_AT_ONCE: usize = 4 * IN_FLIGHT;

/// How walks go.
#[derive(Clone, Debug)]
pub struct WalkParams {
    /// Walks from each node that has an edge; at least 1. Default: 10.
    pub per_node: usize,
    /// Nodes of a walk, the first included; at least 1. Default: 40.
    pub length: usize,
    /// How unlikely a walk is to go back by the edge that it came by, above 0. Default: 1.
    pub p: f64,
    /// How unlikely a walk is to go where the node before leads not, above 0. Default: 1.
    pub q: f64,
    /// Seed of all walks. Default: 1.
    pub seed: u64,
    /// The flag that cancels; walks have no use for its cap.
    pub budget: Budget,
}

impl Default for WalkParams {
    fn default() -> Self {
        Self { per_node: 10, length: 40, p: 1.0, q: 1.0, seed: 1, budget: Budget::default() }
    }
}

/// Makes walks over the edges of a graph, both ways and all edges alike.
///
/// With `p` and `q` at 1 each step goes by any edge with the same chance. Otherwise, a walk that came to
/// *v* from *t* goes on to *x* with a chance in proportion to *1 / p* for the edge that it came by, 1 if
/// an edge joins *t* and *x*, and *1 / q* if none does.
///
/// # Example
/// ```
/// use predilect::graph::{CompactGraph, EdgeData};
/// use predilect::schema::RelationId;
/// use predilect::traverse::{WalkParams, Walker};
///
/// let viewed = EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 };
/// let graph = CompactGraph::from_edges(3, [(0, 1, viewed)])?;
/// let walker = Walker::new(&graph, WalkParams { per_node: 1, length: 4, ..WalkParams::default() })?;
/// assert_eq!(walker.all(1)?, [0, 1, 0, 1, 1, 0, 1, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
/// Perozzi, Al-Rfou & Skiena, "`DeepWalk`", KDD 2014, section 4; Grover & Leskovec, "node2vec", KDD
/// 2016, section 3.2.2, its step drawn by rejection: Yang et al., "`KnightKing`", SOSP 2019, section 4.
#[derive(Clone, Debug)]
pub struct Walker {
    graph: Undirected,
    starts: Vec<u32>,
    /// Where it matters whether an edge joins two nodes.
    filter: Option<EdgeFilter>,
    params: WalkParams,
}

/// A walk on its way.
struct Lane {
    /// Which of the rows it writes.
    row: usize,
    /// Nodes that it has.
    n: usize,
    node: u32,
    previous: u32,
    candidate: u32,
    slot: u32,
    choice: Choice,
    random: SplitMix64,
}

/// What becomes of a candidate.
#[derive(Clone, Copy)]
enum Choice {
    Taken,
    Refused,
    /// Whether an edge joins it and the node before decides.
    Depends(Bits),
}

impl Walker {
    /// A walker over `graph`.
    ///
    /// # Errors
    /// [`TraverseError::Param`] for a parameter out of its range, [`TraverseError::TooManyEdges`].
    ///
    /// # Complexity
    /// **O(|V| + |E|)** time, and of each row the merging of its relations; 8 bytes per edge, 1.6 more
    /// where `q` is not 1, 4 per node, and 4 more per node with an edge.
    pub fn new(graph: &CompactGraph, params: WalkParams) -> Result<Self, TraverseError> {
        for (name, found) in [("per_node", params.per_node), ("length", params.length)] {
            if found == 0 {
                let expected = "[1, ...)";
                return Err(TraverseError::Param { name, found: 0.0, expected });
            }
        }
        for (name, found) in [("p", params.p), ("q", params.q)] {
            if !(found > 0.0 && found.is_finite()) {
                return Err(TraverseError::Param { name, found, expected: "(0, ...)" });
            }
        }
        let graph = Undirected::new(graph)?;
        let nodes = 0..graph.node_count() as u32;
        let starts = nodes.filter(|&node| graph.degree(node) > 0).collect();
        let filter = (params.q != 1.0).then(|| EdgeFilter::new(&graph));
        Ok(Self { graph, starts, filter, params })
    }

    /// The number of walks: first one from each node, then a second from each, and so on.
    pub fn n_walks(&self) -> usize {
        self.starts.len() * self.params.per_node
    }

    /// All walks one after the other, `[walks, length]`, made by `n_threads` threads (one at least); the
    /// same for any number of them.
    ///
    /// # Errors
    /// [`TraverseError::Cancelled`].
    pub fn all(&self, n_threads: usize) -> Result<Vec<u32>, TraverseError> {
        let n_walks = self.n_walks();
        let share = n_walks.div_ceil(n_threads.max(1)).max(1);
        let mut rows = with_room(n_walks * self.params.length);
        std::thread::scope(|scope| {
            let others = (share..n_walks).step_by(share).map(|first| {
                scope.spawn(move || {
                    let walks = first..(first + share).min(n_walks);
                    let mut rows = with_room(walks.len() * self.params.length);
                    self.extend(walks, &mut rows).map(|()| rows)
                })
            });
            let others: Vec<_> = others.collect();
            let mut made = self.extend(0..share.min(n_walks), &mut rows);
            for other in others {
                let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                made = made.and(other.map(|other| rows.extend_from_slice(&other)));
            }
            made
        })?;
        Ok(rows)
    }

    /// Adds the walks of these numbers to `rows`, `length` nodes each.
    ///
    /// # Errors
    /// [`TraverseError::Cancelled`].
    pub fn extend(&self, walks: Range<usize>, rows: &mut Vec<u32>) -> Result<(), TraverseError> {
        let length = self.params.length;
        let is_uniform = self.params.p == 1.0 && self.params.q == 1.0;
        let at_once = if is_uniform { IN_FLIGHT } else { BIASED_AT_ONCE };
        // Written here and there while the walks go on, so small enough for a cache.
        let mut block = vec![0; at_once.min(walks.len()) * length];
        for first in walks.clone().step_by(at_once) {
            self.params.budget.check()?;
            let block = &mut block[..at_once.min(walks.end - first) * length];
            if is_uniform {
                self.uniform(first, block);
            } else {
                self.biased(first, block);
            }
            rows.extend_from_slice(block);
        }
        Ok(())
    }

    fn start(&self, walk: usize) -> u32 {
        self.starts[walk % self.starts.len()]
    }

    /// The generator of a walk.
    fn random(&self, walk: usize) -> SplitMix64 {
        // Generators of neighboring seeds follow each other; those of what they draw do not.
        let seed = SplitMix64::seed_from_u64(self.params.seed).next_u64().wrapping_add(walk as u64);
        SplitMix64::seed_from_u64(SplitMix64::seed_from_u64(seed).next_u64())
    }

    fn lane(&self, first: usize, row: usize) -> Lane {
        let node = self.start(first + row);
        let random = self.random(first + row);
        Lane {
            row,
            n: 0,
            node,
            previous: node,
            candidate: node,
            slot: 0,
            choice: Choice::Taken,
            random,
        }
    }

    /// Walks in step, all of them at a time.
    fn uniform(&self, first: usize, rows: &mut [u32]) {
        let length = self.params.length;
        let walks = || first..first + rows.len() / length;
        let mut nodes: Vec<u32> = walks().map(|walk| self.start(walk)).collect();
        let mut randoms: Vec<SplitMix64> = walks().map(|walk| self.random(walk)).collect();
        let (mut drawn, mut slots) = (vec![0_u64; nodes.len()], vec![0; nodes.len()]);
        for step in 0..length {
            let lanes = nodes.iter().zip(&mut randoms).zip(&mut drawn).zip(&mut slots);
            for (((&node, random), drawn), slot) in lanes {
                // Half of what is drawn suffices for a step.
                *drawn = if step % 2 == 0 { random.next_u64() } else { *drawn << 32 };
                *slot = self.graph.draw(node, (*drawn >> 32) as u32);
            }
            let walks = nodes.iter_mut().zip(&slots).zip(rows.chunks_exact_mut(length));
            for ((node, slot), row) in walks {
                row[step] = *node;
                *node = self.graph.at(*slot);
                self.graph.prefetch_node(*node);
            }
        }
    }

    /// Walks whose steps may be refused, [`IN_FLIGHT`] at a time: when one ends, another begins.
    fn biased(&self, first: usize, rows: &mut [u32]) {
        let length = self.params.length;
        let mut waiting = 0..rows.len() / length;
        let mut lanes: Vec<Lane> =
            waiting.by_ref().take(IN_FLIGHT).map(|row| self.lane(first, row)).collect();
        while !lanes.is_empty() {
            for lane in &mut lanes {
                lane.slot = self.graph.draw(lane.node, lane.random.next_u32());
            }
            for lane in &mut lanes {
                lane.candidate = self.graph.at(lane.slot);
                lane.choice = self.choose(lane);
                self.graph.prefetch_node(lane.candidate);
            }
            lanes.retain_mut(|lane| {
                if lane.n == 0 {
                    rows[lane.row * length] = lane.node;
                    lane.n = 1;
                }
                if lane.n < length && self.is_taken(lane) {
                    lane.previous = std::mem::replace(&mut lane.node, lane.candidate);
                    rows[lane.row * length + lane.n] = lane.node;
                    lane.n += 1;
                }
                if lane.n < length {
                    return true;
                }
                match waiting.next() {
                    Some(row) => {
                        *lane = self.lane(first, row);
                        true
                    }
                    None => false,
                }
            });
        }
    }

    /// Draws whether the candidate is taken; a walk at its start takes any.
    #[inline]
    fn choose(&self, lane: &mut Lane) -> Choice {
        let WalkParams { p, q, .. } = self.params;
        let (back, far) = (1.0 / p, 1.0 / q);
        let most = far.max(1.0);
        if lane.n < 2 {
            return Choice::Taken;
        }
        // What going back is likelier by than all others may be is drawn apart, lest they be refused all
        // the more often.
        let excess = (back - most).max(0.0);
        let all = f64::from(self.graph.degree(lane.node)) * most + excess;
        if unit(&mut lane.random) * all < excess {
            lane.candidate = lane.previous;
            return Choice::Taken;
        }
        let drawn = unit(&mut lane.random) * most;
        match &self.filter {
            Some(filter) if lane.candidate != lane.previous && drawn >= far.min(1.0) => {
                let bits = filter.bits(lane.previous, lane.candidate);
                filter.prefetch(bits);
                Choice::Depends(bits)
            }
            _ if lane.candidate != lane.previous || drawn < back => Choice::Taken,
            _ => Choice::Refused,
        }
    }

    /// Whether the candidate is taken. What depends was drawn between the weights of a candidate near the
    /// node before and of one far from it, so it is up to which of the two is the greater.
    #[inline]
    fn is_taken(&self, lane: &Lane) -> bool {
        match (lane.choice, &self.filter) {
            (Choice::Depends(bits), Some(filter)) => {
                let joins =
                    filter.may_join(bits) && self.graph.joins(lane.previous, lane.candidate);
                joins == (self.params.q > 1.0)
            }
            (choice, _) => matches!(choice, Choice::Taken),
        }
    }
}

/// A number in [0, 1).
fn unit(random: &mut SplitMix64) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
