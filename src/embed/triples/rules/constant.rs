//! Rules about one entity: what is said of those of whom something else is said.

use std::collections::HashMap;

use rayon::prelude::*;

use super::super::{Query, Steps};
use super::{NONE, RuleParams, UNSEEN};

/// Steps of an entity that are put against each other, at most.
const FAN: usize = 300;
/// What a rule names at most, the surest first.
const NAMED: usize = 300;

/// A case: a step that is asked for and what is said, a step and its target or [`NONE`] for any.
type Case = (u32, u32, u32);

/// An entity that a rule names, and how sure it is.
pub(super) type Named = (u32, f32);

/// For each case, what rules name, the surest first.
type ByCase = HashMap<Case, Vec<Named>>;

/// What is said of entities, and what that means.
#[derive(Debug, Default)]
pub(super) struct Constants {
    of: ByCase,
    /// By the step that is asked for, whatever is said.
    priors: Vec<Vec<Named>>,
}

impl Constants {
    pub fn fit(steps: &Steps, params: &RuleParams) -> Self {
        // What is said of how many: a step with its target, and with any.
        let mut said: HashMap<(u32, u32), usize> = HashMap::new();
        let mut askers = vec![0_usize; steps.n_steps()];
        for entity in 0..steps.n_entities() as u32 {
            for group in steps.from(entity).chunk_by(|a, b| a.0 == b.0) {
                *said.entry((group[0].0, NONE)).or_default() += 1;
                askers[group[0].0 as usize] += 1;
            }
            for pair in steps.from(entity) {
                *said.entry(*pair).or_default() += 1;
            }
        }
        let asked: Vec<(ByCase, Vec<Named>)> = (0..steps.n_steps() as u32)
            .into_par_iter()
            .map(|asked| of_step(steps, asked, &said, askers[asked as usize], params))
            .collect();
        let mut constants = Self::default();
        for (of, prior) in asked {
            constants.of.extend(of);
            constants.priors.push(prior);
        }
        constants
    }

    pub fn n_rules(&self) -> usize {
        self.of.values().map(Vec::len).sum()
    }

    /// Tells `take` what the rules name for a question, by what is said of its entity: nothing, a step
    /// to any entity, or a step and its target.
    pub fn of(
        &self,
        steps: &Steps,
        query: Query,
        take: &mut impl FnMut(Option<(u32, u32)>, &[Named]),
    ) {
        take(None, &self.priors[query.step as usize]);
        let mut case = |step, target| {
            if let Some(named) = self.of.get(&(query.step, step, target)) {
                take(Some((step, target)), named);
            }
        };
        for group in steps.from(query.entity).chunk_by(|a, b| a.0 == b.0) {
            case(group[0].0, NONE);
            group.iter().for_each(|(step, target)| case(*step, *target));
        }
    }
}

/// The rules that answer one step.
fn of_step(
    steps: &Steps,
    asked: u32,
    said: &HashMap<(u32, u32), usize>,
    n_askers: usize,
    params: &RuleParams,
) -> (ByCase, Vec<Named>) {
    let mut counts: HashMap<(u32, u32, u32), usize> = HashMap::new();
    let mut prior: HashMap<u32, usize> = HashMap::new();
    for entity in 0..steps.n_entities() as u32 {
        let query = Query { entity, step: asked };
        for (_, answer) in steps.along(query).iter().take(FAN) {
            *prior.entry(*answer).or_default() += 1;
            for group in steps.from(entity).chunk_by(|a, b| a.0 == b.0) {
                let step = group[0].0;
                let mut any = false;
                for (_, target) in group.iter().take(FAN).filter(|(_, target)| target != answer) {
                    any = true;
                    *counts.entry((step, *target, *answer)).or_default() += 1;
                }
                if any {
                    *counts.entry((step, NONE, *answer)).or_default() += 1;
                }
            }
        }
    }
    let mut of = ByCase::new();
    for ((step, target, answer), n) in counts {
        let cases = said.get(&(step, target)).copied().unwrap_or_default();
        let confidence = n as f64 / (cases as f64 + UNSEEN);
        if n >= params.support && confidence >= params.least {
            of.entry((asked, step, target)).or_default().push((answer, confidence as f32));
        }
    }
    let cut = |named: &mut Vec<Named>| {
        named.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        named.truncate(NAMED);
    };
    of.values_mut().for_each(cut);
    let confidence = |n: usize| (n as f64 / (n_askers as f64 + UNSEEN)) as f32;
    let mut prior: Vec<Named> =
        prior.into_iter().map(|(answer, n)| (answer, confidence(n))).collect();
    prior.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    (of, prior)
}
