//! A share of the places goes to others than the best, with the probability of it.

use super::super::explore::{Policy, draws, fill};
use super::{Asked, Built, Candidate, Rule, RuleParams, pool, share};
use crate::snapshot::Snapshot;

struct Exploration {
    share: f64,
    policy: Policy,
    seed: u64,
}

pub(super) fn build(params: &RuleParams, _: &Snapshot) -> Built {
    let share = share("exploration", params.exploration)?;
    let (policy, seed) = (params.policy, params.seed);
    let rule = Exploration { share, policy, seed };
    Ok((share > 0.0).then(|| Box::new(rule) as Box<dyn Rule>))
}

impl Rule for Exploration {
    fn arrange(&self, asked: &Asked<'_>, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        let rest = candidates.split_off(candidates.len().min(pool(asked.k)));
        let mut rng = draws(self.seed, &asked.request);
        let trials = |place: usize| asked.shown.trials(candidates[place].node);
        let sizes = (candidates.len(), asked.k);
        let slots = fill(sizes, self.share, self.policy, trials, &mut rng);
        for slot in &slots {
            let instead_of = slot.instead_of.map(|other| candidates[other].node);
            let candidate = &mut candidates[slot.candidate];
            candidate.propensity = slot.propensity;
            candidate.instead_of = instead_of;
        }
        let order: Vec<usize> = slots.iter().map(|slot| slot.candidate).collect();
        super::chosen_first(candidates, &order).into_iter().chain(rest).collect()
    }
}
