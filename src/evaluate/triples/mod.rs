//! How good a model's answers to questions about triples are, and what several say together.

mod best;
mod fusion;
mod measure;
mod rank;

pub use best::{Tried, fit_best};
pub use fusion::{Fusion, Member, fuse};
pub use measure::{Hits, TripleScores};
pub use rank::{Case, cases, ranks};
