//! Where walks of three steps lead, from item over user to item, with popular ends damped.
//!
//! Source: Paudel, Christoffel, Newell & Bernstein, "Updatable, accurate, diverse, and scalable
//! recommendations for interactive applications", `TiiS` 2017: `RP3beta`.

use super::{Entry, HALF_LIFE, Knob, Model, ModelError, Neighbors, Params, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "rp3beta",
    about: "where walks of three steps lead, popular ends damped",
    knobs: &[
        Knob {
            name: "alpha",
            about: "exponent of the steps' probabilities",
            default: 0.6,
            grid: &[0.6, 0.8, 1.0],
        },
        Knob {
            name: "beta",
            about: "exponent of the popularity of ends",
            default: 0.4,
            grid: &[0.2, 0.4, 0.6],
        },
        Knob {
            name: "k",
            about: "ends kept for an item",
            default: 200.0,
            grid: &[100.0, 200.0, 500.0],
        },
        Knob {
            name: HALF_LIFE,
            about: "days after which an act leads to its item half as much; 0: never",
            default: 0.0,
            grid: &[7.0, 30.0, 90.0],
        },
    ],
    applies: |_| true,
    costly: |training| training.interactions.n_items() > FEW_ITEMS,
    fit,
};

/// Items above which a fit takes more than some seconds.
const FEW_ITEMS: usize = 32_768;

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    let users = training.matrix();
    let (alpha, beta) = (params.get("alpha") as f32, params.get("beta") as f32);
    let (degrees, counts) = (users.row_sums(), users.column_sums());
    let to_item = training.fading(params.get(HALF_LIFE));
    let to_item = to_item.mapped(|user, _, value| (value / degrees[user]).powf(alpha));
    let to_user = users.transposed().mapped(|item, _, value| (value / counts[item]).powf(alpha));
    let damped: Vec<f32> = counts.iter().map(|count| count.powf(beta)).collect();
    let k = params.get("k") as usize;
    let ends = to_user.product_top(&to_item, k, |_, end, chance| chance / damped[end]);
    Ok(Box::new(Neighbors::sparse(ends, training.target)))
}
