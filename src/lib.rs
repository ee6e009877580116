//! Predilect.

pub mod schema;
pub mod event;
pub mod store;
pub mod extract;
pub mod ingest;
pub mod graph;
pub mod traverse;
pub mod snapshot;
