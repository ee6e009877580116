//! Rules over paths: what usually holds between two entities that a path joins, and what is usually
//! said of an entity that another thing is said of.
//!
//! Three kinds, each with a confidence that is the share of its cases which hold in training, with
//! [`UNSEEN`] cases more that do not:
//!
//! * cyclic: `r(X, Y) <- s(X, A), t(A, B), u(B, Y)`, of one to five steps, each either way;
//! * constant: `r(X, c) <- s(X, d)` and `r(X, c) <- s(X, A)`, and the same for the other end;
//! * prior: `r(X, c)`.
//!
//! Different variables stand for different entities, so the path that proves a triple never uses it.
//! A candidate's score is the sum of `-ln(1 - confidence)` over the rules that name it, the most
//! confident first, each next one weighed by `decay` once more: 0 leaves the best rule, 1 is the
//! noisy-or of all.
//!
//! # Source
//! Meilicke, Chekol, Ruffinelli & Stuckenschmidt, "Anytime bottom-up rule learning for knowledge graph
//! completion", IJCAI 2019 (`AnyBURL`), sections 3 and 4. In place of random walks for a given time, the
//! paths of all training triples are looked at.

mod apply;
mod constant;
mod mine;

use constant::Constants;

use super::super::{Knob, Params};
use super::{Entry, Kind, Steps};

pub(super) const ENTRY: Entry = Entry {
    name: "rules",
    about: "what paths between entities, and what is said of them, usually mean",
    knobs: &[
        Knob {
            name: "length",
            about: "steps of a path, at most",
            default: MAX_STEPS as f64,
            range: (1.0, MAX_STEPS as f64),
        },
        Knob {
            name: "support",
            about: "triples that a rule must prove",
            default: 2.0,
            range: (1.0, 1e6),
        },
        Knob {
            name: "samples",
            about: "pairs that a rule's confidence is counted over, about",
            default: 2000.0,
            range: (1.0, 1e9),
        },
        Knob {
            name: "least",
            about: "the least confidence of a rule",
            default: 0.001,
            range: (0.0, 1.0),
        },
        Knob {
            name: "most",
            about: "rules of paths that a relation may have",
            default: 4000.0,
            range: (1.0, 1e6),
        },
        Knob {
            name: "decay",
            about: "weight of each next rule of an answer; 0 for the best rule alone",
            default: 0.5,
            range: (0.0, 1.0),
        },
    ],
    choices: &[("length", 3.0)],
    kind: Kind::Rules,
};

/// Cases that are added to those of a rule, and do not hold.
const UNSEEN: f64 = 5.0;
/// Steps of a cyclic rule, at most.
pub const MAX_STEPS: usize = 5;
/// In place of a step, or of what it leads to, that there is not.
pub(super) const NONE: u32 = u32::MAX;

/// The steps of a cyclic rule, from X to Y.
type Body = [u32; MAX_STEPS];

/// A cyclic rule: who is joined by these steps is joined by `head`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    pub body: Body,
    pub head: u32,
    pub confidence: f32,
}

/// What rules are learnt with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RuleParams {
    /// Steps of a cyclic rule, at most; from 1 to [`MAX_STEPS`].
    pub length: usize,
    /// Triples that a rule must prove, at least.
    pub support: usize,
    /// Pairs of entities that a rule's confidence is counted over, about.
    pub samples: usize,
    /// The least confidence of a rule.
    pub least: f64,
    /// Cyclic rules of a relation, at most: those that prove most triples.
    pub most: usize,
    /// The weight of each next rule, from 0 to 1.
    pub decay: f64,
    /// Seed of what is sampled.
    pub seed: u64,
}

impl RuleParams {
    /// The values of the knobs.
    pub(super) fn of(params: &Params) -> Self {
        Self {
            length: params.count("length"),
            support: params.count("support"),
            samples: params.count("samples"),
            least: params.get("least"),
            most: params.count("most"),
            decay: params.get("decay"),
            seed: params.seed,
        }
    }
}

/// Rules learnt from a graph, and the graph that they are applied to.
pub struct Rules {
    steps: Steps,
    decay: f64,
    rules: Vec<Rule>,
    /// For each step that is asked for, the rules' steps as a tree.
    trees: Vec<apply::Tree>,
    constants: Constants,
}

impl Rules {
    /// Learns rules from a graph, on the threads of the current pool.
    pub fn fit(steps: Steps, params: &RuleParams) -> Self {
        let rules = mine::mine(&steps, params);
        let trees = (0..steps.n_steps() as u32)
            .map(|step| apply::Tree::new(&steps, &rules, step))
            .collect();
        let constants = Constants::fit(&steps, params);
        Self { steps, decay: params.decay, rules, trees, constants }
    }

    /// The number of cyclic rules and of constant ones.
    pub fn counts(&self) -> (usize, usize) {
        (self.rules.len(), self.constants.n_rules())
    }
}
