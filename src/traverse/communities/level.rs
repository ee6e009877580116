//! A graph as rows of neighbours with weights, both ways: the one given, or one whose nodes are the
//! communities of another.

use std::collections::VecDeque;

use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::{Budget, TraverseError};

/// Gains below this share of the total weight are rounding.
const ROUNDING: f64 = 1e-13;

/// Edges looked at, against a budget.
pub(super) struct Visits<'a> {
    budget: &'a Budget,
    n: usize,
}

impl<'a> Visits<'a> {
    pub fn new(budget: &'a Budget) -> Self {
        Self { budget, n: 0 }
    }

    /// Whether there is no more to spend.
    pub fn spent(&self) -> bool {
        self.n >= self.budget.max_visits
    }

    /// Spends so many; says whether they were there.
    fn spend(&mut self, n: usize) -> Result<bool, TraverseError> {
        self.budget.check()?;
        if n > self.budget.max_visits.saturating_sub(self.n) {
            self.n = self.budget.max_visits;
            return Ok(false);
        }
        self.n += n;
        Ok(true)
    }
}

pub(super) struct Level {
    offsets: Vec<usize>,
    /// The other end of each edge; edges from a node to itself are not here.
    others: Vec<u32>,
    /// What each of these edges weighs.
    weights: Vec<f64>,
    /// By node: twice the weight of its edges to itself.
    loops: Vec<f64>,
    /// By node: the weight of its edges, those to itself twice.
    strengths: Vec<f64>,
    /// The strengths added up: twice the weight of all edges.
    total: f64,
}

impl Level {
    /// The graph of these edges; those that weigh nothing are left out.
    pub fn new<I>(n_nodes: usize, edges: impl Fn() -> I) -> Self
    where
        I: Iterator<Item = (usize, usize, f64)>,
    {
        let edges = || edges().filter(|(.., weight)| *weight > 0.0);
        let mut offsets = vec![0; n_nodes + 1];
        let mut loops = vec![0.0; n_nodes];
        for (source, target, weight) in edges() {
            if source == target {
                loops[source] += 2.0 * weight;
            } else {
                offsets[source + 1] += 1;
                offsets[target + 1] += 1;
            }
        }
        for node in 0..n_nodes {
            offsets[node + 1] += offsets[node];
        }
        let mut slots = offsets.clone();
        let (mut others, mut weights) = (vec![0; offsets[n_nodes]], vec![0.0; offsets[n_nodes]]);
        for (source, target, weight) in edges().filter(|(source, target, _)| source != target) {
            for (node, other) in [(source, target), (target, source)] {
                others[slots[node]] = other as u32;
                weights[slots[node]] = weight;
                slots[node] += 1;
            }
        }
        Self::of_rows(offsets, others, weights, loops)
    }

    fn of_rows(offsets: Vec<usize>, others: Vec<u32>, weights: Vec<f64>, loops: Vec<f64>) -> Self {
        let strength = |(node, own): (usize, &f64)| {
            own + weights[offsets[node]..offsets[node + 1]].iter().sum::<f64>()
        };
        let strengths: Vec<f64> = loops.iter().enumerate().map(strength).collect();
        let total = strengths.iter().sum();
        Self { offsets, others, weights, loops, strengths, total }
    }

    pub fn node_count(&self) -> usize {
        self.loops.len()
    }

    /// The neighbours of a node, in either direction; one for each edge.
    pub fn edges(&self, node: usize) -> impl Iterator<Item = (u32, f64)> + '_ {
        let row = self.offsets[node]..self.offsets[node + 1];
        self.others[row.clone()].iter().copied().zip(self.weights[row].iter().copied())
    }

    /// The modularity of communities, which are numbered below the number of nodes.
    pub fn modularity(&self, labels: &[u32], resolution: f64) -> f64 {
        if self.total <= 0.0 {
            return 0.0;
        }
        let mut within = vec![0.0; self.node_count()];
        let mut strengths = vec![0.0; self.node_count()];
        for (node, label) in labels.iter().enumerate() {
            let same = self.edges(node).filter(|(other, _)| labels[*other as usize] == *label);
            within[*label as usize] +=
                self.loops[node] + same.map(|(_, weight)| weight).sum::<f64>();
            strengths[*label as usize] += self.strengths[node];
        }
        let share = |sum: &f64| sum / self.total;
        let parts = within.iter().zip(&strengths);
        parts.map(|(within, all)| share(within) - resolution * share(all).powi(2)).sum()
    }

    /// Moves nodes one by one to the community that adds most to the modularity, until no move of one adds
    /// any. Labels are numbers below that of the nodes.
    pub fn move_nodes(
        &self,
        labels: &mut [u32],
        resolution: f64,
        random: &mut Xoshiro256PlusPlus,
        visits: &mut Visits<'_>,
    ) -> Result<(), TraverseError> {
        let n_nodes = self.node_count();
        let mut strengths = vec![0.0; n_nodes];
        let mut sizes = vec![0_u32; n_nodes];
        for (node, label) in labels.iter().enumerate() {
            strengths[*label as usize] += self.strengths[node];
            sizes[*label as usize] += 1;
        }
        let mut free: Vec<u32> =
            (0..n_nodes as u32).rev().filter(|label| sizes[*label as usize] == 0).collect();
        let mut order: Vec<u32> = (0..n_nodes as u32).collect();
        order.shuffle(random);
        let mut queue = VecDeque::from(order);
        let mut queued = vec![true; n_nodes];
        // By community: the weight of the node's edges to it.
        let mut weights = vec![0.0; n_nodes];
        let mut near: Vec<u32> = Vec::new();
        let least = ROUNDING * self.total;
        while let Some(node) = queue.pop_front() {
            let node = node as usize;
            queued[node] = false;
            if !visits.spend(self.offsets[node + 1] - self.offsets[node])? {
                break;
            }
            let own = labels[node];
            near.clear();
            for (other, weight) in self.edges(node) {
                let label = labels[other as usize];
                if weights[label as usize] == 0.0 {
                    near.push(label);
                }
                weights[label as usize] += weight;
            }
            strengths[own as usize] -= self.strengths[node];
            sizes[own as usize] -= 1;
            let expected = resolution * self.strengths[node] / self.total;
            let gain = |label: u32| weights[label as usize] - expected * strengths[label as usize];
            let (mut best, mut most) = (own, gain(own) + least);
            for label in near.iter().copied().filter(|label| *label != own) {
                if gain(label) > most {
                    (best, most) = (label, gain(label));
                }
            }
            // By itself a node gains nothing and loses nothing.
            if most < 0.0
                && let Some(empty) = free.pop()
            {
                best = empty;
            }
            near.iter().for_each(|label| weights[*label as usize] = 0.0);
            strengths[best as usize] += self.strengths[node];
            sizes[best as usize] += 1;
            if best == own {
                continue;
            }
            labels[node] = best;
            if sizes[own as usize] == 0 {
                strengths[own as usize] = 0.0;
                free.push(own);
            }
            for (other, _) in self.edges(node) {
                if labels[other as usize] != best && !queued[other as usize] {
                    queued[other as usize] = true;
                    queue.push_back(other);
                }
            }
        }
        Ok(())
    }

    /// The graph whose nodes are communities, in the order of their labels; and the number of each label's
    /// node there.
    pub fn aggregate(&self, labels: &[u32]) -> (Self, Vec<u32>) {
        let n_nodes = self.node_count();
        let mut starts = vec![0_usize; n_nodes + 1];
        labels.iter().for_each(|label| starts[*label as usize + 1] += 1);
        let (mut numbers, mut n_communities) = (vec![0; n_nodes], 0_u32);
        for label in 0..n_nodes {
            numbers[label] = n_communities;
            n_communities += u32::from(starts[label + 1] > 0);
            starts[label + 1] += starts[label];
        }
        let mut slots = starts.clone();
        let mut members = vec![0; n_nodes];
        for (node, label) in labels.iter().enumerate() {
            members[slots[*label as usize]] = node;
            slots[*label as usize] += 1;
        }
        let (mut offsets, mut others, mut of_edges) = (vec![0], Vec::new(), Vec::new());
        let mut loops = Vec::with_capacity(n_communities as usize);
        let mut weights = vec![0.0; n_communities as usize];
        let mut near: Vec<u32> = Vec::new();
        for label in 0..n_nodes {
            let members = &members[starts[label]..starts[label + 1]];
            if members.is_empty() {
                continue;
            }
            let mut own = 0.0;
            for node in members {
                own += self.loops[*node];
                for (other, weight) in self.edges(*node) {
                    let other = labels[other as usize];
                    if other as usize == label {
                        own += weight;
                        continue;
                    }
                    let number = numbers[other as usize];
                    if weights[number as usize] == 0.0 {
                        near.push(number);
                    }
                    weights[number as usize] += weight;
                }
            }
            loops.push(own);
            for number in near.drain(..) {
                others.push(number);
                of_edges.push(std::mem::take(&mut weights[number as usize]));
            }
            offsets.push(others.len());
        }
        (Self::of_rows(offsets, others, of_edges, loops), numbers)
    }
}
