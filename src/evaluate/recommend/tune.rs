//! Parameters chosen on a validation part.

use super::EvaluateError;
use super::rank::evaluate;
use super::task::Task;
use crate::model::{Entry, Params};

/// What a search found.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// The best values.
    pub params: Params,
    /// Their `ndcg` on the validation part.
    pub ndcg: f64,
    /// Fits that the search took.
    pub n_fits: usize,
}

/// The values of a method's knobs with the best `ndcg` at `k` on `validation`: one knob after the
/// other, from the values of `start`.
///
/// # Errors
/// [`EvaluateError::Model`].
pub fn tune(
    entry: &Entry,
    validation: &Task,
    start: &Params,
    k: usize,
    seed: u64,
) -> Result<Tuned, EvaluateError> {
    let measure = |params: &Params| -> Result<f64, EvaluateError> {
        let model = (entry.fit)(&validation.training, params, seed)?;
        Ok(evaluate(model.as_ref(), validation, k).ndcg.mean)
    };
    let mut tuned = Tuned { params: start.clone(), ndcg: measure(start)?, n_fits: 1 };
    for knob in entry.knobs {
        let current = tuned.params.get(knob.name);
        for value in knob.grid.iter().copied().filter(|value| *value != current) {
            let params = tuned.params.with(knob.name, value);
            let ndcg = measure(&params)?;
            tuned.n_fits += 1;
            if ndcg > tuned.ndcg {
                (tuned.params, tuned.ndcg) = (params, ndcg);
            }
        }
    }
    Ok(tuned)
}
