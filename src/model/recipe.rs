//! Methods added up: which ones, with which parameters and weights.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{Entry, Model, ModelError, Params, Query, Training, by_name, rp3beta};

/// A method of a sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ingredient {
    /// The method's name.
    pub method: String,
    /// The values of its knobs.
    pub params: BTreeMap<String, f64>,
    /// What its scores are multiplied with.
    pub factor: f32,
}

impl Ingredient {
    /// A method with these values.
    pub fn new(entry: &Entry, params: &Params, factor: f32) -> Self {
        let params = params.iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { method: entry.name.to_owned(), params, factor }
    }
}

/// What a search for the best methods finds: few numbers, from which the models are fitted anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recipe {
    /// The methods that are added up.
    pub ingredients: Vec<Ingredient>,
}

impl Default for Recipe {
    /// What does well on most data unsearched, of any size: walks of three steps.
    fn default() -> Self {
        Self {
            ingredients: vec![Ingredient::new(&rp3beta::ENTRY, &rp3beta::ENTRY.defaults(), 1.0)],
        }
    }
}

impl Recipe {
    /// Fits every method of the recipe.
    ///
    /// # Errors
    /// [`ModelError`] for a method or parameter that is not known, or data that a method cannot use.
    pub fn fit(&self, training: &Training, seed: u64) -> Result<Sum, ModelError> {
        let mut parts = Vec::new();
        for ingredient in &self.ingredients {
            let entry = by_name(&ingredient.method)?;
            let mut params = entry.defaults();
            for (name, value) in &ingredient.params {
                params = params.with(entry.knob(name)?.name, *value);
            }
            let model = (entry.fit)(training, &params, seed)?;
            parts.push(Part { name: entry.name, factor: ingredient.factor, model });
        }
        Ok(Sum { parts })
    }
}

/// A fitted method of a sum.
pub struct Part {
    /// The method's name.
    pub name: &'static str,
    /// What its scores are multiplied with.
    pub factor: f32,
    /// The method.
    pub model: Box<dyn Model>,
}

/// Fitted methods, added up.
pub struct Sum {
    /// The methods.
    pub parts: Vec<Part>,
}

impl Model for Sum {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        self.score_all(&[*query], scores);
    }

    fn score_all(&self, queries: &[Query<'_>], scores: &mut [f32]) {
        let mut own = vec![0.0; scores.len()];
        for part in &self.parts {
            own.fill(0.0);
            part.model.score_all(queries, &mut own);
            for (score, value) in scores.iter_mut().zip(&own) {
                *score += part.factor * value;
            }
        }
    }
}
