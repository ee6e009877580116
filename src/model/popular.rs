//! What everybody does: how many users did the behaviour to predict, the later the more.

use super::{Entry, HALF_LIFE, Knob, Model, ModelError, Params, Query, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "popular",
    about: "what most users did",
    knobs: &[Knob {
        name: HALF_LIFE,
        about: "days after which an act counts half, where times are known; 0: never",
        default: 0.0,
        grid: &[1.0, 3.0, 7.0, 30.0, 90.0],
    }],
    applies: |_| true,
    costly: |_| false,
    fit,
};

struct Popular(Vec<f32>);

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    Ok(Box::new(Popular(training.fading(params.get(HALF_LIFE)).column_sums())))
}

impl Model for Popular {
    fn score(&self, _: &Query<'_>, scores: &mut [f32]) {
        for (score, count) in scores.iter_mut().zip(&self.0) {
            *score += count;
        }
    }
}
