//! Personalized `PageRank` by a little forward push and many walks: push is exact near the seed, walks
//! are cheap far from it. Where the first few nodes are asked for it takes a fraction of the time that
//! push alone takes.

use std::collections::VecDeque;

use rand::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;

use super::both_ways::{BothWays, Place};
use super::prefetch::prefetch;
use super::{Budget, TraverseError};
use crate::graph::{CompactGraph, NodeIndex};
use crate::pages::filled;

/// Walks that wait for memory at the same time.
const IN_FLIGHT: usize = 64;
/// Edges that push goes over in the time of a step of a walk.
const EDGES_PER_STEP: f64 = 4.0;

/// How nodes are ranked.
#[derive(Clone, Debug)]
pub struct PprWalkParams {
    /// Chance that a walk stops at each node, in (0, 1). Default: 0.15 (Page et al. 1999).
    pub alpha: f64,
    /// Nodes are pushed from as long as more of the mass than this waits at them, and they have so few
    /// edges that walks would take longer, in (0, 1]; at 1 none is, and all is walked. Default: 0.001.
    pub epsilon: f64,
    /// Walks for the mass that is left, at least 1. Default: 3,000.
    pub n_walks: usize,
    /// Ends the walks as soon as so many nodes were passed so many times each. Default: never.
    pub enough: Option<(usize, u32)>,
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
            n_walks: 3_000,
            enough: None,
            k: 50,
            seed: 1,
            budget: Budget::default(),
        }
    }
}

impl PprWalkParams {
    fn check(&self) -> Result<(), TraverseError> {
        let param = |name, found, expected| Err(TraverseError::Param { name, found, expected });
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return param("alpha", self.alpha, "(0, 1)");
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

/// Ranks nodes around others; keeps its memory, 36 bytes per node, from one to the next.
#[derive(Clone, Debug)]
pub struct PprWalks<'g> {
    graph: BothWays<'g>,
    pushed: Vec<Pushed>,
    /// Nodes that push gave something.
    touched: Met,
    /// How many walks passed each node.
    visits: Vec<u32>,
    /// Nodes that walks passed.
    walked: Met,
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

/// A walk on its way.
struct Lane {
    node: u32,
    place: Option<Place>,
}

impl<'g> PprWalks<'g> {
    /// Walks along the edges of `graph`, both ways and all edges alike.
    pub fn new(graph: &'g CompactGraph) -> Self {
        let graph = BothWays::new(graph);
        let n_nodes = graph.node_count();
        let (pushed, visits) = (filled(n_nodes, Pushed::default()), filled(n_nodes, 0));
        Self { graph, pushed, touched: Met::new(n_nodes), visits, walked: Met::new(n_nodes) }
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
    /// **O((1 / epsilon) / alpha)** pushes, each over the edges of a node, and **O(`n_walks` / alpha)**
    /// steps.
    ///
    /// # Example
    /// ```
    /// use predilect::graph::{CompactGraph, EdgeData};
    /// use predilect::schema::RelationId;
    /// use predilect::traverse::{PprWalkParams, PprWalks};
    ///
    /// let viewed = EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 };
    /// let graph = CompactGraph::from_edges(3, [(0, 1, viewed), (2, 1, viewed)])?;
    /// let ranked = PprWalks::new(&graph).rank(0.into(), &PprWalkParams::default())?;
    /// let nodes: Vec<_> = ranked.iter().map(|(node, _)| node.index()).collect();
    /// assert_eq!(nodes, [1, 0, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Source
    /// Wang et al., "FORA: simple and effective approximate single-source personalized `PageRank`", KDD
    /// 2017, section 3; all nodes of a walk count, as in Avrachenkov et al., SIAM J. Numer. Anal. 2007,
    /// section 2; the early end: Eksombatchai et al., "Pixie", WWW 2018, section 3.1.
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
        let walked = self.push(index as u32, params).and_then(|()| self.walk(params));
        let worth = *walked.as_ref().unwrap_or(&0.0);
        let mut ranked = self.collect(worth);
        walked?;
        let best_first = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if params.k < ranked.len() {
            ranked.select_nth_unstable_by(params.k, best_first);
            ranked.truncate(params.k);
        }
        ranked.sort_unstable_by(best_first);
        let named = |(score, node)| (NodeIndex::new(node as usize), f64::from(score));
        Ok(ranked.into_iter().map(named).collect())
    }

    /// Spreads the mass of the seed until no node holds more than `epsilon` of it, but for those that it
    /// is cheaper to walk from.
    fn push(&mut self, seed: u32, params: &PprWalkParams) -> Result<(), TraverseError> {
        let (alpha, epsilon) = (params.alpha as f32, params.epsilon as f32);
        self.touched.note(seed, true);
        if self.graph.degree(seed) == 0 {
            // The one node without a way on: where an edge leads, it leads back.
            self.pushed[seed as usize].estimate = 1.0;
            return Ok(());
        }
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
            for row in self.graph.neighbors(node) {
                for &other in row {
                    let cell = &mut self.pushed[other as usize];
                    let before = cell.residual;
                    self.touched.note(other, before == 0.0 && cell.estimate == 0.0);
                    cell.residual += share;
                    if before <= epsilon && cell.residual > epsilon {
                        queue.push_back(other);
                    }
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
        if total <= 0.0 {
            return Ok(0.0);
        }
        // Systematic sampling: a walk starts where the sum of the residuals passes the next mark.
        let apart = total / params.n_walks as f64;
        let mut starts = Vec::with_capacity(params.n_walks + 1);
        let mut passed = apart / 2.0;
        for node in self.touched.nodes() {
            passed += residual(node);
            while passed >= apart {
                starts.push(*node);
                passed -= apart;
            }
        }
        let stop = (params.alpha * 2_f64.powi(32)) as u32;
        let (enough_nodes, enough_visits) = params.enough.unwrap_or((usize::MAX, u32::MAX));
        let (mut n_passed_enough, mut n_steps) = (0, 0);
        let mut random = SplitMix64::seed_from_u64(params.seed);
        let mut waiting = starts.into_iter().map(|node| Lane { node, place: None });
        let mut lanes: Vec<Lane> = waiting.by_ref().take(IN_FLIGHT).collect();
        while !lanes.is_empty() {
            params.budget.check()?;
            lanes.retain_mut(|lane| {
                let visits = &mut self.visits[lane.node as usize];
                self.walked.note(lane.node, *visits == 0);
                *visits += 1;
                n_passed_enough += usize::from(*visits == enough_visits);
                let drawn = random.next_u64();
                if (drawn as u32) >= stop {
                    lane.place = self.graph.draw(lane.node, (drawn >> 32) as u32);
                    if lane.place.is_some() {
                        return true;
                    }
                }
                waiting.next().map(|next| *lane = next).is_some()
            });
            for lane in &mut lanes {
                if let Some(place) = lane.place {
                    lane.node = self.graph.at(place);
                }
                self.graph.prefetch_node(lane.node);
                prefetch(&self.visits, lane.node as usize);
            }
            n_steps += lanes.len();
            if n_passed_enough >= enough_nodes || n_steps >= params.budget.max_visits {
                break;
            }
        }
        Ok((params.alpha * apart) as f32)
    }

    /// Score and node of all that were reached, at `worth` a visit; forgets them.
    fn collect(&mut self, worth: f32) -> Vec<(f32, u32)> {
        let mut scores = Vec::with_capacity(self.touched.n + self.walked.n);
        for &node in self.touched.nodes().iter().chain(self.walked.nodes()) {
            let estimate = std::mem::take(&mut self.pushed[node as usize]).estimate;
            let passed = std::mem::take(&mut self.visits[node as usize]);
            scores.push((estimate + worth * passed as f32, node));
        }
        (self.touched.n, self.walked.n) = (0, 0);
        // A node that both met comes a second time with nothing.
        scores.retain(|(score, _)| *score > 0.0);
        scores
    }
}
