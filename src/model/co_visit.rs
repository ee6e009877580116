//! Items done near each other, the order told apart, and the latest acts of a history first.
//!
//! Two items speak for each other by how often one user did both, less the more acts lay between, and
//! less against the order than along it. Popular ends are damped by a free exponent: the cosine's one
//! half lifts pairs that met once by chance above those that meet often.
//!
//! Source: the item-to-item transitions of Choe, Kang, Park & Lee, "Session-aware linear item-item
//! models for session-based recommendation", WWW 2021, sections 3.2 and 3.3 (decay by the gap and by
//! the place in the history), counted instead of solved for; exponents of popularity as Deshpande &
//! Karypis, "Item-based top-N recommendation algorithms", TOIS 2004, section 4.2.

use rayon::prelude::*;

use super::{Act, Entry, Knob, Model, ModelError, Neighbors, Params, Sparse, Training, top};

/// Acts between two that still count as near each other.
const WINDOW: usize = 100;

pub(super) const ENTRY: Entry = Entry {
    name: "co_visit",
    about: "items done near each other, the latest acts first",
    knobs: &[
        Knob {
            name: "recency",
            about: "weight of an act over that of the one after it",
            default: 0.8,
            grid: &[0.6, 0.7, 0.9, 0.95, 1.0],
        },
        Knob {
            name: "end",
            about: "exponent that damps popular ends",
            default: 0.1,
            grid: &[0.0, 0.2, 0.3, 0.5],
        },
        Knob {
            name: "start",
            about: "exponent that damps popular items of a history",
            default: 0.4,
            grid: &[0.2, 0.3, 0.5, 0.6],
        },
        Knob {
            name: "gap",
            about: "weight of a pair over that of one an act nearer",
            default: 0.9,
            grid: &[0.5, 0.7, 0.8, 0.95, 1.0],
        },
        Knob {
            name: "back",
            about: "weight of a pair against its order",
            default: 0.7,
            grid: &[0.2, 0.4, 1.0],
        },
        Knob { name: "k", about: "ends kept for an item", default: 300.0, grid: &[] },
    ],
    applies: |training| training.ordered,
    costly: |training| pairs_near(training) > FEW_PAIRS,
    fit,
};

/// Pairs of acts near each other above which a fit takes more than some seconds.
const FEW_PAIRS: usize = 30_000_000;

/// Pairs of acts near each other, about.
fn pairs_near(training: &Training) -> usize {
    let users = 0..training.interactions.n_users() as u32;
    let lengths = users.map(|user| training.interactions.of(user).len());
    lengths.map(|length| length * length.min(WINDOW)).sum()
}

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    if !training.ordered {
        return Err(ModelError::Lacking { method: "co_visit", needs: "acts in the order of time" });
    }
    let (start, end) = (params.get("start") as f32, params.get("end") as f32);
    let counts = training.matrix().column_sums();
    let damped = |exponent: f32| -> Vec<f32> {
        counts.iter().map(|count| count.max(1.0).powf(-exponent)).collect()
    };
    let (starts, ends) = (damped(start), damped(end));
    let near = Near::of(training, params.get("gap") as f32, params.get("back") as f32);
    let k = params.get("k") as usize;
    let pairs = near.pairs(|item, mut cells| {
        for (other, weight) in &mut cells {
            *weight *= starts[item as usize] * ends[*other as usize];
        }
        top(cells, k)
    });
    Ok(Box::new(Neighbors::sparse(pairs, training.target).fading(params.get("recency") as f32)))
}

/// Each user's items in order, and where each item lies in them.
struct Near {
    n_items: usize,
    /// The items of all users, user after user.
    line: Vec<u32>,
    /// For each place of `line`: its user's first place and the place after their last.
    spans: Vec<(u32, u32)>,
    /// Items by places.
    places: Vec<Vec<u32>>,
    /// Weight of a pair by the acts between, along the order and against it.
    weights: Vec<(f32, f32)>,
}

impl Near {
    fn of(training: &Training, gap: f32, back: f32) -> Self {
        let interactions = &training.interactions;
        let (mut line, mut spans) = (Vec::new(), Vec::new());
        for user in 0..interactions.n_users() as u32 {
            let wanted = |act: &&Act| act.behavior == training.target;
            let first = line.len() as u32;
            line.extend(interactions.of(user).iter().filter(wanted).map(|act| act.item));
            spans.resize(line.len(), (first, line.len() as u32));
        }
        let mut places = vec![Vec::new(); interactions.n_items()];
        for (place, item) in line.iter().enumerate() {
            places[*item as usize].push(place as u32);
        }
        let along = std::iter::successors(Some(1.0), |weight| Some(weight * gap));
        let weights = along.take(WINDOW).map(|weight: f32| (weight, weight * back)).collect();
        Self { n_items: interactions.n_items(), line, spans, places, weights }
    }

    /// Items by items: what the row's item brings to the column's; `shape` makes of a row's cells,
    /// ascending by column, those that are kept.
    fn pairs<F>(&self, shape: F) -> Sparse
    where
        F: Fn(u32, Vec<(u32, f32)>) -> Vec<(u32, f32)> + Sync,
    {
        let rows: Vec<Vec<(u32, f32)>> = (0..self.n_items as u32)
            .into_par_iter()
            .map_init(
                || (vec![0.0_f32; self.n_items], Vec::new()),
                |(sums, touched), item| {
                    self.add(item, sums, touched);
                    touched.sort_unstable();
                    let cells = touched
                        .drain(..)
                        .map(|other: u32| (other, std::mem::take(&mut sums[other as usize])))
                        .collect();
                    shape(item, cells)
                },
            )
            .collect();
        Sparse::from_rows(self.n_items, rows)
    }

    /// Adds the weights of all pairs that `item` is in.
    fn add(&self, item: u32, sums: &mut [f32], touched: &mut Vec<u32>) {
        let mut count = |other: u32, weight: f32| {
            if other == item || weight == 0.0 {
                return;
            }
            if sums[other as usize] == 0.0 {
                touched.push(other);
            }
            sums[other as usize] += weight;
        };
        for place in &self.places[item as usize] {
            let (first, end) = self.spans[*place as usize];
            let after = self.line[*place as usize + 1..end as usize].iter();
            for (other, (along, _)) in after.zip(&self.weights) {
                count(*other, *along);
            }
            let before = self.line[first as usize..*place as usize].iter().rev();
            for (other, (_, against)) in before.zip(&self.weights) {
                count(*other, *against);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Interactions, Parts, Query};

    fn training(lines: &[&[u32]]) -> Training {
        let acts = (0_u32..).zip(lines).flat_map(|(user, items)| {
            let act = |(item, at): (&u32, i64)| Act { item: *item, behavior: 0, at, value: 1.0 };
            items.iter().zip(0..).map(act).map(move |act| (user, act)).collect::<Vec<_>>()
        });
        Training::plain(Interactions::new(lines.len(), 4, acts.collect()), true)
    }

    fn scores(training: &Training, history: &[u32]) -> Vec<f32> {
        let params = ENTRY.defaults().with("gap", 0.5).with("back", 0.25).with("recency", 0.5);
        let model = fit(training, &params.with("start", 1.0).with("end", 0.0), 1).unwrap();
        let act = |(item, at): (&u32, i64)| Act { item: *item, behavior: 0, at, value: 1.0 };
        let acts: Vec<Act> = history.iter().zip(0..).map(act).collect();
        let mut scores = vec![0.0; 4];
        model.score(&Query { user: None, acts: &acts }, &mut scores);
        scores
    }

    #[test]
    fn order_gap_and_place_in_the_history_count() {
        // 0 before 1 before 2, and 2 before 3: item 2 was done twice, the others once.
        let training = training(&[&[0, 1, 2], &[2, 3]]);
        assert_eq!(scores(&training, &[0]), [0.0, 1.0, 0.5, 0.0]);
        assert_eq!(scores(&training, &[1]), [0.25, 0.0, 1.0, 0.0]);
        assert_eq!(scores(&training, &[2]), [0.0625, 0.125, 0.0, 0.5]);
        // The latest act counts whole, the one before it half; a double counts once, as the latest.
        assert_eq!(scores(&training, &[0, 2]), [0.0625, 0.625, 0.25, 0.5]);
        assert_eq!(scores(&training, &[2, 0, 2]), [0.0625, 0.625, 0.25, 0.5]);
    }

    #[test]
    fn every_act_of_a_history_has_its_exact_part() {
        let training = training(&[&[0, 1, 2], &[2, 3], &[1, 3, 0]]);
        let model = fit(&training, &ENTRY.defaults(), 1).unwrap();
        let acts = training.interactions.of(2);
        let parts = Parts::of(model.as_ref(), &Query { user: None, acts }, &[0, 1, 2, 3], 4);
        for place in 0..4 {
            assert!(parts.scores[place] > 0.0);
            assert!(parts.unexplained(place).abs() < 1e-6, "{parts:?}");
        }
    }

    #[test]
    fn acts_without_an_order_are_refused() {
        let unordered = Training { ordered: false, ..training(&[&[0, 1]]) };
        assert!(!(ENTRY.applies)(&unordered));
        assert!(fit(&unordered, &ENTRY.defaults(), 1).is_err());
    }

    #[test]
    fn threads_change_no_bit() {
        let lines: Vec<Vec<u32>> =
            (0..40).map(|user| (0..6).map(|at| (user * 7 + at * at) % 4).collect()).collect();
        let lines: Vec<&[u32]> = lines.iter().map(Vec::as_slice).collect();
        let training = training(&lines);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| scores(&training, &[3, 1]))
        };
        assert_eq!(with(1), with(3));
    }
}
