//! What the user did before, the oftener and the later the more: the floor where things are done again.

use super::interactions::DAY;
use super::{Entry, HALF_LIFE, Knob, Model, ModelError, Params, Query, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "repeat",
    about: "what the user did before",
    knobs: &[Knob {
        name: HALF_LIFE,
        about: "days after which an act counts half",
        default: 90.0,
        grid: &[14.0, 30.0, 90.0, 365.0],
    }],
    applies: |training| training.timed && repeats(training),
    costly: |_| false,
    fit,
};

/// Whether anybody did the behaviour to predict to an item twice.
fn repeats(training: &Training) -> bool {
    let acts = training.interactions.iter().filter(|(_, act)| act.behavior == training.target);
    acts.count() > training.matrix().n_cells()
}

struct Repeat {
    target: u8,
    half_life: f64,
}

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    Ok(Box::new(Repeat { target: training.target, half_life: params.get(HALF_LIFE) * DAY }))
}

impl Model for Repeat {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let last = query.acts.last().map_or(0, |act| act.at);
        for act in query.acts.iter().filter(|act| act.behavior == self.target && act.value != 0.0) {
            scores[act.item as usize] +=
                0.5_f64.powf((last - act.at) as f64 / self.half_life) as f32;
        }
    }
}
