//! What shares its entities with what stands above it waits: maximal marginal relevance.

use super::super::mmr::{jaccard, rerank};
use super::{Asked, Built, Candidate, Rule, RuleParams, pool, share};
use crate::snapshot::Snapshot;

struct Diversity(f64);

pub(super) fn build(params: &RuleParams, _: &Snapshot) -> Built {
    let diversity = share("diversity", params.diversity)?;
    Ok((diversity > 0.0).then(|| Box::new(Diversity(diversity)) as Box<dyn Rule>))
}

impl Rule for Diversity {
    fn arrange(&self, asked: &Asked<'_>, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        let rest = candidates.split_off(candidates.len().min(pool(asked.k)));
        let entities: Vec<Vec<_>> = candidates
            .iter()
            .map(|candidate| {
                let facets = asked.snapshot.entities(candidate.node);
                facets.into_iter().map(|facet| facet.entity).collect()
            })
            .collect();
        let relevance: Vec<f64> = candidates.iter().map(|candidate| candidate.score).collect();
        let like = |a: usize, b: usize| jaccard(&entities[a], &entities[b]);
        let order = rerank(&relevance, like, asked.k, self.0);
        super::chosen_first(candidates, &order).into_iter().chain(rest).collect()
    }
}
