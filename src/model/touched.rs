//! What the user did something else to already: less likely to come, or more.
//!
//! A sum of methods that look at one behaviour alone needs it: an item that was carted may well be
//! bought next, and an item that was looked at and left may never be.

use super::{Entry, Knob, Model, ModelError, Params, Query, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "touched",
    about: "what the user did something else to already",
    knobs: &[Knob {
        name: "sign",
        about: "1 where that makes an item likelier, -1 where less likely",
        default: -1.0,
        grid: &[1.0],
    }],
    applies: |training| training.behaviors.len() > 1,
    costly: |_| false,
    fit,
};

struct Touched {
    target: u8,
    sign: f32,
}

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    Ok(Box::new(Touched { target: training.target, sign: params.get("sign") as f32 }))
}

impl Model for Touched {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        for act in query.acts.iter().filter(|act| act.behavior != self.target) {
            scores[act.item as usize] = self.sign;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions};

    #[test]
    fn other_behaviours_count_once() {
        let act = |item: u32, behavior: u8| Act { item, behavior, at: 0, value: 1.0 };
        let training = Training {
            behaviors: vec!["view".to_owned(), "buy".to_owned()],
            target: 1,
            ..Training::plain(Interactions::new(1, 3, Vec::new()), true)
        };
        let model = fit(&training, &ENTRY.defaults(), 1).unwrap();
        let acts = [act(0, 0), act(0, 0), act(1, 1)];
        let mut scores = vec![0.0; 3];
        model.score(&Query { user: None, acts: &acts }, &mut scores);
        assert_eq!(scores, [-1.0, 0.0, 0.0]);
    }
}
