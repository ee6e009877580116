//! What the user has acted on is not shown again, unless the request wants it.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::{Asked, Built, Rule, RuleParams};
use crate::graph::NodeIndex;
use crate::snapshot::Snapshot;

#[derive(Default)]
struct Seen(OnceCell<BTreeSet<NodeIndex>>);

pub(super) fn build(params: &RuleParams, _: &Snapshot) -> Built {
    Ok((!params.keep_seen).then(|| Box::new(Seen::default()) as Box<dyn Rule>))
}

impl Rule for Seen {
    fn keeps(&self, asked: &Asked<'_>, node: NodeIndex) -> bool {
        !self.0.get_or_init(|| asked.history.seen()).contains(&node)
    }
}
