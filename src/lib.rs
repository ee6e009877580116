//! Predilect.

pub mod extract;
