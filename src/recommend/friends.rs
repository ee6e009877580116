//! What those did whom the user follows.
//!
//! Following a user brings each item of theirs the following's weight times the item's share of what
//! they care for: so who does much speaks no louder than who does little.

use petgraph::Outgoing;
use petgraph::visit::{EdgeRef, IntoEdgesDirected};

use super::{Part, RecommendError, Recommender, Scores};
use crate::explain::History;
use crate::graph::NodeIndex;
use crate::schema::NodeKind;
use crate::snapshot::Snapshot;

const NAME: &str = "friends";

/// Items of users whom the history follows.
pub struct Friends;

impl Recommender for Friends {
    fn score(&self, snapshot: &Snapshot, history: &History) -> Result<Scores, RecommendError> {
        let mut scores = Scores::new();
        for (place, act) in history.acts.iter().enumerate() {
            if snapshot.names().kind(act.target) != NodeKind::User {
                continue;
            }
            let half_life = snapshot.schema().relation(act.action).and_then(|r| r.half_life_days);
            let now = history.last().unwrap_or(act.at);
            let weight = act.worth(now, half_life.unwrap_or(f64::INFINITY));
            if weight == 0.0 {
                continue;
            }
            for (item, share) in shares(snapshot, act.target) {
                let part = Part { source: NAME, act: Some(place), value: weight * share };
                scores.entry(item).or_default().push(part);
            }
        }
        Ok(scores)
    }
}

/// A user's items and contents, each with its share of what the user cares for.
fn shares(snapshot: &Snapshot, user: NodeIndex) -> Vec<(NodeIndex, f64)> {
    let mut shares: Vec<(NodeIndex, f64)> = snapshot
        .graph()
        .edges_directed(user, Outgoing)
        .filter(|edge| {
            let kind = snapshot.names().kind(edge.target());
            matches!(kind, NodeKind::Item | NodeKind::Content)
        })
        .map(|edge| (edge.target(), snapshot.weigh(edge.id(), edge.weight())))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    // Several relations may lead to one item; summed in an order that nothing else decides.
    shares.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let total: f64 = shares.iter().map(|(_, weight)| weight).sum();
    shares.iter_mut().for_each(|(_, weight)| *weight /= total);
    shares
}
