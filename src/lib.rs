//! Predilect.

pub mod event;
pub mod schema;
pub mod store;
