//! Where walks over people and entities lead: personalised PageRank from each item of the history.
//!
//! One push per item, from that item alone, so that the scores are exactly linear in the events'
//! weights; a snapshot keeps each item's answer.

use petgraph::visit::{EdgeRef, UndirectedAdaptor};

use super::{RecommendError, Recommender, Scores, from_neighbors};
use crate::explain::History;
use crate::graph::NodeIndex;
use crate::schema::NodeKind;
use crate::snapshot::{Ranked, Snapshot};
use crate::traverse::{PprParams, PprScratch};

pub(super) const NAME: &str = "ppr";

/// Items kept for an item.
const NEIGHBORS: usize = 200;

/// Items by the probability that a walk from the history's ends there.
pub struct Ppr {
    params: PprParams,
}

impl Default for Ppr {
    /// Walks end with probability 0.3 at each step: three steps, from item over user to item, are
    /// walked more often than not, and few go on to where everything is near.
    fn default() -> Self {
        Self { params: PprParams { alpha: 0.3, epsilon: 2e-5, ..PprParams::default() } }
    }
}

impl Recommender for Ppr {
    fn score(&self, snapshot: &Snapshot, history: &History) -> Result<Scores, RecommendError> {
        from_neighbors(snapshot, history, NAME, |item| {
            snapshot.nearest(NAME, item, || self.nearest(snapshot, item))
        })
    }
}

impl Ppr {
    /// The items and contents where walks from `item` over the snapshot's base end, best first.
    fn nearest(&self, snapshot: &Snapshot, item: NodeIndex) -> Result<Ranked, RecommendError> {
        let graph = UndirectedAdaptor(&**snapshot.graph().base());
        let mut scratch = PprScratch::new();
        scratch.run(graph, &[(item, 1.0)], |edge| snapshot.base_weight(edge.id()), &self.params)?;
        let mut nearest: Vec<_> = scratch
            .scores()
            .map(|(index, score)| (NodeIndex::new(index), score))
            .filter(|(node, _)| {
                let kind = snapshot.names().kind(*node);
                *node != item && matches!(kind, NodeKind::Item | NodeKind::Content)
            })
            .collect();
        nearest.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        nearest.truncate(NEIGHBORS);
        Ok(nearest.into_boxed_slice())
    }
}
