//! What friends did, and friends of friends: where walks over friendships lead.
//!
//! Each step goes to one of the friends by their weights, so who has many brings each less; an item is
//! worth the chance to meet somebody who did it. Somebody who did nothing yet has friends already.
//!
//! Source: Jamali & Ester, "`TrustWalker`: a random walk model for combining trust-based and item-based
//! recommendation", KDD 2009, without its ratings; for the decay of longer walks Katz, "A new status
//! index derived from sociometric analysis", Psychometrika 1953.

use super::{Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "friends",
    about: "what friends did, and friends of friends",
    knobs: &[
        Knob {
            name: "steps",
            about: "friendships that a walk goes at most",
            default: 3.0,
            grid: &[],
        },
        Knob {
            name: "decay",
            about: "what a step further counts to the one before",
            default: 1.0,
            grid: &[0.3, 1.0, 3.0],
        },
        Knob {
            name: "beta",
            about: "exponent by which an item counts less the more users did it",
            default: 0.0,
            grid: &[0.0, 0.3],
        },
    ],
    applies: |training| training.side.friends.is_some(),
    costly: |_| false,
    fit,
};

struct Friends {
    /// Users by users, rows of sum 1.
    steps: Sparse,
    /// Users by items, popular ones damped.
    items: Sparse,
    n_steps: usize,
    decay: f32,
}

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    let friends = training.side.friends.clone().ok_or(ModelError::Lacking {
        method: "friends",
        needs: "users' friends; give --friends",
    })?;
    let sums = friends.row_sums();
    let items = training.matrix();
    let (beta, counts) = (params.get("beta") as f32, items.column_sums());
    Ok(Box::new(Friends {
        steps: friends.mapped(|user, _, weight| weight / sums[user]),
        items: items.mapped(|_, item, value| value / counts[item as usize].powf(beta)),
        n_steps: params.get("steps") as usize,
        decay: params.get("decay") as f32,
    }))
}

impl Model for Friends {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let Some(user) = query.user else { return };
        let mut at = vec![(user, 1.0)];
        let mut chances = vec![0.0; self.steps.n_columns()];
        let mut worth = 1.0;
        for _ in 0..self.n_steps {
            for (from, chance) in at.drain(..) {
                for (to, share) in self.steps.cells(from as usize) {
                    chances[to as usize] += chance * share;
                }
            }
            for (to, chance) in (0..).zip(&mut chances).filter(|(_, chance)| **chance > 0.0) {
                at.push((to, std::mem::take(chance)));
            }
            for (friend, chance) in &at {
                for (item, value) in self.items.cells(*friend as usize) {
                    scores[item as usize] += worth * chance * value;
                }
            }
            worth *= self.decay;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions};

    /// User 0 knows 1 and, three times as well, 2; 2 knows 3. User 1 did item 0, 2 items 0 and 1, 3
    /// item 2.
    fn training() -> Training {
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let acts = vec![(1, act(0)), (2, act(0)), (2, act(1)), (3, act(2))];
        let mut training = Training::plain(Interactions::new(4, 3, acts), false);
        let cells = vec![(0, 1, 1.0), (0, 2, 3.0), (2, 3, 1.0)];
        training.side.friends = Some(Sparse::from_cells(4, 4, cells));
        training
    }

    fn scores(user: Option<u32>, params: &Params) -> Vec<f32> {
        let model = fit(&training(), params, 1).unwrap();
        let mut scores = vec![0.0; 3];
        model.score(&Query { user, acts: &[] }, &mut scores);
        scores
    }

    #[test]
    fn friends_bring_what_they_did_and_theirs_after_them() {
        let params = ENTRY.defaults().with("decay", 0.5);
        // A quarter and three quarters; then 3, with three quarters, half counted.
        assert_eq!(scores(Some(0), &params), [1.0, 0.75, 0.375]);
        assert_eq!(scores(Some(0), &params.with("steps", 1.0)), [1.0, 0.75, 0.0]);
        assert_eq!(scores(Some(2), &params), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn popular_items_are_damped() {
        let params = ENTRY.defaults().with("decay", 0.5).with("beta", 1.0);
        assert_eq!(scores(Some(0), &params), [0.5, 0.75, 0.375]);
    }

    #[test]
    fn somebody_without_friends_or_unknown_gets_nothing() {
        assert_eq!(scores(Some(3), &ENTRY.defaults()), [0.0; 3]);
        assert_eq!(scores(None, &ENTRY.defaults()), [0.0; 3]);
    }

    #[test]
    fn without_friends_it_says_what_to_give() {
        let plain = Training::plain(training().interactions, false);
        assert!(!(ENTRY.applies)(&plain));
        let error = fit(&plain, &ENTRY.defaults(), 1).err().unwrap().to_string();
        assert!(error.contains("--friends"), "{error}");
    }
}
