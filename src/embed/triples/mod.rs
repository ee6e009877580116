//! Models of triples: who is joined to whom by which relation, so that what is missing can be told.
//!
//! A question is an entity and a relation, walked either way; a model scores all entities as its answer.
//! Most models have a row of numbers for each entity and relation ([`Factors`]); [`Rules`] say why. A
//! model is a row of [`MODELS`] and a file. The same triples, parameters and seed give the same bytes at
//! any number of threads.

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
pub use rules::{MAX_STEPS, RuleParams, Rules};
pub use steps::Steps;
use train::Geometry;

use super::{EmbedError, Knob, MAX_DIM, Params, Progress, in_range};

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
pub trait Scorer: Send + Sync {
    /// Scores of all entities: `scores` is `[queries, entities]`.
    fn score(&self, queries: &[Query], scores: &mut [f32]);

    /// The same as logarithms of chances, but for what all entities of a question share.
    fn log_score(&self, queries: &[Query], scores: &mut [f32]) {
        self.score(queries, scores);
    }

    /// Why `answer` answers `query`, the surest and then the shortest reason first; nothing from models that cannot tell.
    fn explain(&self, query: Query, answer: u32) -> Vec<Reason> {
        let _ = (query, answer);
        Vec::new()
    }
}

/// Why an entity answers a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The confidence of the rule that says so.
    pub confidence: f32,
    /// Whether `steps` lead from the question's entity to the answer; else they are what is said of that
    /// entity: nothing where the rule holds of all.
    pub is_path: bool,
    /// Steps, and the entities that they lead to; [`u32::MAX`] stands for any.
    pub steps: Vec<(u32, u32)>,
}

/// The score of what cannot be an answer.
const NEVER: f32 = -1e30;

/// What a model learns from: triples and how many entities and relations there are.
#[derive(Clone, Copy, Debug)]
pub struct TripleSet<'a> {
    /// Number of entities, those without triples too.
    pub n_entities: u32,
    /// Number of relations.
    pub n_relations: u32,
    /// The triples, whose numbers are below those.
    pub triples: &'a [Triple],
}

/// What makes a model.
enum Kind {
    /// Rows for entities and relations.
    Rows(&'static dyn Geometry),
    /// Rules.
    Rules,
}

/// A model of triples that can be named.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
    /// What can be set.
    pub knobs: &'static [Knob],
    /// Values to choose among on triples laid aside, beside the defaults.
    pub choices: &'static [(&'static str, f64)],
    kind: Kind,
}

/// Every model, in the order the help lists them.
pub const MODELS: &[Entry] =
    &[rules::ENTRY, complex::ENTRY, distmult::ENTRY, rotate::ENTRY, transe::ENTRY];

/// The model of this name.
///
/// # Errors
/// [`EmbedError::Unknown`], which lists the known ones.
pub fn by_name(name: &str) -> Result<&'static Entry, EmbedError> {
    MODELS.iter().find(|entry| entry.name == name).ok_or_else(|| EmbedError::Unknown {
        name: name.to_owned(),
        known: MODELS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}

impl Entry {
    /// The knobs as they are when nothing is said.
    pub fn defaults(&self, dim: usize, seed: u64) -> Params {
        let values = self.knobs.iter().map(|knob| (knob.name, knob.default)).collect();
        Params { dim, seed, values }
    }

    /// `params` with another value for the knob of this name.
    ///
    /// # Errors
    /// [`EmbedError::UnknownKnob`], which lists the known ones, and [`EmbedError::Param`].
    pub fn set(&self, params: &mut Params, name: &str, value: f64) -> Result<(), EmbedError> {
        super::set_knob((self.name, self.knobs), params, name, value)
    }

    /// Whether the model has rows, and so dimensions.
    pub fn has_rows(&self) -> bool {
        matches!(self.kind, Kind::Rows(_))
    }

    /// Fits the model, on the threads of the current pool.
    ///
    /// # Errors
    /// [`EmbedError::Param`] for a parameter out of its range, [`EmbedError::Odd`] and
    /// [`EmbedError::NoEdges`].
    pub fn fit(
        &self,
        set: &TripleSet,
        params: &Params,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Box<dyn Scorer>, EmbedError> {
        match self.kind {
            Kind::Rows(_) => Ok(Box::new(self.train(set, params, progress)?)),
            Kind::Rules => {
                self.check(set, params)?;
                let steps = Steps::new(set.n_entities, set.n_relations, set.triples);
                let rules = Rules::fit(steps, &RuleParams::of(params));
                progress(Progress { done: 1, of: 1 });
                Ok(Box::new(rules))
            }
        }
    }

    /// Trains the rows of a model that has some, on the threads of the current pool.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit), and [`EmbedError::NoRows`].
    pub fn train(
        &self,
        set: &TripleSet,
        params: &Params,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Factors, EmbedError> {
        let Kind::Rows(geometry) = self.kind else {
            return Err(EmbedError::NoRows { model: self.name });
        };
        self.check(set, params)?;
        in_range("dim", params.dim as f64, (1.0, MAX_DIM as f64))?;
        if geometry.is_complex() && params.dim % 2 == 1 {
            return Err(EmbedError::Odd { model: self.name, dim: params.dim });
        }
        Ok(train::train(geometry, set, params, progress))
    }

    fn check(&self, set: &TripleSet, params: &Params) -> Result<(), EmbedError> {
        for knob in self.knobs {
            in_range(knob.name, params.get(knob.name), knob.range)?;
        }
        if set.triples.is_empty() { Err(EmbedError::NoEdges) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
