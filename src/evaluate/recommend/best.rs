//! The best methods, tuned and added up.
//!
//! Every method that applies is tuned on validation parts cut from what there is to fit to; then
//! weights are searched, one method after the other, for the sum that ranks those parts best. What comes
//! out is a recipe: which methods, with which parameters and weights, to be fitted to everything. The
//! scores are brought to one scale by fixed factors, so a sum of linear methods is linear and every
//! act's part of an answer exact.

use rayon::prelude::*;

use super::EvaluateError;
use super::metric::Measures;
use super::rank::first;
use super::task::{Case, Task};
use super::tune::{Tuned, search, tune, untuned};
use crate::model::{Entry, Ingredient, MODELS, Model, Recipe, every_score};

/// Items of each method that the search over weights looks at, for each case.
const POOL: usize = 100;

/// Cases that are scored at once.
const GROUP: usize = 16;

/// Weights that the search tries for a method, beside those that have some already.
const WEIGHTS: &[f32] = &[0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 5.0];

/// Times that the search goes through all methods.
const ROUNDS: usize = 3;

/// Cases of the validation part that are looked at, at most.
const CASES: usize = 20_000;

/// Cases that are looked at however many items there are, where there are so many.
const FEW_CASES: usize = 2_000;

/// Scores of items that a fit is judged by, about at most.
const SCORES: usize = 150_000_000;

/// What a costly method has to add, as a share of what the others reach, for a search over its
/// parameters.
const WORTH: f64 = 0.005;

/// What a weight's change has to add, as a share of what is reached: less is chance.
const LEAST: f64 = 2e-4;

/// Acts above which costly methods keep the values that they have when nothing is said.
const SEARCHED: usize = 500_000;

/// [`best_among`] all methods.
///
/// # Errors
/// [`EvaluateError::Model`].
pub fn best(task: &Task, k: usize, seed: u64) -> Result<Recipe, EvaluateError> {
    best_among(task, &[], k, seed)
}

/// Tunes and weighs: first the quick methods, then of the costly ones those that add to them;
/// all methods but networks where none is named.
///
/// # Errors
/// [`EvaluateError::Model`].
pub fn best_among(
    task: &Task,
    methods: &[&'static Entry],
    k: usize,
    seed: u64,
) -> Result<Recipe, EvaluateError> {
    let all: Vec<&'static Entry> = MODELS.iter().filter(|entry| !entry.is_network()).collect();
    let methods = if methods.is_empty() { &all[..] } else { methods };
    let validations: Vec<Task> = task.validations(seed).into_iter().map(thinned).collect();
    let applying = methods.iter().copied().filter(|entry| (entry.applies)(&task.training));
    let (costly, quick): (Vec<&'static Entry>, Vec<&'static Entry>) =
        applying.partition(|entry| (entry.costly)(&task.training));
    let mut methods: Vec<(&'static Entry, Tuned)> = Vec::new();
    for entry in quick {
        methods.push((entry, tune(entry, &validations, &entry.defaults(), k, seed)?));
    }
    let mut weighed = weigh(&validations, &methods, k);
    for entry in costly {
        methods.push((entry, untuned(entry, &validations, &entry.defaults(), k, seed)?));
        let with = weigh(&validations, &methods, k);
        if with.ndcg < weighed.ndcg * (1.0 + WORTH) {
            methods.pop();
            continue;
        }
        if task.training.interactions.len() > SEARCHED {
            weighed = with;
            continue;
        }
        if let Some((_, plain)) = methods.pop() {
            methods.push((entry, search(entry, &validations, plain, k, seed)?));
            weighed = weigh(&validations, &methods, k);
        }
    }
    let used = methods.iter().zip(weighed.factors).filter(|(_, factor)| *factor != 0.0);
    let ingredients = used
        .map(|((entry, tuned), factor)| Ingredient::new(entry, &tuned.params, factor))
        .collect();
    Ok(Recipe { ingredients })
}

/// The task with not too many cases, evenly from all.
fn thinned(task: Task) -> Task {
    let n_items = task.training.interactions.n_items().max(1);
    let most = (SCORES / n_items).clamp(FEW_CASES, CASES);
    let step = task.cases.len().div_ceil(most).max(1);
    Task { cases: task.cases.into_iter().step_by(step).collect(), ..task }
}

/// What a search over weights found.
struct Weighed {
    /// What each method's scores are multiplied with.
    factors: Vec<f32>,
    /// What the sum reaches.
    ndcg: f64,
}

/// Scores of one case: the methods' scores of the items looked at, scaled, and which are relevant.
struct Pooled {
    /// `[n_items, n_methods]`.
    scores: Vec<f32>,
    hits: Vec<bool>,
    n_relevant: usize,
}

/// Factors of the methods' scores, by coordinate ascent on the mean `ndcg` at `k`.
fn weigh(validations: &[Task], methods: &[(&'static Entry, Tuned)], k: usize) -> Weighed {
    let mut pooled: Vec<Pooled> = Vec::new();
    for (part, validation) in validations.iter().enumerate() {
        let models: Vec<&dyn Model> =
            methods.iter().map(|(_, tuned)| tuned.models[part].as_ref()).collect();
        let groups = validation.cases.par_chunks(GROUP);
        pooled.par_extend(groups.flat_map_iter(|cases| pool(validation, cases, &models)));
    }
    let n = methods.len();
    let scales: Vec<f32> = (0..n)
        .map(|method| {
            let values = pooled.iter().flat_map(|of| of.scores.iter().skip(method).step_by(n));
            let (sum, squares, count) =
                values.fold((0.0, 0.0, 0.0), |(sum, squares, count), value| {
                    let value = f64::from(*value);
                    (sum + value, squares + value * value, count + 1.0)
                });
            let mean: f64 = sum / f64::max(count, 1.0);
            let deviation = (squares / f64::max(count, 1.0) - mean * mean).max(0.0).sqrt();
            if deviation > 0.0 { 1.0 / deviation as f32 } else { 0.0 }
        })
        .collect();
    let measure = |weights: &[f32]| -> Vec<f64> {
        let factors: Vec<f32> = weights.iter().zip(&scales).map(|(w, s)| w * s).collect();
        pooled.par_iter().map(|of| of.ndcg(&factors, k)).collect()
    };
    let alone: Vec<f64> = (0..n).map(|method| mean(&measure(&unit(n, method)))).collect();
    let Some(start) = (0..n).max_by(|a, b| alone[*a].total_cmp(&alone[*b]).then(b.cmp(a))) else {
        return Weighed { factors: Vec::new(), ndcg: 0.0 };
    };
    let mut weights = unit(n, start);
    let mut reached = measure(&weights);
    for _ in 0..ROUNDS {
        let before = weights.clone();
        for method in 0..n {
            for weight in WEIGHTS {
                let mut tried = weights.clone();
                tried[method] = *weight;
                if tried.iter().all(|weight| *weight == 0.0) {
                    continue;
                }
                let found = measure(&tried);
                if surpasses(&found, &reached) {
                    (weights, reached) = (tried, found);
                }
            }
        }
        if weights == before {
            break;
        }
    }
    let factors = weights.iter().zip(&scales).map(|(weight, scale)| weight * scale).collect();
    Weighed { factors, ndcg: mean(&reached) }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Whether cases do better than before by more than chance: by a standard error of the difference.
fn surpasses(found: &[f64], before: &[f64]) -> bool {
    let differences: Vec<f64> = found.iter().zip(before).map(|(new, old)| new - old).collect();
    let gain = mean(&differences);
    let squares: f64 = differences.iter().map(|value| (value - gain).powi(2)).sum();
    let n = differences.len().max(1) as f64;
    gain > LEAST * mean(before) && gain > squares.sqrt() / n
}

fn unit(n: usize, at: usize) -> Vec<f32> {
    (0..n).map(|method| if method == at { 1.0 } else { 0.0 }).collect()
}

fn pool(task: &Task, cases: &[Case], models: &[&dyn Model]) -> Vec<Pooled> {
    let n_items = task.training.interactions.n_items();
    let scored = models.iter().map(|model| {
        every_score(*model, cases.iter().map(|case| task.query(case)), n_items).collect()
    });
    let scored: Vec<Vec<Vec<f32>>> = scored.collect();
    let of_case = |(at, case): (usize, &Case)| {
        let mut items = case.relevant.clone();
        for scores in &scored {
            items.extend(first(task, case, &mut scores[at].clone(), POOL));
        }
        items.sort_unstable();
        items.dedup();
        Pooled {
            scores: items
                .iter()
                .flat_map(|item| scored.iter().map(|scores| scores[at][*item as usize]))
                .collect(),
            hits: items.iter().map(|item| case.relevant.binary_search(item).is_ok()).collect(),
            n_relevant: case.relevant.len(),
        }
    };
    cases.iter().enumerate().map(of_case).collect()
}

impl Pooled {
    fn ndcg(&self, factors: &[f32], k: usize) -> f64 {
        let sums = self
            .scores
            .chunks_exact(factors.len())
            .map(|row| row.iter().zip(factors).map(|(score, factor)| score * factor).sum::<f32>());
        let mut order: Vec<(f32, usize)> = sums.zip(0..).collect();
        let better = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if order.len() > k && k > 0 {
            order.select_nth_unstable_by(k - 1, better);
            order.truncate(k);
        }
        order.sort_unstable_by(better);
        let hits: Vec<bool> = order.iter().map(|(_, at)| self.hits[*at]).collect();
        Measures::of(&hits, k, self.n_relevant).ndcg
    }
}
