//! Personalized `PageRank` by a little forward push and many walks: push is exact near the seed, walks
//! are cheap far from it. Where the first few nodes are asked for it takes a fraction of the time that
//! push alone takes.
//!
//! A walk tells more than where it went. Where a row is short, neighbors of the one that was drawn count
//! too, each a fraction, as they lie in memory already; and the nodes that come out best get, of what was
//! estimated at all of their neighbors, what a step brings from there.

use std::collections::VecDeque;

use rand::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;

use super::prefetch::prefetch;
use super::undirected::Undirected;
use super::{Budget, TraverseError};
use crate::graph::{CompactGraph, NodeIndex};
use crate::pages::filled;

/// Walks that wait for memory at the same time.
const IN_FLIGHT: usize = 64;
/// Nodes or walks to ask memory ahead for.
const AHEAD: usize = 8;
/// Edges that push goes over in the time of a step of a walk.
const EDGES_PER_STEP: f64 = 2.0;
/// Rows up to this length are counted in parts; longer ones belong to nodes whose neighbors get little
/// from each visit.
const SHORT_ROW: u32 = 512;
/// Neighbors of a part, at most: a cache line of them.
const PART: u32 = 16;
/// Candidates for each node to return.
const CANDIDATES: usize = 2;
/// Most edges of a candidate to go over.
const CANDIDATE_EDGES: usize = 2_000;

/// How nodes are ranked.
#[derive(Clone, Debug)]
pub struct PprWalkParams {
    /// Chance that a walk stops at each node, in [1e-6, 1 - 1e-6]. Default: 0.15 (Page et al. 1999).
    pub alpha: f64,
    /// Nodes are pushed from as long as more of the mass than this waits at them, and they have so few
    /// edges that walks would take longer, in (0, 1]; at 1 none is, and all is walked. Default: 0.001.
    pub epsilon: f64,
    /// Walks for the mass that is left, at least 1. Default: 1,000.
    pub n_walks: usize,
    /// Nodes to return, at most. Default: 50.
    pub k: usize,
    /// Seed of all choices. Default: 1.
    pub seed: u64,
    /// Most steps of walks, and the flag that cancels. Default: no cap.
    pub budget: Budget,
}

impl Default for PprWalkParams {
    fn default() -> Self {
        Self {
            alpha: 0.15,
            epsilon: 1e-3,
            n_walks: 1_000,
            k: 50,
            seed: 1,
            budget: Budget::default(),
        }
    }
}

impl PprWalkParams {
    fn check(&self) -> Result<(), TraverseError> {
        let param = |name, found, expected| Err(TraverseError::Param { name, found, expected });
        // Shares of the mass have 24 bits: less than this of them may be nothing.
        if !(1e-6..=1.0 - 1e-6).contains(&self.alpha) {
            return param("alpha", self.alpha, "[1e-6, 1 - 1e-6]");
        }
        if !(self.epsilon > 0.0 && self.epsilon <= 1.0) {
            return param("epsilon", self.epsilon, "(0, 1]");
        }
        if self.n_walks == 0 {
            return param("n_walks", 0.0, "[1, ...)");
        }
        Ok(())
    }
}

/// Ranks nodes around others; keeps its memory, 24 bytes per node and 8 per edge, from one to the next.
#[derive(Clone, Debug)]
pub struct PprWalks {
    graph: Undirected,
    pushed: Vec<Pushed>,
    /// Nodes that push gave something.
    touched: Met,
    /// How many walks passed each node, and what is known for certain in the same unit.
    visits: Vec<f32>,
    /// Nodes with visits.
    visited: Met,
}

/// Nodes as they are first met, `[nodes + 1]` of which the first `n` count.
#[derive(Clone, Debug)]
struct Met {
    nodes: Vec<u32>,
    n: usize,
}

impl Met {
    fn new(n_nodes: usize) -> Self {
        Self { nodes: vec![0; n_nodes + 1], n: 0 }
    }

    /// Notes a node where it is new. Without a branch: nobody can foretell it.
    #[inline]
    fn note(&mut self, node: u32, is_new: bool) {
        self.nodes[self.n] = node;
        self.n += usize::from(is_new);
    }

    fn nodes(&self) -> &[u32] {
        &self.nodes[..self.n]
    }
}

/// What push knows of a node.
#[derive(Clone, Copy, Debug, Default)]
struct Pushed {
    estimate: f32,
    residual: f32,
}

/// A walk on its way: the slot of the neighbor that it goes to, and of the part that counts.
struct Lane {
    node: u32,
    slot: u32,
    first: u32,
    n: u32,
}

impl Lane {
    /// A step from `node` and the part of its row that has it, which memory is asked for.
    #[inline]
    fn draw(graph: &Undirected, node: u32, random: u32) -> Self {
        let slot = graph.draw(node, random);
        let (start, degree) = graph.row(node);
        if degree > SHORT_ROW {
            return Self { node, slot, first: slot, n: 1 };
        }
        // Parts of the same length, but for one node.
        let n_parts = degree.div_ceil(PART);
        let part = (slot - start) * n_parts / degree;
        let begin = (part * degree).div_ceil(n_parts);
        let end = ((part + 1) * degree).div_ceil(n_parts);
        graph.prefetch_slot(start + begin);
        graph.prefetch_slot(start + end - 1);
        Self { node, slot, first: start + begin, n: end - begin }
    }
}

impl PprWalks {
    /// Walks along the edges of `graph`, both ways and all edges alike.
    ///
    /// # Errors
    /// [`TraverseError::TooManyEdges`].
    pub fn new(graph: &CompactGraph) -> Result<Self, TraverseError> {
        let graph = Undirected::new(graph)?;
        let n_nodes = graph.node_count();
        let (pushed, visits) = (filled(n_nodes, Pushed::default()), filled(n_nodes, 0.0));
        Ok(Self { graph, pushed, touched: Met::new(n_nodes), visits, visited: Met::new(n_nodes) })
    }

    /// The nodes with the highest estimates of personalized `PageRank` of one seed.
    ///
    /// # Returns
    /// Node and score, best first, ties by node index. The scores of all nodes sum to 1, but for rounding
    /// and for chance, unless the walks ended early.
    ///
    /// # Errors
    /// [`TraverseError::Param`], [`TraverseError::UnknownNode`], [`TraverseError::Cancelled`].
    ///
    /// # Complexity
    /// **O((1 / epsilon) / alpha)** pushes, each over the edges of a node, **O(`n_walks` / alpha)** steps,
    /// and **O(k)** candidates, of which those with up to 2,000 edges are looked at once more.
    ///
    /// # Example
    /// ```
    /// use predilect::graph::{CompactGraph, EdgeData};
    /// use predilect::schema::RelationId;
    /// use predilect::traverse::{PprWalkParams, PprWalks};
    ///
    /// let viewed = EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 };
    /// let graph = CompactGraph::from_edges(3, [(0, 1, viewed), (2, 1, viewed)])?;
    /// let ranked = PprWalks::new(&graph)?.rank(0.into(), &PprWalkParams::default())?;
    /// let nodes: Vec<_> = ranked.iter().map(|(node, _)| node.index()).collect();
    /// assert_eq!(nodes, [1, 0, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    /// Wang et al., "FORA: simple and effective approximate single-source personalized `PageRank`", KDD
    /// 2017, section 3; all nodes of a walk count, as in Avrachenkov et al., SIAM J. Numer. Anal. 2007,
    /// section 2. What is drawn is replaced by what is expected of it, for parts of rows and for
    /// candidates: Casella & Robert, "Rao-Blackwellisation of sampling schemes", Biometrika 1996.
    pub fn rank(
        &mut self,
        seed: NodeIndex,
        params: &PprWalkParams,
    ) -> Result<Vec<(NodeIndex, f64)>, TraverseError> {
        params.check()?;
        let (index, bound) = (seed.index(), self.graph.node_count());
        if index >= bound {
            return Err(TraverseError::UnknownNode { index, bound });
        }
        let seed = index as u32;
        let ranked = if self.graph.degree(seed) == 0 {
            // The one node without a way on: where an edge leads, it leads back.
            Ok(vec![(1.0, seed)])
        } else {
            let walked = self.push(seed, params).and_then(|()| self.walk(params));
            let ranked = walked.map(|worth| self.best(seed, worth, params));
            self.forget();
            ranked
        };
        let named = |(score, node)| (NodeIndex::new(node as usize), f64::from(score));
        Ok(ranked?.into_iter().take(params.k).map(named).collect())
    }

    /// Spreads the mass of the seed until no node holds more than `epsilon` of it, but for those that it
    /// is cheaper to walk from.
    fn push(&mut self, seed: u32, params: &PprWalkParams) -> Result<(), TraverseError> {
        let (alpha, epsilon) = (params.alpha as f32, params.epsilon as f32);
        self.touched.note(seed, true);
        self.pushed[seed as usize].residual = 1.0;
        let mut queue = VecDeque::new();
        if epsilon < 1.0 {
            queue.push_back(seed);
        }
        let worth_edges = (EDGES_PER_STEP * params.n_walks as f64 / params.alpha) as f32;
        while let Some(node) = queue.pop_front() {
            params.budget.check()?;
            let n_edges = self.graph.degree(node) as f32;
            let cell = &mut self.pushed[node as usize];
            if n_edges > cell.residual * worth_edges {
                continue;
            }
            let residual = std::mem::take(&mut cell.residual);
            cell.estimate += alpha * residual;
            let share = (1.0 - alpha) * residual / n_edges;
            let row = self.graph.neighbors(node);
            for (i, &other) in row.iter().enumerate() {
                if let Some(&ahead) = row.get(i + 2 * AHEAD) {
                    prefetch(&self.pushed, ahead as usize);
                }
                let cell = &mut self.pushed[other as usize];
                let before = cell.residual;
                self.touched.note(other, before == 0.0 && cell.estimate == 0.0);
                cell.residual += share;
                if before <= epsilon && cell.residual > epsilon {
                    queue.push_back(other);
                }
            }
        }
        Ok(())
    }

    /// Walks from where the residuals are, as many from each node as its share; returns what a visit is
    /// worth.
    fn walk(&mut self, params: &PprWalkParams) -> Result<f32, TraverseError> {
        let residual = |&node: &u32| f64::from(self.pushed[node as usize].residual);
        let total: f64 = self.touched.nodes().iter().map(residual).sum();
        // Systematic sampling: a walk starts where the sum of the residuals passes the next mark.
        let apart = total / params.n_walks as f64;
        let mut starts = Vec::with_capacity(params.n_walks + 1);
        let mut passed = apart / 2.0;
        for node in self.touched.nodes() {
            passed += residual(node);
            while passed >= apart && total > 0.0 {
                starts.push(*node);
                passed -= apart;
            }
        }
        // The first node of every walk is known, so it is not drawn whether the walk stops there.
        let worth = if total > 0.0 { params.alpha * (1.0 - params.alpha) * apart } else { 1.0 };
        for &node in self.touched.nodes() {
            let Pushed { estimate, residual } = self.pushed[node as usize];
            let certain = f64::from(estimate) + params.alpha * f64::from(residual);
            self.visits[node as usize] = (certain / worth) as f32;
            self.visited.note(node, self.visits[node as usize] > 0.0);
        }
        let stop = (params.alpha * 2_f64.powi(32)) as u32;
        let mut random = SplitMix64::seed_from_u64(params.seed);
        let mut waiting = starts.into_iter();
        let mut lanes: Vec<Lane> = Vec::with_capacity(IN_FLIGHT);
        let mut n_steps = 0;
        while n_steps < params.budget.max_visits {
            params.budget.check()?;
            lanes.retain_mut(|lane| {
                let drawn = random.next_u64();
                let goes_on = drawn as u32 >= stop;
                if goes_on {
                    *lane = Lane::draw(&self.graph, lane.node, (drawn >> 32) as u32);
                }
                goes_on
            });
            for node in waiting.by_ref().take(IN_FLIGHT - lanes.len()) {
                lanes.push(Lane::draw(&self.graph, node, random.next_u32()));
            }
            if lanes.is_empty() {
                break;
            }
            self.step(&mut lanes);
            n_steps += lanes.len();
        }
        Ok(worth as f32)
    }

    /// Takes the steps that were drawn, and counts them.
    fn step(&mut self, lanes: &mut [Lane]) {
        let Self { graph, visits, visited, .. } = self;
        let ask = |visits: &[f32], lane: &Lane| {
            let part = graph.slots(lane.first, lane.n);
            part.iter().for_each(|&other| prefetch(visits, other as usize));
        };
        lanes.iter().take(AHEAD).for_each(|lane| ask(visits, lane));
        for i in 0..lanes.len() {
            if let Some(lane) = lanes.get(i + AHEAD) {
                ask(visits, lane);
            }
            let lane = &mut lanes[i];
            lane.node = graph.at(lane.slot);
            graph.prefetch_node(lane.node);
            let share = 1.0 / lane.n as f32;
            for &other in graph.slots(lane.first, lane.n) {
                let visits = &mut visits[other as usize];
                visited.note(other, *visits == 0.0);
                *visits += share;
            }
        }
    }

    /// Score and node of those with the highest scores, best first, at `worth` a visit.
    fn best(&self, seed: u32, worth: f32, params: &PprWalkParams) -> Vec<(f32, u32)> {
        let nodes = self.visited.nodes();
        let mut ranked = Vec::with_capacity(nodes.len());
        for (i, &node) in nodes.iter().enumerate() {
            if let Some(&ahead) = nodes.get(i + 2 * AHEAD) {
                prefetch(&self.visits, ahead as usize);
            }
            ranked.push((self.visits[node as usize] * worth, node));
        }
        keep_best(&mut ranked, params.k.saturating_mul(CANDIDATES));
        let alpha = params.alpha as f32;
        for (score, node) in &mut ranked {
            let neighbors = self.graph.neighbors(*node);
            if neighbors.len() > CANDIDATE_EDGES {
                continue;
            }
            for &other in neighbors {
                prefetch(&self.visits, other as usize);
                self.graph.prefetch_node(other);
            }
            // What the definition says, of the estimates: a walk that stops here began here or came from
            // a neighbor.
            let from = |&other: &u32| self.visits[other as usize] / self.graph.degree(other) as f32;
            let came: f32 = neighbors.iter().map(from).sum();
            let began = if *node == seed { alpha } else { 0.0 };
            *score = began + (1.0 - alpha) * came * worth;
        }
        keep_best(&mut ranked, params.k);
        ranked.sort_unstable_by(best_first);
        ranked
    }

    /// Makes ready for the next seed.
    fn forget(&mut self) {
        for &node in self.touched.nodes() {
            self.pushed[node as usize] = Pushed::default();
            self.visits[node as usize] = 0.0;
        }
        for &node in self.visited.nodes() {
            self.visits[node as usize] = 0.0;
        }
        (self.touched.n, self.visited.n) = (0, 0);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "sorts call it so")]
fn best_first(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// Keeps the `n` with the highest scores, in no useful order.
fn keep_best(ranked: &mut Vec<(f32, u32)>, n: usize) {
    if n < ranked.len() {
        ranked.select_nth_unstable_by(n, best_first);
        ranked.truncate(n);
    }
}
