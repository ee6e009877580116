//! Predilect.
