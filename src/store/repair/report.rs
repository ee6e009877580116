//! What a repair tells.

use std::path::PathBuf;

use serde::Serialize;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Pieces of evidence that stand.
    pub evidence: u64,
    /// Records that follow from others and were made anew.
    pub rebuilt: u64,
    /// Records that followed from nothing and were removed.
    pub removed: u64,
    /// Records that were moved to the file of lost records.
    pub lost: u64,
    /// That file, where there is something in it.
    pub lost_and_found: Option<PathBuf>,
    /// Problems that are still there.
    pub problems: u64,
}

/// A record that was taken out of a store, as its line in the file of lost records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The space that it stood in.
    pub space: &'static str,
    /// Its key, in hexadecimal.
    pub key: String,
    /// Its value, in hexadecimal.
    pub value: String,
    /// Why it could not stay.
    pub reason: &'static str,
}
