//! What rules say to a question.

use rayon::prelude::*;

use super::super::{Query, Reason, Scorer, Steps};
use super::constant::Named;
use super::{MAX_STEPS, NONE, Rule, Rules};

/// Steps that are taken for one question, at most.
const BUDGET: usize = 300_000;

/// The bodies of the rules that answer one step, as a tree.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<TreeNode>,
}

#[derive(Debug, Default)]
struct TreeNode {
    /// Step and node, ascending.
    children: Vec<(u32, u32)>,
    /// The rule that ends here, and its confidence.
    rule: Option<(u32, f32)>,
}

impl Tree {
    /// The rules that say where `asked` leads: bodies from X for a relation, turned bodies from Y for
    /// one that is walked back.
    pub fn new(steps: &Steps, rules: &[Rule], asked: u32) -> Self {
        let is_back = asked >= steps.n_steps() as u32 / 2;
        let head = if is_back { steps.back(asked) } else { asked };
        let mut tree = Self { nodes: vec![TreeNode::default()] };
        for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.head == head) {
            let body: Vec<u32> = rule.body.into_iter().filter(|step| *step != NONE).collect();
            let mut node = 0;
            for place in 0..body.len() {
                let step =
                    if is_back { steps.back(body[body.len() - 1 - place]) } else { body[place] };
                node = tree.child(node, step);
            }
            tree.nodes[node].rule = Some((at as u32, rule.confidence));
        }
        tree.nodes.iter_mut().for_each(|node| node.children.sort_unstable());
        tree
    }

    fn child(&mut self, node: usize, step: u32) -> usize {
        let found = self.nodes[node].children.iter().find(|(own, _)| *own == step);
        if let Some((_, child)) = found {
            return *child as usize;
        }
        self.nodes.push(TreeNode::default());
        let child = self.nodes.len() - 1;
        self.nodes[node].children.push((step, child as u32));
        child
    }
}

/// Steps, and the entities that they lead to.
type Path = Vec<(u32, u32)>;

/// A walk through a tree and the graph at once.
struct Walk<'a> {
    steps: &'a Steps,
    tree: &'a Tree,
    path: [u32; MAX_STEPS + 1],
    taken: [u32; MAX_STEPS],
    /// Entity, rule and its confidence.
    found: Vec<(u32, u32, f32)>,
    /// The answer whose paths are kept, where there is one.
    wanted: Option<u32>,
    /// Rule, its confidence and the path that it goes by.
    paths: Vec<(u32, f32, Path)>,
}

impl Walk<'_> {
    /// Goes on from a node of the tree; what one step leaves of the budget is for the next ones.
    ///
    /// # Returns
    /// What is left.
    fn go(&mut self, node: usize, depth: usize, mut budget: usize) -> usize {
        let (tree, steps) = (self.tree, self.steps);
        let entity = self.path[depth];
        if let Some((rule, confidence)) = tree.nodes[node].rule {
            self.found.push((entity, rule, confidence));
            if self.wanted == Some(entity) {
                let path = self.taken[..depth].iter().copied().zip(self.path[1..].iter().copied());
                self.paths.push((rule, confidence, path.collect()));
            }
        }
        let children = &tree.nodes[node].children;
        for (at, (step, child)) in children.iter().enumerate() {
            let share = budget / (children.len() - at);
            let mut left = share;
            let targets = steps.along(Query { entity, step: *step });
            for (at, (_, target)) in targets.iter().enumerate() {
                let part = left / (targets.len() - at);
                if part == 0 || self.path[..=depth].contains(target) {
                    continue;
                }
                (self.taken[depth], self.path[depth + 1]) = (*step, *target);
                left -= part - self.go(*child as usize, depth + 1, part - 1);
            }
            budget -= share - left;
        }
        budget
    }
}

/// The score of what no rule names, where scores are logarithms.
const FAINT: f32 = 1e-4;

impl Rules {
    /// The entities that rules name for a question, with their scores, by entity.
    fn answers(&self, query: Query) -> Vec<(u32, f32)> {
        let walk = self.walk(query, None);
        let mut named: Vec<(u32, f32)> =
            walk.found.iter().map(|(entity, _, confidence)| (*entity, *confidence)).collect();
        self.constants.of(&self.steps, query, &mut |_, of: &[Named]| named.extend(of));
        named.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let score = |of: &[(u32, f32)]| {
            let mut weight = 1.0;
            let mut sum = 0.0;
            for (_, confidence) in of {
                sum -= weight * (-f64::from(*confidence)).ln_1p();
                weight *= self.decay;
            }
            sum as f32
        };
        named.chunk_by(|a, b| a.0 == b.0).map(|of| (of[0].0, score(of))).collect()
    }

    fn walk(&self, query: Query, wanted: Option<u32>) -> Walk<'_> {
        let mut walk = Walk {
            steps: &self.steps,
            tree: &self.trees[query.step as usize],
            path: [query.entity; MAX_STEPS + 1],
            taken: [NONE; MAX_STEPS],
            found: Vec::new(),
            wanted,
            paths: Vec::new(),
        };
        walk.go(0, 0, BUDGET);
        walk.found.sort_unstable_by_key(|(entity, rule, _)| (*entity, *rule));
        walk.found.dedup_by_key(|(entity, rule, _)| (*entity, *rule));
        walk
    }
}

impl Scorer for Rules {
    fn score(&self, queries: &[Query], scores: &mut [f32]) {
        let n = self.steps.n_entities();
        scores.par_chunks_mut(n).zip(queries).for_each(|(row, query)| {
            row.fill(0.0);
            for (entity, score) in self.answers(*query) {
                row[entity as usize] = score;
            }
        });
    }

    fn log_score(&self, queries: &[Query], scores: &mut [f32]) {
        self.score(queries, scores);
        scores.par_iter_mut().for_each(|score| *score = (*score + FAINT).ln());
    }

    fn explain(&self, query: Query, answer: u32) -> Vec<Reason> {
        let mut paths = self.walk(query, Some(answer)).paths;
        paths.sort_by_key(|(rule, ..)| *rule);
        paths.dedup_by_key(|(rule, ..)| *rule);
        let path = |(_, confidence, steps)| Reason { confidence, is_path: true, steps };
        let mut reasons: Vec<Reason> = paths.into_iter().map(path).collect();
        self.constants.of(&self.steps, query, &mut |said, named| {
            for (_, confidence) in named.iter().filter(|(entity, _)| *entity == answer) {
                let steps = said.into_iter().collect();
                reasons.push(Reason { confidence: *confidence, is_path: false, steps });
            }
        });
        reasons.sort_by(|a, b| {
            b.confidence.total_cmp(&a.confidence).then(a.steps.len().cmp(&b.steps.len()))
        });
        reasons
    }
}
