//! Parameters chosen on validation parts.

use super::EvaluateError;
use super::rank::evaluate;
use super::task::Task;
use crate::model::{Entry, HALF_LIFE, Model, Params};

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
/// other, from the values of `start`.
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
    for knob in entry.knobs.iter().filter(|knob| timed || knob.name != HALF_LIFE) {
        let current = tuned.params.get(knob.name);
        for value in knob.grid.iter().copied().filter(|value| *value != current) {
            let params = tuned.params.with(knob.name, value);
            let other = untuned(entry, validations, &params, k, seed)?;
            let n_fits = tuned.n_fits + other.n_fits;
            tuned = if other.ndcg > tuned.ndcg { other } else { tuned };
            tuned.n_fits = n_fits;
        }
    }
    Ok(tuned)
}
