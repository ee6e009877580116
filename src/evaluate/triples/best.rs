//! Models, each with the parameters that do best on triples laid aside, added up.

use serde::Serialize;

use super::fusion::{Fusion, Member, fuse};
use super::measure::Hits;
use super::rank::{Case, cases, ranks};
use crate::embed::triples::{Entry, Scorer, Steps, Triple, TripleSet};
use crate::embed::{EmbedError, Params};

/// A model is trained for so small a part of its epochs while parameters are chosen.
const SHORT: f64 = 1.0 / 3.0;
/// The knob that says how long a model is trained.
const EPOCHS: &str = "epochs";

/// What was found out about a model on the triples laid aside.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// The model.
    pub model: &'static str,
    /// What it was fitted with.
    pub params: Params,
    /// Its mean reciprocal rank.
    pub mrr: f64,
}

/// Fits models and adds them up by the weights that do best on `valid`.
///
/// # Arguments
/// * `among`: the models.
/// * `set`: what models learn from.
/// * `valid`: what parameters and weights are chosen on; no model learns from it.
/// * `tell`: is told of each fit.
///
/// # Errors
/// Those of [`Entry::fit`].
pub fn fit_best(
    among: &[&'static Entry],
    set: &TripleSet,
    valid: &[Triple],
    (dim, seed): (usize, u64),
    tell: &mut dyn FnMut(&Tried),
) -> Result<Fusion, EmbedError> {
    let both: Vec<Triple> = set.triples.iter().chain(valid).copied().collect();
    let laid_aside = LaidAside {
        cases: cases(valid, set.n_relations),
        known: Steps::new(set.n_entities, set.n_relations, &both),
    };
    let mut members = Vec::new();
    for entry in among {
        let (params, scorer) = chosen(entry, set, &laid_aside, (dim, seed), tell)?;
        members.push(Member { name: entry.name, params, scorer, weight: 0.0 });
    }
    Ok(fuse(members, &laid_aside.cases, &laid_aside.known))
}

struct LaidAside {
    cases: Vec<Case>,
    known: Steps,
}

/// A model with the best of its choices.
fn chosen(
    entry: &'static Entry,
    set: &TripleSet,
    laid_aside: &LaidAside,
    (dim, seed): (usize, u64),
    tell: &mut dyn FnMut(&Tried),
) -> Result<(Params, Box<dyn Scorer>), EmbedError> {
    let defaults = entry.defaults(dim, seed);
    let mut choices = vec![defaults.clone()];
    for (name, value) in entry.choices {
        let mut params = defaults.clone();
        entry.set(&mut params, name, *value)?;
        choices.push(params);
    }
    let epochs = defaults.get(EPOCHS);
    let is_short = epochs > 0.0 && choices.len() > 1;
    let mut best: Option<(f64, Params, Box<dyn Scorer>)> = None;
    for mut params in choices {
        if is_short {
            entry.set(&mut params, EPOCHS, (epochs * SHORT).ceil())?;
        }
        let scorer = entry.fit(set, &params, &mut |_| ())?;
        let found = ranks(scorer.as_ref(), &laid_aside.cases, &laid_aside.known);
        let mrr = Hits::of(&found).mrr;
        tell(&Tried { model: entry.name, params: params.clone(), mrr });
        if best.as_ref().is_none_or(|(most, ..)| mrr > *most) {
            best = Some((mrr, params, scorer));
        }
    }
    let Some((_, mut params, scorer)) = best else { return Err(EmbedError::NoEdges) };
    if !is_short {
        return Ok((params, scorer));
    }
    entry.set(&mut params, EPOCHS, epochs)?;
    let scorer = entry.fit(set, &params, &mut |_| ())?;
    Ok((params, scorer))
}
