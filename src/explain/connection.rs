//! How one item leads to another: the entities that both have, the people who liked both.

use std::collections::BTreeMap;

use crate::graph::NodeIndex;
use crate::schema::{NodeKind, RelationId};
use crate::snapshot::{Facet, Snapshot};

/// An entity that two items share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shared {
    /// The entity.
    pub entity: NodeIndex,
    /// From the first item to it.
    pub first: RelationId,
    /// From the second item to it.
    pub second: RelationId,
    /// How much it says that both have it: bits, by how few users care for it.
    pub bits: f64,
}

/// What joins two items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    /// Entities that both have, the most telling first.
    pub shared: Vec<Shared>,
    /// Users with an edge of positive worth to both.
    pub users: usize,
}

/// What joins `from` and `to` in `snapshot`.
pub fn connect(snapshot: &Snapshot, from: NodeIndex, to: NodeIndex) -> Connection {
    let theirs: BTreeMap<NodeIndex, Facet> =
        snapshot.entities(to).into_iter().map(|facet| (facet.entity, facet)).collect();
    let mut shared: Vec<Shared> = snapshot
        .entities(from)
        .into_iter()
        .filter_map(|facet| {
            let other = theirs.get(&facet.entity)?;
            let entity_type = snapshot.names().entity_type(facet.entity);
            let bits = -snapshot.background().share(facet.entity, entity_type).log2();
            let (first, second) = (facet.relation, other.relation);
            Some(Shared { entity: facet.entity, first, second, bits })
        })
        .collect();
    shared.sort_by(|a, b| b.bits.total_cmp(&a.bits).then(a.entity.cmp(&b.entity)));
    let users = |item| {
        let mut users: Vec<_> = snapshot
            .neighbors(item, petgraph::Incoming, NodeKind::User)
            .filter(|(_, data)| data.sum > 0.0)
            .map(|(user, _)| user)
            .collect();
        users.sort_unstable();
        users.dedup();
        users
    };
    let (ours, others) = (users(from), users(to));
    let users = ours.iter().filter(|user| others.binary_search(user).is_ok()).count();
    Connection { shared, users }
}
