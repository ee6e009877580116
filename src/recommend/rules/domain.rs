//! From one domain to another: the history counts where a source filter fits, answers are from where a
//! target filter does.

use super::super::facts::{NodeFacts, filter_of};
use super::super::filter::Filter;
use super::{Asked, Built, Rule, RuleParams};
use crate::graph::NodeIndex;
use crate::recommend::RecommendError;
use crate::snapshot::Snapshot;

struct Domain {
    source: Filter,
    target: Filter,
}

pub(super) fn build(params: &RuleParams, snapshot: &Snapshot) -> Built {
    let read = |field, text| {
        filter_of(snapshot, text).map_err(|source| RecommendError::Filter { field, source })
    };
    let source = read("source_domain", &params.source)?;
    let target = read("target_domain", &params.target)?;
    let asked = !source.is_empty() || !target.is_empty();
    Ok(asked.then(|| Box::new(Domain { source, target }) as Box<dyn Rule>))
}

impl Rule for Domain {
    fn counts(&self, asked: &Asked<'_>, target: NodeIndex) -> bool {
        self.source.matches(&NodeFacts::new(asked.snapshot, target))
    }

    fn keeps(&self, asked: &Asked<'_>, node: NodeIndex) -> bool {
        self.target.matches(&NodeFacts::new(asked.snapshot, node))
    }
}
