//! Parameters chosen on validation parts.
//!
//! One after the other, and then again beside what was chosen: the best penalty with one weighting of
//! users is not the best with another.

use super::EvaluateError;
use super::rank::evaluate;
use super::task::Task;
use crate::model::{Entry, HALF_LIFE, Knob, Model, Params};

/// Times that a search goes over the knobs: at first over every value, then over those beside the
/// current one.
const ROUNDS: usize = 3;

/// What a search found.
pub struct Tuned {
    /// The best values.
    pub params: Params,
    /// Their `ndcg` on the validation parts.
    pub ndcg: f64,
    /// The method fitted to what each validation part leaves, with these values.
    pub models: Vec<Box<dyn Model>>,
    /// Fits that the search took.
    pub n_fits: usize,
}

/// The values of a method's knobs with the best `ndcg` at `k` on `validations`: one knob after the
/// other, from the values of `start`, until none helps.
///
/// # Errors
/// [`EvaluateError::Model`].
pub fn tune(
    entry: &Entry,
    validations: &[Task],
    start: &Params,
    k: usize,
    seed: u64,
) -> Result<Tuned, EvaluateError> {
    search(entry, validations, untuned(entry, validations, start, k, seed)?, k, seed)
}

/// The method with these values, without a search.
///
/// # Errors
/// [`EvaluateError::Model`].
pub(super) fn untuned(
    entry: &Entry,
    validations: &[Task],
    params: &Params,
    k: usize,
    seed: u64,
) -> Result<Tuned, EvaluateError> {
    let (mut models, mut ndcg) = (Vec::new(), 0.0);
    for validation in validations {
        let model = (entry.fit)(&validation.training, params, seed)?;
        ndcg += evaluate(model.as_ref(), validation, k).ndcg.mean / validations.len() as f64;
        models.push(model);
    }
    Ok(Tuned { params: params.clone(), ndcg, models, n_fits: validations.len() })
}

/// The search of [`tune`], from a method that is fitted already.
///
/// # Errors
/// [`EvaluateError::Model`].
pub(super) fn search(
    entry: &Entry,
    validations: &[Task],
    start: Tuned,
    k: usize,
    seed: u64,
) -> Result<Tuned, EvaluateError> {
    let mut tuned = start;
    let timed = validations.iter().any(|validation| validation.training.timed);
    let knobs: Vec<&Knob> = entry
        .knobs
        .iter()
        .filter(|knob| !knob.grid.is_empty() && (timed || knob.name != HALF_LIFE))
        .collect();
    // Knobs that kept their value since another one changed.
    let mut kept = 0;
    for (round, knob) in (0..ROUNDS).flat_map(|round| knobs.iter().map(move |knob| (round, knob))) {
        if kept >= knobs.len() {
            break;
        }
        let current = tuned.params.get(knob.name);
        let tried =
            if round == 0 { others(knob.grid, current) } else { beside(knob.grid, current) };
        kept += 1;
        for value in tried {
            let params = tuned.params.with(knob.name, value);
            let other = untuned(entry, validations, &params, k, seed)?;
            let n_fits = tuned.n_fits + other.n_fits;
            if other.ndcg > tuned.ndcg {
                (tuned, kept) = (other, 1);
            }
            tuned.n_fits = n_fits;
        }
    }
    Ok(tuned)
}

/// The values but the current one.
fn others(grid: &[f64], current: f64) -> Vec<f64> {
    grid.iter().copied().filter(|value| *value != current).collect()
}

/// The next value below the current one, and the next above.
fn beside(grid: &[f64], current: f64) -> Vec<f64> {
    let below = grid.iter().copied().filter(|value| *value < current).max_by(f64::total_cmp);
    let above = grid.iter().copied().filter(|value| *value > current).min_by(f64::total_cmp);
    below.into_iter().chain(above).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_a_value_are_the_next_ones_of_the_grid() {
        let grid = [5.0, 1.0, 3.0, 9.0];
        assert_eq!(beside(&grid, 3.0), [1.0, 5.0]);
        assert_eq!(beside(&grid, 1.0), [3.0]);
        // A default need not be in the grid.
        assert_eq!(beside(&grid, 7.0), [5.0, 9.0]);
        assert_eq!(others(&grid, 3.0), [5.0, 1.0, 9.0]);
    }
}
