//! How good answers are: what was found against what is there. Pure.

mod extraction;
pub mod recommend;
pub mod replay;

pub use extraction::{EntityScores, ExtractionScores, RelationScores, Scores, TypeScores, score};
