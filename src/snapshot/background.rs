//! Everybody's interests: what a user's own are compared with, and what is popular.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::graph::NodeIndex;
use crate::schema::NodeKind;

use super::Snapshot;

/// How many of the most popular items are listed.
const POPULAR: usize = 1000;

/// A background as it is written down.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Ascending by node.
    entities: Vec<(u64, f64)>,
    /// Ascending by name.
    types: Vec<(String, (f64, usize))>,
    popular: Vec<(u64, f64)>,
    smoothing: f64,
}

/// Nodes that threads share out at a time.
const NODES: usize = 1 << 14;

/// Strengths summed over all users, decayed at the long horizon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Background {
    /// By entity.
    entities: HashMap<NodeIndex, f64>,
    /// Sum and number of entities, by type.
    types: HashMap<String, (f64, usize)>,
    /// Items and contents with their share of all that users did, the most popular first.
    popular: Vec<(NodeIndex, f64)>,
    smoothing: f64,
}

impl Background {
    /// Sums over the base of `snapshot`.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let smoothing = snapshot.schema().interest.background_smoothing;
        let mut background = Self { smoothing, ..Self::default() };
        let mut items_total = 0.0;
        for kind in [NodeKind::Item, NodeKind::Content] {
            let items: Vec<_> = snapshot.names().of_kind(kind).collect();
            for items in items.chunks(NODES) {
                let of_item = |item: &NodeIndex| {
                    let weight = everybody(snapshot, *item);
                    (weight > 0.0).then(|| (*item, weight, snapshot.entities(*item)))
                };
                let found: Vec<_> = items.par_iter().map(of_item).collect();
                for (item, weight, facets) in found.into_iter().flatten() {
                    background.popular.push((item, weight));
                    items_total += weight;
                    for facet in facets {
                        *background.entities.entry(facet.entity).or_default() +=
                            weight * facet.share;
                    }
                }
            }
        }
        background.popular.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        background.popular.truncate(POPULAR);
        background.popular.iter_mut().for_each(|(_, weight)| *weight /= items_total);
        let entities: Vec<_> = snapshot.names().of_kind(NodeKind::Entity).collect();
        let direct: Vec<_> =
            entities.par_iter().map(|entity| everybody(snapshot, *entity)).collect();
        for (entity, direct) in entities.into_iter().zip(direct) {
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

    /// As bytes that [`Background::decode`] reads: the same background, the same bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let number = |(node, weight): (NodeIndex, f64)| (node.index() as u64, weight);
        let entities = self.entities.iter().map(|(node, weight)| number((*node, *weight)));
        let mut record = Record {
            entities: entities.collect(),
            types: self.types.iter().map(|(name, sums)| (name.clone(), *sums)).collect(),
            popular: self.popular.iter().copied().map(number).collect(),
            smoothing: self.smoothing,
        };
        record.entities.sort_unstable_by_key(|(node, _)| *node);
        record.types.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        postcard::to_stdvec(&record).expect("numbers and texts are written into a Vec")
    }

    /// Reads what [`Background::encode`] wrote, if all its nodes are below `n_nodes`.
    pub(super) fn decode(bytes: &[u8], n_nodes: usize) -> Option<Self> {
        let (record, rest) = postcard::take_from_bytes::<Record>(bytes).ok()?;
        let node = |(index, weight): (u64, f64)| {
            let index = usize::try_from(index).ok().filter(|index| *index < n_nodes)?;
            Some((NodeIndex::new(index), weight))
        };
        let background = Self {
            entities: record.entities.into_iter().map(node).collect::<Option<_>>()?,
            types: record.types.into_iter().collect(),
            popular: record.popular.into_iter().map(node).collect::<Option<_>>()?,
            smoothing: record.smoothing,
        };
        rest.is_empty().then_some(background)
    }

    /// An entity's smoothed share among all entities of its type, in (0, 1).
    pub fn share(&self, entity: NodeIndex, entity_type: &str) -> f64 {
        let (total, count) = self.types.get(entity_type).copied().unwrap_or((0.0, 1));
        let sum = self.entities.get(&entity).copied().unwrap_or(0.0).max(0.0);
        let evenly = self.smoothing / count.max(1) as f64;
        (sum + evenly) / (total.max(0.0) + self.smoothing)
    }

    /// The thousand most popular items and contents with their share of all that users did, in
    /// (0, 1], the most popular first.
    pub fn popular(&self) -> &[(NodeIndex, f64)] {
        &self.popular
    }
}

/// What all users' events on a node are worth, those for less those against.
fn everybody(snapshot: &Snapshot, node: NodeIndex) -> f64 {
    let half_life = Some(snapshot.schema().interest.long_half_life_days);
    snapshot
        .neighbors(node, petgraph::Incoming, NodeKind::User)
        .map(|(_, data)| data.worth(snapshot.clock, half_life))
        .sum()
}
