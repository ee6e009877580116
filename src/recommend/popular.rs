//! What everybody cares for: each item's share of all that users did, decayed.

use super::{Part, RecommendError, Recommender, Scores};
use crate::explain::History;
use crate::snapshot::Snapshot;

pub(super) const NAME: &str = "popular";

/// The items with the greatest share of everybody's events; the same for everyone.
pub struct Popular;

impl Recommender for Popular {
    fn score(&self, snapshot: &Snapshot, _: &History) -> Result<Scores, RecommendError> {
        let popular = snapshot.background().popular().iter();
        Ok(popular
            .map(|(item, value)| (*item, vec![Part { source: NAME, act: None, value: *value }]))
            .collect())
    }
}
