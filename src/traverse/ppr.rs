//! Personalized PageRank by forward push: where random walks from some nodes end.
//!
//! A walk starts at a seed, stops with probability `alpha` at each node, and else follows an edge
//! chosen by weight; the score of a node is the probability that the walk stops there. A node
//! without a weighted edge keeps the walk. Scores are linear in the seeds, so the score that one
//! event of a user's history brings to an item is that of the event's seed alone.

use std::collections::VecDeque;

use petgraph::visit::{EdgeRef, IntoEdges, NodeIndexable};

use super::{Budget, TraverseError, known, weight::usable};

/// How far forward push goes.
#[derive(Clone, Debug)]
pub struct PprParams {
    /// Chance that a walk stops at each node, in (0, 1). Default: 0.15 (Page et al. 1999).
    pub alpha: f64,
    /// Greatest residual per edge, in (0, 1): a node keeps at most `epsilon` times its number of
    /// edges, or `epsilon` if it has none. Default: 1e-5, at most 667,000 edges looked at.
    pub epsilon: f64,
    /// Most nodes to push from. Default: 1,000,000, which the default epsilon never reaches.
    pub max_pushes: usize,
    /// Most edges to look at, and the flag that cancels. Default: no cap.
    pub budget: Budget,
}

impl Default for PprParams {
    fn default() -> Self {
        Self { alpha: 0.15, epsilon: 1e-5, max_pushes: 1_000_000, budget: Budget::default() }
    }
}

impl PprParams {
    fn validate(&self) -> Result<(), TraverseError> {
        for (name, found) in [("alpha", self.alpha), ("epsilon", self.epsilon)] {
            if !(found > 0.0 && found < 1.0) {
                return Err(TraverseError::Param { name, found, expected: "(0, 1)" });
            }
        }
        Ok(())
    }
}

/// How a run of forward push ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PprRun {
    /// Mass that no node has been given: no score is too low by more than this.
    pub residual: f64,
    /// Nodes pushed from, one pushed from twice counted twice.
    pub pushes: usize,
    /// Edges looked at.
    pub visits: usize,
    /// Whether a cap was reached before `epsilon`.
    pub capped: bool,
}

/// Scores and how they came about.
#[derive(Clone, PartialEq, Debug)]
pub struct Ppr<N> {
    /// Node and score, best first, ties by node index.
    pub scores: Vec<(N, f64)>,
    /// How the run ended.
    pub run: PprRun,
}

/// Personalized PageRank of `seeds`, by forward push.
///
/// # Arguments
/// * `graph`: walks follow `edges`; wrap it in `UndirectedAdaptor` to walk both ways.
/// * `seeds`: node and mass; the masses are positive and sum to 1. A node given twice has both.
/// * `weight`: what an edge weighs; one that is not finite, or negative, counts as 0.
/// * `params`: see [`PprParams`].
///
/// # Returns
/// One `(node, score)` per node with a score, best first, ties by node index. Scores are never too
/// high (but for rounding). With *d(u)* the number of edges of *u*, or 1 if it has none, and
/// *ppr(u, v)* the exact score of *v* for the seed *u*, the score of *v* is too low by at most
/// *epsilon · Σ d(u) · ppr(u, v)*; where all weights are equal and walks go both ways that is
/// *epsilon · d(v)*. On any graph it is too low by at most [`PprRun::residual`].
///
/// # Errors
/// [`TraverseError::Param`], [`TraverseError::UnknownNode`], [`TraverseError::Seed`],
/// [`TraverseError::SeedMass`] when the masses do not sum to 1 within 1e-6,
/// [`TraverseError::Unfinished`] when a cap is reached before `epsilon`
/// ([`PprScratch::rank`] returns what there is), [`TraverseError::Cancelled`].
///
/// # Complexity
/// * Time: **O(1 / (alpha · epsilon))** edge visits, whatever the size of the graph, if its `edges`
///   know their number (as those of `CompactGraph` do); else also the edges of each touched node.
/// * Space: 32 bytes per node, which [`PprScratch`] uses again from call to call.
///
/// # Example
/// ```
/// use petgraph::{Graph, visit::EdgeRef};
/// use predilect::traverse::{PprParams, personalized_pagerank};
///
/// let graph = Graph::<(), f64>::from_edges([(0, 1, 3.0), (0, 2, 1.0)]);
/// let params = PprParams { alpha: 0.5, ..PprParams::default() };
/// let scores =
///     personalized_pagerank(&graph, &[(0.into(), 1.0)], |edge| *edge.weight(), &params)?;
/// assert_eq!(scores, [(0.into(), 0.5), (1.into(), 0.375), (2.into(), 0.125)]);
/// # Ok::<(), predilect::traverse::TraverseError>(())
/// ```
///
/// # Source
/// Andersen, Chung & Lang, "Local Graph Partitioning using PageRank Vectors", FOCS 2006, section 3;
/// without their lazy step, so `alpha` is the plain teleport probability; with weighted edges, whose
/// number rather than sum sets the threshold, so that the work does not depend on the unit of weight;
/// with a first-in, first-out queue.
pub fn personalized_pagerank<G>(
    graph: G,
    seeds: &[(G::NodeId, f64)],
    weight: impl Fn(G::EdgeRef) -> f64,
    params: &PprParams,
) -> Result<Vec<(G::NodeId, f64)>, TraverseError>
where
    G: IntoEdges + NodeIndexable,
{
    let Ppr { scores, run } = PprScratch::new().rank(graph, seeds, weight, params)?;
    if run.capped {
        return Err(TraverseError::Unfinished { pushes: run.pushes, residual: run.residual });
    }
    Ok(scores)
}

/// What forward push knows of a node; a threshold of 0 marks one not touched.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    estimate: f64,
    residual: f64,
    threshold: f64,
    queued: bool,
}

/// Memory that many runs of forward push share: a row per node, of which each run clears those that
/// the run before it touched.
#[derive(Clone, Debug, Default)]
pub struct PprScratch {
    cells: Vec<Cell>,
    touched: Vec<usize>,
    queue: VecDeque<usize>,
    steps: Vec<(usize, f64)>,
}

impl PprScratch {
    /// No memory yet: the first run takes what its graph needs.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`personalized_pagerank`], but with a cap reached returns what there is.
    ///
    /// # Errors
    /// Those of [`personalized_pagerank`] but for [`TraverseError::Unfinished`].
    pub fn rank<G>(
        &mut self,
        graph: G,
        seeds: &[(G::NodeId, f64)],
        weight: impl Fn(G::EdgeRef) -> f64,
        params: &PprParams,
    ) -> Result<Ppr<G::NodeId>, TraverseError>
    where
        G: IntoEdges + NodeIndexable,
    {
        let run = self.run(graph, seeds, weight, params)?;
        let mut scores: Vec<_> = self.scores().collect();
        scores.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let scores = scores.into_iter().map(|(index, score)| (graph.from_index(index), score));
        Ok(Ppr { scores: scores.collect(), run })
    }

    /// As [`PprScratch::rank`], but leaves the scores to be read from [`PprScratch::scores`],
    /// unsorted: for callers that add up many runs.
    ///
    /// # Errors
    /// Those of [`PprScratch::rank`]; no scores remain.
    pub fn run<G>(
        &mut self,
        graph: G,
        seeds: &[(G::NodeId, f64)],
        weight: impl Fn(G::EdgeRef) -> f64,
        params: &PprParams,
    ) -> Result<PprRun, TraverseError>
    where
        G: IntoEdges + NodeIndexable,
    {
        self.clear(graph.node_bound());
        params.validate()?;
        check_seeds(graph, seeds)?;
        for (node, mass) in seeds {
            self.receive(graph, graph.to_index(*node), *mass, params.epsilon);
        }
        let ended = self.push_all(graph, weight, params);
        if ended.is_err() {
            self.clear(0);
        }
        ended
    }

    /// Index and score of each node that the last run gave one, in no useful order.
    pub fn scores(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let scores = self.touched.iter().map(|index| (*index, self.cells[*index].estimate));
        scores.filter(|(_, score)| *score > 0.0)
    }

    /// Forgets the last run, and has a cell for each of `bound` nodes.
    fn clear(&mut self, bound: usize) {
        for index in self.touched.drain(..) {
            self.cells[index] = Cell::default();
        }
        self.queue.clear();
        if self.cells.len() < bound {
            self.cells.resize(bound, Cell::default());
        }
    }

    fn push_all<G>(
        &mut self,
        graph: G,
        weight: impl Fn(G::EdgeRef) -> f64,
        params: &PprParams,
    ) -> Result<PprRun, TraverseError>
    where
        G: IntoEdges + NodeIndexable,
    {
        let mut run = PprRun { residual: 0.0, pushes: 0, visits: 0, capped: false };
        while let Some(index) = self.queue.pop_front() {
            params.budget.check()?;
            if run.pushes >= params.max_pushes || run.visits >= params.budget.max_visits {
                run.capped = true;
                break;
            }
            run.pushes += 1;
            run.visits += self.push(graph, index, &weight, params);
        }
        run.residual = self.touched.iter().map(|index| self.cells[*index].residual).sum();
        Ok(run)
    }

    /// Keeps `alpha` of the node's residual and spreads the rest; returns the number of edges.
    fn push<G>(
        &mut self,
        graph: G,
        index: usize,
        weight: impl Fn(G::EdgeRef) -> f64,
        params: &PprParams,
    ) -> usize
    where
        G: IntoEdges + NodeIndexable,
    {
        let mut steps = std::mem::take(&mut self.steps);
        steps.clear();
        let edges = graph.edges(graph.from_index(index));
        steps.extend(edges.map(|edge| (graph.to_index(edge.target()), usable(weight(edge)))));
        let strength: f64 = steps.iter().map(|step| step.1).sum();

        let cell = &mut self.cells[index];
        cell.queued = false;
        let residual = std::mem::take(&mut cell.residual);
        if strength > 0.0 {
            cell.estimate += params.alpha * residual;
            let spread = (1.0 - params.alpha) * residual / strength;
            for (target, weight) in &steps {
                if *weight > 0.0 {
                    self.receive(graph, *target, spread * weight, params.epsilon);
                }
            }
        } else {
            cell.estimate += residual;
        }
        self.steps = steps;
        self.steps.len()
    }

    /// Adds to the residual of a node, and queues it when that passes its threshold.
    #[inline]
    fn receive<G>(&mut self, graph: G, index: usize, mass: f64, epsilon: f64)
    where
        G: IntoEdges + NodeIndexable,
    {
        let cell = &mut self.cells[index];
        if cell.threshold == 0.0 {
            let n_edges = count_edges(graph, graph.from_index(index));
            cell.threshold = epsilon * n_edges.max(1) as f64;
            self.touched.push(index);
        }
        cell.residual += mass;
        if cell.residual > cell.threshold && !cell.queued {
            cell.queued = true;
            self.queue.push_back(index);
        }
    }
}

/// The number of edges of a node, without looking at them if the iterator knows.
fn count_edges<G: IntoEdges>(graph: G, node: G::NodeId) -> usize {
    let edges = graph.edges(node);
    match edges.size_hint() {
        (lower, Some(upper)) if lower == upper => lower,
        _ => edges.count(),
    }
}

fn check_seeds<G: NodeIndexable + Copy>(
    graph: G,
    seeds: &[(G::NodeId, f64)],
) -> Result<(), TraverseError> {
    let mut found = 0.0;
    for (node, mass) in seeds {
        let index = known(graph, *node)?;
        if !(mass.is_finite() && *mass > 0.0) {
            return Err(TraverseError::Seed { index, mass: *mass });
        }
        found += mass;
    }
    if (found - 1.0).abs() <= 1e-6 { Ok(()) } else { Err(TraverseError::SeedMass { found }) }
}
