//! What everybody does: the number of users who did the behaviour to predict.

use super::{Entry, Model, ModelError, Params, Query, Training};

pub(super) const ENTRY: Entry =
    Entry { name: "popular", about: "what most users did", knobs: &[], applies: |_| true, fit };

struct Popular(Vec<f32>);

fn fit(training: &Training, _: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    Ok(Box::new(Popular(training.matrix().column_sums())))
}

impl Model for Popular {
    fn score(&self, _: &Query<'_>, scores: &mut [f32]) {
        for (score, count) in scores.iter_mut().zip(&self.0) {
            *score += count;
        }
    }
}
