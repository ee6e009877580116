//! How good a model's answers to questions about triples are.

mod rank;
pub use rank::*;
