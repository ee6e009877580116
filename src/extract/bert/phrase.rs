//! The encoder as others see it: phrases in, vectors out, and from where on two are one thing.

use super::{Bert, Encode, ExtractError};
use crate::extract::is_unspaced;

impl Encode for Bert {
    fn model(&self) -> &str {
        &self.version
    }

    fn encode(&self, phrases: &[&str]) -> Result<Vec<Vec<f32>>, ExtractError> {
        self.encoder.encode(phrases)
    }

    /// # Source
    /// Each phrase of a pair that means one thing was looked for among the second phrases of all
    /// pairs; the thresholds are the lowest of a coarse grid at which no nearest phrase was a wrong
    /// one. all-MiniLM-L6-v2: 50 hand-made English pairs ("cell phone", "mobile phone"): 15 found.
    /// multilingual-e5-small: 154 Chinese organisations and their short names: 41 found; 40 brands in
    /// English and Chinese: 6 found; of the English pairs 17 and 1 wrong ("in-ear headphones").
    /// A pair that is not found is two entities, and a candidate of the duplicates.
    fn same(&self, across: bool) -> Option<f32> {
        match (self.encoder.knows_han(), across) {
            (true, false) => Some(0.94),
            (true, true) => Some(0.89),
            (false, false) => Some(0.85),
            (false, true) => None,
        }
    }

    fn reads(&self, phrase: &str) -> bool {
        self.encoder.knows_han() || !phrase.chars().any(is_unspaced)
    }
}
