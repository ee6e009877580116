//! Only what a filter lets through is shown.

use super::super::facts::{NodeFacts, filter_of};
use super::super::filter::Filter;
use super::{Asked, Built, Rule, RuleParams};
use crate::graph::NodeIndex;
use crate::recommend::RecommendError;
use crate::snapshot::Snapshot;

struct Filtered(Filter);

pub(super) fn build(params: &RuleParams, snapshot: &Snapshot) -> Built {
    let filter = filter_of(snapshot, &params.filter)
        .map_err(|source| RecommendError::Filter { field: "filter", source })?;
    Ok((!filter.is_empty()).then(|| Box::new(Filtered(filter)) as Box<dyn Rule>))
}

impl Rule for Filtered {
    fn keeps(&self, asked: &Asked<'_>, node: NodeIndex) -> bool {
        self.0.matches(&NodeFacts::new(asked.snapshot, node))
    }
}
