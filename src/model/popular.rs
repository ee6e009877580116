//! What everybody does: how many users did the behaviour to predict, the later the more.

use super::interactions::DAY;
use super::{Act, Entry, Knob, Model, ModelError, Params, Query, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "popular",
    about: "what most users did",
    knobs: &[Knob {
        name: "half_life",
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
    let half_life = params.get("half_life") * DAY;
    let last = training.interactions.iter().map(|(_, act)| act.at).max().unwrap_or_default();
    let weight = |act: &Act| {
        if act.behavior != training.target {
            0.0
        } else if training.timed && half_life > 0.0 {
            0.5_f64.powf((last - act.at) as f64 / half_life) as f32
        } else {
            1.0
        }
    };
    Ok(Box::new(Popular(training.interactions.matrix(weight).column_sums())))
}

impl Model for Popular {
    fn score(&self, _: &Query<'_>, scores: &mut [f32]) {
        for (score, count) in scores.iter_mut().zip(&self.0) {
            *score += count;
        }
    }
}
