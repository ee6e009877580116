//! Everybody's interests: what a user's own are compared with, and what is popular.

use std::collections::HashMap;

use crate::graph::NodeIndex;
use crate::schema::NodeKind;

use super::Snapshot;

/// Strengths summed over all users, decayed at the long horizon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Background {
    /// By entity.
    entities: HashMap<NodeIndex, f64>,
    /// Sum and number of entities, by type.
    types: HashMap<String, (f64, usize)>,
    /// By item or content.
    items: HashMap<NodeIndex, f64>,
    items_total: f64,
    smoothing: f64,
}

impl Background {
    /// Sums over the base of `snapshot`.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let smoothing = snapshot.schema().interest.background_smoothing;
        let mut background = Self { smoothing, ..Self::default() };
        for kind in [NodeKind::Item, NodeKind::Content] {
            for item in snapshot.names().of_kind(kind) {
                let weight = background.everybody(snapshot, item);
                if weight <= 0.0 {
                    continue;
                }
                background.items.insert(item, weight);
                background.items_total += weight;
                for facet in snapshot.entities(item) {
                    *background.entities.entry(facet.entity).or_default() += weight * facet.share;
                }
            }
        }
        for entity in snapshot.names().of_kind(NodeKind::Entity) {
            let direct = background.everybody(snapshot, entity);
            if direct > 0.0 {
                *background.entities.entry(entity).or_default() += direct;
            }
            let entity_type = snapshot.names().entity_type(entity).to_owned();
            let sum = background.entities.get(&entity).copied().unwrap_or(0.0);
            let (total, count) = background.types.entry(entity_type).or_default();
            *total += sum;
            *count += 1;
        }
        background
    }

    /// What all users' events on a node are worth, those for less those against.
    fn everybody(&self, snapshot: &Snapshot, node: NodeIndex) -> f64 {
        let half_life = Some(snapshot.schema().interest.long_half_life_days);
        snapshot
            .neighbors(node, petgraph::Incoming, NodeKind::User)
            .map(|(_, data)| data.worth(snapshot.clock, half_life))
            .sum()
    }

    /// An entity's smoothed share among all entities of its type, in (0, 1).
    pub fn share(&self, entity: NodeIndex, entity_type: &str) -> f64 {
        let (total, count) = self.types.get(entity_type).copied().unwrap_or((0.0, 1));
        let sum = self.entities.get(&entity).copied().unwrap_or(0.0).max(0.0);
        let evenly = self.smoothing / count.max(1) as f64;
        (sum + evenly) / (total.max(0.0) + self.smoothing)
    }

    /// An item's share of all that users did, in [0, 1].
    pub fn popularity(&self, item: NodeIndex) -> f64 {
        let sum = self.items.get(&item).copied().unwrap_or(0.0);
        if self.items_total > 0.0 { sum / self.items_total } else { 0.0 }
    }

    /// Every item that users did something for, in no useful order.
    pub fn items(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.items.keys().copied()
    }
}
