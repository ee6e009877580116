//! Graph embeddings: every node becomes a row of numbers that lies near those of related nodes.
//!
//! A method is a row of [`MODELS`] and a file; those that tell relations apart are in [`triples`]. All of
//! them are parallel and reproducible at once: the number of threads changes the time and no byte. For
//! that, nodes are parted into a fixed number of blocks that threads own by turns, sums are added in a
//! fixed order, and what is drawn depends on the seed and the place alone.

pub(crate) mod bpr;
mod by_kind;
mod change;
mod checkpoint;
pub(crate) mod conjugate;
mod deepwalk;
pub(crate) mod greatest;
mod ials;
mod judge;
pub(crate) mod lanes;
mod layout;
mod linked;
mod logistic;
mod nearest;
mod node2vec;
mod noise;
pub(crate) mod panels;
mod prone;
pub(crate) mod rows;
mod sealed;
mod sgns;
mod sigmoid;
mod sparse;
mod steps;
mod table;
pub mod triples;
mod version;

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

pub use by_kind::{KindRows, unit};
pub use change::{Drift, drift, row_of_new};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use linked::LinkedRows;
pub(crate) use logistic::solve;
pub use logistic::{Features, Logistic};
pub use nearest::{Near, NearestRows};
pub use steps::Course;
pub use table::{EmbeddingTable, TableError};
pub use version::{Version, Versions};

use crate::graph::CompactGraph;
use crate::traverse::TraverseError;

/// Why there is no embedding.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// A name that no model has.
    #[error("unknown model `{name}`; known: {known}")]
    Unknown {
        /// The name as it came.
        name: String,
        /// The known ones.
        known: String,
    },
    /// A parameter that the model does not have.
    #[error("{model} has no parameter `{name}`; it has: {known}")]
    UnknownKnob {
        /// The model.
        model: &'static str,
        /// The name as it came.
        name: String,
        /// The known ones.
        known: String,
    },
    /// A parameter out of its range.
    #[error("{name} is {found}; give a number from {least} to {most}")]
    Param {
        /// The parameter.
        name: &'static str,
        /// The value as it came.
        found: f64,
        /// The least that there may be.
        least: f64,
        /// The most that there may be.
        most: f64,
    },
    /// An odd number of dimensions, for a model of complex numbers.
    #[error("dim is {dim}; {model} has complex numbers, so give an even number")]
    Odd {
        /// The model.
        model: &'static str,
        /// The number as it came.
        dim: usize,
    },
    /// Rows of a model that has none.
    #[error("{model} has no rows to write; choose a model that has, such as complex")]
    NoRows {
        /// The model.
        model: &'static str,
    },
    /// A graph without edges.
    #[error("the graph has no edges, so there is nothing to learn from")]
    NoEdges,
    /// Threads that the system does not give.
    #[error("threads cannot be started: {0}; ask for fewer")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// A start or a checkpoint for a model that is not trained by steps.
    #[error(
        "{model} is found at once: it neither starts from rows nor goes on where it was ended; these do: {known}"
    )]
    Whole {
        /// The model.
        model: &'static str,
        /// The ones that do.
        known: String,
    },
    /// Rows to start from that are not those of the graph's nodes.
    #[error("{found} numbers to start from are not the {expected} of the graph's rows")]
    Start {
        /// Numbers that came.
        found: usize,
        /// Numbers that are needed.
        expected: usize,
    },
    /// The training cannot be written down or gone on with.
    #[error(transparent)]
    Checkpoint(CheckpointError),
    /// What the walks met.
    #[error(transparent)]
    Walks(#[from] TraverseError),
}

/// Something about a model that can be set.
#[derive(Debug)]
pub struct Knob {
    /// The parameter's name.
    pub name: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
    /// The value when nothing is said.
    pub default: f64,
    /// The least and the most that there may be.
    pub range: (f64, f64),
}

/// Dimensions of a row, seed, and the values of a model's knobs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Params {
    /// Numbers of a row; from 1 to [`MAX_DIM`].
    pub dim: usize,
    /// Seed of all choices.
    pub seed: u64,
    /// Values of the knobs by name.
    pub values: BTreeMap<&'static str, f64>,
}

/// The most numbers that a row may have.
pub const MAX_DIM: usize = 4096;

impl Params {
    /// The value of a knob; 0 for one that the model does not have.
    pub fn get(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or_default()
    }

    /// The value of a knob that counts something.
    fn count(&self, name: &str) -> usize {
        self.get(name) as usize
    }
}

/// How far a training is: so many of so many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Steps that are done.
    pub done: usize,
    /// Steps that there are.
    pub of: usize,
}

/// Trains a model on a graph's edges, both ways: `[nodes, dim]`, row after row.
pub type Train =
    fn(&CompactGraph, &Params, &mut dyn FnMut(Progress)) -> Result<Vec<f32>, EmbedError>;

/// A model that can be named.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
    /// What can be set.
    pub knobs: &'static [Knob],
    train: Train,
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
        set_knob((self.name, self.knobs), params, name, value)
    }

    /// Trains the model on the edges of `graph`, both ways, on the threads of the current pool.
    ///
    /// # Returns
    /// `[nodes, dim]`, row after row; zeros for nodes without edges.
    ///
    /// # Errors
    /// [`EmbedError::Param`] for a parameter out of its range and [`EmbedError::NoEdges`].
    pub fn train(
        &self,
        graph: &CompactGraph,
        params: &Params,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<f32>, EmbedError> {
        self.check(graph, params)?;
        (self.train)(graph, params, progress)
    }

    fn check(&self, graph: &CompactGraph, params: &Params) -> Result<(), EmbedError> {
        in_range("dim", params.dim as f64, (1.0, MAX_DIM as f64))?;
        for knob in self.knobs {
            in_range(knob.name, params.get(knob.name), knob.range)?;
        }
        if graph.edge_count() == 0 { Err(EmbedError::NoEdges) } else { Ok(()) }
    }

    /// Trains the model as [`train`](Self::train) does, on so many threads of its own, or on those of the
    /// current pool.
    ///
    /// # Errors
    /// Those of [`train`](Self::train), and [`EmbedError::Threads`].
    pub fn train_on(
        &self,
        n_threads: Option<usize>,
        graph: &CompactGraph,
        params: &Params,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Vec<f32>, EmbedError> {
        on_threads(n_threads, || self.train(graph, params, progress))?
    }
}

/// Does some work on so many threads of its own, or on those of the current pool.
///
/// # Errors
/// [`EmbedError::Threads`].
pub fn on_threads<T: Send>(
    n_threads: Option<usize>,
    work: impl FnOnce() -> T + Send,
) -> Result<T, EmbedError> {
    match n_threads {
        None => Ok(work()),
        Some(n) => Ok(rayon::ThreadPoolBuilder::new().num_threads(n).build()?.install(work)),
    }
}

/// Sets the knob of this name, of those that a model has.
fn set_knob(
    (model, knobs): (&'static str, &'static [Knob]),
    params: &mut Params,
    name: &str,
    value: f64,
) -> Result<(), EmbedError> {
    let Some(knob) = knobs.iter().find(|knob| knob.name == name) else {
        let known = knobs.iter().map(|knob| knob.name).collect::<Vec<_>>().join(", ");
        return Err(EmbedError::UnknownKnob { model, name: name.to_owned(), known });
    };
    in_range(knob.name, value, knob.range)?;
    params.values.insert(knob.name, value);
    Ok(())
}

fn in_range(name: &'static str, found: f64, (least, most): (f64, f64)) -> Result<(), EmbedError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(EmbedError::Param { name, found, least, most })
}

/// Every model, in the order the help lists them.
pub const MODELS: &[Entry] =
    &[deepwalk::ENTRY, node2vec::ENTRY, prone::ENTRY, ials::ENTRY, bpr::ENTRY];

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

#[cfg(test)]
mod tests;
