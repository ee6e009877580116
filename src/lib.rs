//! Predilect.

pub mod schema;

pub mod graph;
pub mod traverse;
