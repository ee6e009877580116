//! Walks of three steps over all behaviours: who views, carts or buys the same leads to what is bought.
//!
//! Users and items are joined by the strongest thing that one did to the other; each behaviour weighs
//! a fixed share of the next stronger one. So rare purchases are linked by what was looked at on the
//! way. What the user already did something to may be left out of the ranking: where an item never
//! comes back once seen, its own neighbours would otherwise crowd out what is new.
//!
//! Source: `RP3beta` (Paudel, Christoffel, Newell & Bernstein, `TiiS` 2017) on the graph of all
//! behaviours, whose order of strength is the cascade of Cheng et al., "Multi-behavior recommendation
//! with cascading graph convolution networks", WWW 2023.

use super::{Act, Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "cascade",
    about: "where walks over all behaviours lead",
    knobs: &[
        Knob {
            name: "own",
            about: "weight of items that the user did something to already",
            default: 1.0,
            grid: &[0.0],
        },
        Knob {
            name: "share",
            about: "weight of a behaviour over that of the next stronger one",
            default: 0.6,
            grid: &[0.3, 1.0],
        },
        Knob {
            name: "alpha",
            about: "exponent of the steps' probabilities",
            default: 1.0,
            grid: &[0.5, 0.7],
        },
        Knob {
            name: "beta",
            about: "exponent of the popularity of ends",
            default: 0.0,
            grid: &[0.1, 0.2, 0.4],
        },
        Knob {
            name: "recency",
            about: "weight of an item of the history over that of the one after it",
            default: 1.0,
            grid: &[0.8, 0.9, 0.97],
        },
        Knob { name: "k", about: "ends kept for an item", default: 500.0, grid: &[] },
    ],
    applies: |training| training.behaviors.len() > 1,
    costly: |_| false,
    fit,
};

struct Cascade {
    ends: Sparse,
    /// Weight of each behaviour.
    weights: Vec<f32>,
    own: f32,
    recency: f32,
}

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    let n_behaviors = training.behaviors.len();
    if n_behaviors < 2 {
        return Err(ModelError::Lacking { method: "cascade", needs: "more than one behaviour" });
    }
    let share = params.get("share") as f32;
    let weights: Vec<f32> =
        (0..n_behaviors).map(|behavior| share.powi((n_behaviors - 1 - behavior) as i32)).collect();
    let users = training.interactions.matrix(|act| weights[usize::from(act.behavior)]);
    let (alpha, beta) = (params.get("alpha") as f32, params.get("beta") as f32);
    let (degrees, counts) = (users.row_sums(), users.column_sums());
    let to_user = users.transposed().mapped(|item, _, value| (value / counts[item]).powf(alpha));
    let to_item = users.mapped(|user, _, value| (value / degrees[user]).powf(alpha));
    let damped: Vec<f32> = counts.iter().map(|count| count.powf(beta)).collect();
    let k = params.get("k") as usize;
    let ends = to_user.product_top(&to_item, k, |_, end, chance| chance / damped[end]);
    let (own, recency) = (params.get("own") as f32, params.get("recency") as f32);
    Ok(Box::new(Cascade { ends, weights, own, recency }))
}

impl Cascade {
    /// The distinct items of a history, each with the weight of its strongest behaviour, less the more
    /// items were done after it.
    fn history(&self, acts: &[Act]) -> Vec<(u32, f32)> {
        let mut places: Vec<(u32, usize)> = Vec::new();
        let mut latest: Vec<(u32, usize)> =
            acts.iter().rev().enumerate().map(|(place, act)| (act.item, place)).collect();
        latest.sort_unstable();
        latest.dedup_by_key(|(item, _)| *item);
        latest.sort_unstable_by_key(|(_, place)| *place);
        places.extend(latest.iter().enumerate().map(|(place, (item, _))| (*item, place)));
        places.sort_unstable();
        let mut strongest = vec![0.0_f32; places.len()];
        for act in acts {
            if let Ok(at) = places.binary_search_by_key(&act.item, |(item, _)| *item) {
                strongest[at] = strongest[at].max(self.weights[usize::from(act.behavior)]);
            }
        }
        let faded = places
            .iter()
            .zip(strongest)
            .map(|((item, place), weight)| (*item, weight * self.recency.powi(*place as i32)));
        faded.collect()
    }
}

impl Model for Cascade {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let history = self.history(query.acts);
        for (item, weight) in &history {
            for (other, chance) in self.ends.cells(*item as usize) {
                scores[other as usize] += weight * chance;
            }
        }
        for (item, _) in &history {
            scores[*item as usize] *= self.own;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Interactions;

    /// User 0 views 0 and buys 1; user 1 views 0 and 2, then buys 2; user 2 views 0.
    fn training() -> Training {
        let acts = [(0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 2, 0), (1, 2, 1), (2, 0, 0)];
        let act = |at: i64, item: u32, behavior: u8| Act { item, behavior, at, value: 1.0 };
        let acts = acts.iter().zip(0..).map(|((user, item, b), at)| (*user, act(at, *item, *b)));
        let plain = Training::plain(Interactions::new(3, 3, acts.collect()), true);
        Training { behaviors: vec!["view".to_owned(), "buy".to_owned()], target: 1, ..plain }
    }

    fn scores(user: u32, params: &Params) -> Vec<f32> {
        let training = training();
        let model = fit(&training, params, 1).unwrap();
        let mut scores = vec![0.0; 3];
        let acts = training.interactions.of(user);
        model.score(&Query { user: Some(user), acts }, &mut scores);
        scores
    }

    #[test]
    fn views_lead_to_what_others_bought() {
        // Item 0 weighs 1/2 for each of its three viewers, who split as 1/3 and 2/3 with items 1 and 2.
        let scores = scores(2, &ENTRY.defaults().with("share", 0.5));
        assert_eq!(scores[0], 0.0);
        for item in [1, 2] {
            assert!((scores[item] - 0.5 * (1.0 / 3.0) * (2.0 / 3.0)).abs() < 1e-6, "{scores:?}");
        }
    }

    #[test]
    fn what_was_touched_is_left_out_when_asked() {
        let params = ENTRY.defaults().with("share", 0.5);
        assert!(scores(1, &params)[2] > 0.0);
        let without = scores(1, &params.with("own", 0.0));
        assert_eq!((without[0], without[2]), (0.0, 0.0));
        assert!(without[1] > 0.0);
    }

    #[test]
    fn earlier_items_fade() {
        let params = ENTRY.defaults().with("share", 1.0).with("recency", 0.5);
        // User 1's last item is 2, which brings 1/2 to item 0; item 0 before it brings half of 1/6.
        let scores = scores(1, &params);
        assert!(
            (scores[0] - 0.5).abs() < 1e-6 && (scores[2] - 0.5 / 6.0).abs() < 1e-6,
            "{scores:?}"
        );
    }

    #[test]
    fn one_behaviour_is_refused_and_threads_change_no_bit() {
        let plain = Training::plain(training().interactions, true);
        assert!(!(ENTRY.applies)(&plain) && fit(&plain, &ENTRY.defaults(), 1).is_err());
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| scores(1, &ENTRY.defaults()))
        };
        assert_eq!(with(1), with(3));
    }
}
