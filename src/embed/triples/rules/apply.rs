//! What rules say to a question.

use rayon::prelude::*;

use super::super::{Query, Scorer, Steps};
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

/// A walk through a tree and the graph at once.
struct Walk<'a> {
    steps: &'a Steps,
    tree: &'a Tree,
    path: [u32; MAX_STEPS + 1],
    budget: usize,
    /// Entity, rule and its confidence.
    found: Vec<(u32, u32, f32)>,
}

impl Walk<'_> {
    fn go(&mut self, node: usize, depth: usize) {
        let (tree, steps) = (self.tree, self.steps);
        let entity = self.path[depth];
        if let Some((rule, confidence)) = tree.nodes[node].rule {
            self.found.push((entity, rule, confidence));
        }
        for (step, child) in &tree.nodes[node].children {
            for (_, target) in steps.along(Query { entity, step: *step }) {
                if self.path[..=depth].contains(target) {
                    continue;
                }
                if self.budget == 0 {
                    return;
                }
                self.budget -= 1;
                self.path[depth + 1] = *target;
                self.go(*child as usize, depth + 1);
            }
        }
    }
}

impl Rules {
    /// The entities that rules name for a question, with their scores, by entity.
    pub fn answers(&self, query: Query) -> Vec<(u32, f32)> {
        let mut walk = Walk {
            steps: &self.steps,
            tree: &self.trees[query.step as usize],
            path: [query.entity; MAX_STEPS + 1],
            budget: BUDGET,
            found: Vec::new(),
        };
        walk.go(0, 0);
        walk.found.sort_unstable_by_key(|(entity, rule, _)| (*entity, *rule));
        walk.found.dedup_by_key(|(entity, rule, _)| (*entity, *rule));
        let mut named: Vec<(u32, f32)> =
            walk.found.iter().map(|(entity, _, confidence)| (*entity, *confidence)).collect();
        self.constants.named(&self.steps, query.entity, query.step, &mut named);
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
}
