//! Models of triples.

mod complex;
mod distmult;
mod factors;
mod product;
mod rotate;
mod rules;
mod steps;
mod train;
mod transe;

pub use factors::Factors;
pub use rules::{RuleParams, Rules};
pub use steps::Steps;
use train::Geometry;
use super::{EmbedError, Knob, Params, Progress};

pub const MODELS: &[Entry] = &[transe::ENTRY, distmult::ENTRY, complex::ENTRY, rotate::ENTRY];

pub struct Entry {
    pub name: &'static str,
    pub about: &'static str,
    pub knobs: &'static [Knob],
    geometry: &'static dyn Geometry,
}
impl Entry {
    pub fn defaults(&self, dim: usize, seed: u64) -> Params {
        let values = self.knobs.iter().map(|knob| (knob.name, knob.default)).collect();
        Params { dim, seed, values }
    }
    pub fn train(&self, sizes: [usize; 2], triples: &[Triple], params: &Params, progress: &mut dyn FnMut(Progress)) -> Result<Factors, EmbedError> {
        train::train(self.geometry, sizes, triples, params, progress)
    }
}

/// A fact: head and tail are entities, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Triple {
    /// Whom it is said of.
    pub head: u32,
    /// What is said.
    pub relation: u32,
    /// What it is said with.
    pub tail: u32,
}

/// A question: where a step leads from an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// Where the step starts.
    pub entity: u32,
    /// A relation, to ask for tails, or a relation plus the number of relations, to ask for heads.
    pub step: u32,
}

/// What can score all entities as answers to questions.
pub trait Scorer: Sync {
    /// Scores of all entities: `scores` is `[queries, entities]`.
    fn score(&self, queries: &[Query], scores: &mut [f32]);
}
