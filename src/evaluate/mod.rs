//! How good answers are: what was found against what is there. Pure.

mod embedding;
mod extraction;
pub mod recommend;
pub mod replay;
pub mod triples;

pub use embedding::{LabelParams, LabelScores, NodeLabels, node_labels};
pub use extraction::{EntityScores, ExtractionScores, RelationScores, Scores, TypeScores, score};
