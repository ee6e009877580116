//! Items that the same people care for: cosine of the items' users, weighted by the events' worth.
//!
//! Source: Sarwar, Karypis, Konstan & Riedl, "Item-based collaborative filtering recommendation
//! algorithms", WWW 2001; Deshpande & Karypis, "Item-based top-N recommendation algorithms", TOIS
//! 2004, whose sum over the user's items is ours, with each event's weight.

use std::collections::HashMap;

use petgraph::visit::{EdgeRef, IntoEdgesDirected};
use petgraph::{Incoming, Outgoing};

use super::{RecommendError, Recommender, Scores, from_neighbors};
use crate::explain::History;
use crate::graph::NodeIndex;
use crate::schema::NodeKind;
use crate::snapshot::{Ranked, Snapshot};

pub(super) const NAME: &str = "item_item";

/// Neighbours kept for an item (Deshpande & Karypis 2004, section 6, find more to bring little).
const NEIGHBORS: usize = 200;

/// Items near those of the history by the cosine of their users.
pub struct ItemItem;

impl Recommender for ItemItem {
    fn score(&self, snapshot: &Snapshot, history: &History) -> Result<Scores, RecommendError> {
        from_neighbors(snapshot, history, NAME, |item| {
            snapshot.nearest(NAME, item, || Ok(nearest(snapshot, item)))
        })
    }
}

/// The items nearest to `item` in the snapshot's base, best first.
pub(super) fn nearest(snapshot: &Snapshot, item: NodeIndex) -> Ranked {
    let graph = &**snapshot.graph().base();
    let users = |item| {
        graph.edges_directed(item, Incoming).filter_map(|edge| {
            let weight = snapshot.base_weight(edge.id());
            let user = snapshot.names().kind(edge.source()) == NodeKind::User && weight > 0.0;
            user.then(|| (edge.source(), weight))
        })
    };
    let own = snapshot.norm(item);
    if own == 0.0 {
        return Ranked::default();
    }
    let mut products: HashMap<NodeIndex, f64> = HashMap::new();
    for (user, weight) in users(item) {
        for edge in graph.edges_directed(user, Outgoing) {
            let other = edge.target();
            let worth = snapshot.base_weight(edge.id());
            if other != item && worth > 0.0 {
                *products.entry(other).or_default() += weight * worth;
            }
        }
    }
    let mut nearest: Vec<_> = products
        .into_iter()
        .map(|(other, product)| (other, product / (own * snapshot.norm(other))))
        .collect();
    nearest.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    nearest.truncate(NEIGHBORS);
    nearest.into_boxed_slice()
}
