//! Everybody's interactions become a fitted model that scores items for anybody's history.
//!
//! A [`Model`] scores every item for a [`Query`]. Fitting one is a row of [`MODELS`] and a file:
//! adding a method costs just that. What can be tuned about a method are its [`Knob`]s, so that a
//! search over them needs to know nothing of the method.

mod additive;
mod attribute_pass;
mod bpr;
mod bspm;
mod cascade;
mod co_visit;
mod content;
mod dense;
mod ease;
mod every;
mod friends;
mod fused;
mod gram;
mod ials;
mod interactions;
mod item_cosine;
mod low_pass;
mod neighbors;
mod neural;
mod parts;
mod popular;
mod recipe;
mod repeat;
mod rp3beta;
mod slim;
mod social;
mod sparse;
mod subspace;
mod sums;
mod touched;
mod vector;

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

pub use additive::Additive;
pub use dense::Dense;
use every::by_scores;
pub use every::every_score;
pub(crate) use interactions::HALF_LIFE;
pub use interactions::{Act, Interactions, Side, Training};
pub use neighbors::{Neighbors, distinct};
pub use parts::Parts;
pub use recipe::{Ingredient, Part, Recipe, Sum};
pub use sparse::{Sparse, top};

/// Why a model cannot be fitted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A name that no method has.
    #[error("unknown method `{name}`; known: {known}")]
    Unknown {
        /// The name as it came.
        name: String,
        /// The known ones.
        known: String,
    },
    /// A parameter that the method does not have.
    #[error("{method} has no parameter `{name}`; it has: {known}")]
    UnknownKnob {
        /// The method.
        method: &'static str,
        /// The name as it came.
        name: String,
        /// The known ones.
        known: String,
    },
    /// The method needs what the data does not have.
    #[error("{method} needs {needs}")]
    Lacking {
        /// The method.
        method: &'static str,
        /// What it needs, and how to give it.
        needs: &'static str,
    },
    /// A parameter with a value that the method cannot use.
    #[error("{method} needs a `{name}` between {least} and {most}, not {value}")]
    KnobRange {
        /// The method.
        method: &'static str,
        /// The parameter.
        name: &'static str,
        /// The value as it came.
        value: f64,
        /// The least that it can use.
        least: f64,
        /// The most.
        most: f64,
    },
    /// A parameter that does not go up in another.
    #[error("{method} needs a `{name}` that is a multiple of {step}, not {value}")]
    KnobStep {
        /// The method.
        method: &'static str,
        /// The parameter.
        name: &'static str,
        /// The value as it came.
        value: f64,
        /// What it must be a multiple of.
        step: usize,
    },
    /// The training of a network went astray.
    #[error("{method} lost its way in epoch {epoch}; give a lower `rate`")]
    Diverged {
        /// The method.
        method: &'static str,
        /// The epoch, from 1.
        epoch: usize,
    },
    /// A network that cannot be computed.
    #[error("{method} cannot be trained: {source}")]
    Network {
        /// The method.
        method: &'static str,
        /// What candle says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Whom to score items for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The user's number among those the model was fitted to; none for somebody new.
    pub user: Option<u32>,
    /// What the user did, oldest first. An act of value 0 is masked: it brings nothing, but holds its
    /// place, so that what the others bring stays as it is.
    pub acts: &'a [Act],
}

/// What to rank for whom.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Whom to rank for.
    pub query: Query<'a>,
    /// Items that are not ranked, in any order.
    pub hidden: Vec<u32>,
    /// Items from this number on are not ranked.
    pub end: usize,
}

/// A fitted model.
pub trait Model: Send + Sync {
    /// Adds the score of every item to `scores`, zeros `[n_items]`; higher is better.
    ///
    /// Scores compare within one query.
    fn score(&self, query: &Query<'_>, scores: &mut [f32]);

    /// Adds the scores of every item for each of `queries` to `scores`, zeros `[queries, n_items]`: as
    /// [`score`](Self::score) does, to the bit, but faster where queries share work.
    fn score_all(&self, queries: &[Query<'_>], scores: &mut [f32]) {
        let n_items = scores.len() / queries.len().max(1);
        for (query, scores) in queries.iter().zip(scores.chunks_exact_mut(n_items.max(1))) {
            self.score(query, scores);
        }
    }

    /// The `k` of `n_items` items with the greatest scores for each of `wanted`, the greatest first, of
    /// equals the lower number.
    ///
    /// What [`score`](Self::score) says, up to rounding; faster where a model need not look at every item
    /// for every query.
    fn greatest(&self, wanted: &[Wanted<'_>], n_items: usize, k: usize) -> Vec<Vec<u32>> {
        by_scores(self, wanted, n_items, k)
    }
}

/// Something about a method that can be set.
#[derive(Debug)]
pub struct Knob {
    /// The parameter's name.
    pub name: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
    /// The value when nothing is said.
    pub default: f64,
    /// Values that a search tries.
    pub grid: &'static [f64],
}

/// Values of a method's knobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Params(BTreeMap<&'static str, f64>);

impl Params {
    /// The value of a knob.
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Every knob with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        self.0.iter().map(|(name, value)| (*name, *value))
    }

    /// The same with another value for a knob.
    pub fn with(&self, name: &'static str, value: f64) -> Self {
        let mut params = self.clone();
        params.0.insert(name, value);
        params
    }
}

/// Fits a method; the seed is for those that draw.
pub type Fit = fn(&Training, &Params, u64) -> Result<Box<dyn Model>, ModelError>;

/// A method that can be named.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
    /// What can be set.
    pub knobs: &'static [Knob],
    /// Whether the data has what the method needs, and is not too large for it.
    pub applies: fn(&Training) -> bool,
    /// Whether a fit takes so long that a search over parameters is worth it only where the method
    /// helps as it is.
    pub costly: fn(&Training) -> bool,
    /// Fits it.
    pub fit: Fit,
}

impl Entry {
    /// The values of the knobs when nothing is said.
    pub fn defaults(&self) -> Params {
        Params(self.knobs.iter().map(|knob| (knob.name, knob.default)).collect())
    }

    /// Whether it is a network: a fit takes minutes and no part of a score is a single act's, so a search
    /// tries it only where it is named.
    pub fn is_network(&self) -> bool {
        [&neural::SASREC, &neural::MULT_VAE, &neural::DAE].iter().any(|of| of.name == self.name)
    }

    /// The knob of this name.
    ///
    /// # Errors
    /// [`ModelError::UnknownKnob`], which lists the known ones.
    pub fn knob(&self, name: &str) -> Result<&'static Knob, ModelError> {
        self.knobs.iter().find(|knob| knob.name == name).ok_or_else(|| ModelError::UnknownKnob {
            method: self.name,
            name: name.to_owned(),
            known: self.knobs.iter().map(|knob| knob.name).collect::<Vec<_>>().join(", "),
        })
    }
}

/// Every method, in the order the help lists them.
pub const MODELS: &[Entry] = &[
    popular::ENTRY,
    item_cosine::ENTRY,
    rp3beta::ENTRY,
    ease::ENTRY,
    slim::ENTRY,
    low_pass::ENTRY,
    bspm::ENTRY,
    attribute_pass::ENTRY,
    ials::ENTRY,
    social::ENTRY,
    bpr::ENTRY,
    repeat::ENTRY,
    co_visit::ENTRY,
    content::ENTRY,
    friends::ENTRY,
    fused::ENTRY,
    cascade::ENTRY,
    touched::ENTRY,
    neural::SASREC,
    neural::MULT_VAE,
    neural::DAE,
];

/// The method of this name.
///
/// # Errors
/// [`ModelError::Unknown`], which lists the known ones.
pub fn by_name(name: &str) -> Result<&'static Entry, ModelError> {
    MODELS.iter().find(|entry| entry.name == name).ok_or_else(|| ModelError::Unknown {
        name: name.to_owned(),
        known: MODELS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}
