//! Who would care for an entity or an item: questions about interest asked from the other end.
//!
//! For an entity, what each user did to it and to things that have it: each thing's worth to the user times
//! the entity's share of the thing. For an item or a content, what each user did to the items nearest to it,
//! times their nearness, as the recommender `item_item` has it; who knows it already is left out.

use std::collections::{BTreeMap, HashMap};

use petgraph::Incoming;
use petgraph::visit::{EdgeRef, IntoEdgesDirected};
use serde::Serialize;

use super::facts::NodeFacts;
use super::filter::Filter;
use super::{Named, RecommendError, item_item};
use crate::graph::NodeIndex;
use crate::schema::NodeKind;
use crate::snapshot::Snapshot;

/// A part of how much a user would care.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AudiencePart {
    /// What the user did something to.
    #[serde(flatten)]
    pub target: Named,
    /// What it brings.
    pub value: f64,
}

/// A user who would care.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AudienceMember {
    /// The user.
    pub user: String,
    /// How much: the sum of the parts.
    pub strength: f64,
    /// What it comes from, the greatest first.
    pub parts: Vec<AudiencePart>,
}

/// Users who would care.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audience {
    /// How many there are in all.
    pub reach: usize,
    /// The strongest, ties by name.
    pub members: Vec<AudienceMember>,
}

/// The users who would care for `node` most, of those that a filter lets through.
///
/// # Errors
/// [`RecommendError::Traverse`].
pub fn audience(
    snapshot: &Snapshot,
    node: NodeIndex,
    filter: &Filter,
    k: usize,
) -> Result<Audience, RecommendError> {
    let names = snapshot.names();
    let of_entity = matches!(names.kind(node), NodeKind::Entity | NodeKind::Concept);
    let targets = if of_entity { things(snapshot, node) } else { near(snapshot, node)? };
    let mut parts: HashMap<NodeIndex, BTreeMap<NodeIndex, f64>> = HashMap::new();
    for (target, factor) in targets {
        for (user, worth) in users(snapshot, target) {
            *parts.entry(user).or_default().entry(target).or_default() += worth * factor;
        }
    }
    if !of_entity {
        let knowing = snapshot.neighbors(node, Incoming, NodeKind::User);
        knowing.for_each(|(user, _)| drop(parts.remove(&user)));
    }
    let name = |node| names.get(node).map(|name| name.key.name.as_str()).unwrap_or_default();
    let mut members: Vec<(f64, &str, BTreeMap<NodeIndex, f64>)> = parts
        .into_iter()
        .filter(|(user, _)| filter.matches(&NodeFacts::new(snapshot, *user)))
        .map(|(user, parts)| (parts.values().sum(), name(user), parts))
        .collect();
    members.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let reach = members.len();
    members.truncate(k);
    let member = |(strength, user, parts): (f64, &str, BTreeMap<NodeIndex, f64>)| {
        let mut parts: Vec<AudiencePart> = parts
            .into_iter()
            .map(|(target, value)| AudiencePart { target: Named::of(snapshot, target), value })
            .collect();
        parts.sort_by(|a, b| {
            b.value.total_cmp(&a.value).then_with(|| a.target.id.cmp(&b.target.id))
        });
        AudienceMember { user: user.to_owned(), strength, parts }
    };
    Ok(Audience { reach, members: members.into_iter().map(member).collect() })
}

/// An entity itself, and things that have it, each with the entity's share of it.
fn things(snapshot: &Snapshot, entity: NodeIndex) -> Vec<(NodeIndex, f64)> {
    let mut things = vec![(entity, 1.0)];
    for kind in [NodeKind::Item, NodeKind::Content] {
        let mut found: Vec<NodeIndex> =
            snapshot.neighbors(entity, Incoming, kind).map(|(thing, _)| thing).collect();
        found.sort_unstable();
        found.dedup();
        for thing in found {
            let facets = snapshot.entities(thing);
            let facet = facets.iter().find(|facet| facet.entity == entity);
            things.extend(facet.map(|facet| (thing, facet.share)));
        }
    }
    things
}

/// The items nearest to one.
fn near(snapshot: &Snapshot, item: NodeIndex) -> Result<Vec<(NodeIndex, f64)>, RecommendError> {
    let nearest = snapshot.nearest(item_item::NAME, item, || {
        Ok::<_, RecommendError>(item_item::nearest(snapshot, item))
    })?;
    let named = |(node, _): &&(NodeIndex, f64)| {
        matches!(snapshot.names().kind(*node), NodeKind::Item | NodeKind::Content)
    };
    Ok(nearest.iter().filter(named).copied().collect())
}

/// Users who did something for a node, and what it is worth.
fn users(snapshot: &Snapshot, node: NodeIndex) -> impl Iterator<Item = (NodeIndex, f64)> + '_ {
    snapshot.graph().edges_directed(node, Incoming).filter_map(|edge| {
        let worth = snapshot.weigh(edge.id(), edge.weight());
        let user = snapshot.names().kind(edge.source()) == NodeKind::User;
        (user && worth > 0.0).then(|| (edge.source(), worth))
    })
}
