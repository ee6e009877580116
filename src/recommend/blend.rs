//! The other recommenders, added up with fixed weights.
//!
//! The weights bring the parts to one scale and are the same for every query: nothing is normalised
//! per answer, so masking an event takes away just its parts.

use super::{ItemItem, Popular, Ppr, RecommendError, Recommender, Scores};
use crate::explain::History;
use crate::snapshot::Snapshot;

/// A weighted sum of recommenders.
pub struct Blend {
    sources: Vec<(f64, Box<dyn Recommender>)>,
}

impl Default for Blend {
    fn default() -> Self {
        Self {
            sources: vec![
                (1.0, Box::new(ItemItem)),
                (10.0, Box::new(Ppr::default())),
                (10.0, Box::new(Popular)),
            ],
        }
    }
}

impl Recommender for Blend {
    fn score(&self, snapshot: &Snapshot, history: &History) -> Result<Scores, RecommendError> {
        let mut blended = Scores::new();
        for (weight, source) in &self.sources {
            for (item, parts) in source.score(snapshot, history)? {
                let scaled = parts.into_iter().map(|mut part| {
                    part.value *= weight;
                    part
                });
                blended.entry(item).or_default().extend(scaled);
            }
        }
        Ok(blended)
    }
}
