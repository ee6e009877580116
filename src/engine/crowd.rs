//! Questions about everybody: what grows, what goes together, who would care.

use std::collections::BTreeMap;
use std::sync::Arc;

use petgraph::visit::{EdgeRef, IntoEdgeReferences};

use super::{Engine, EngineError, Moment, find};
use crate::event::NodeKey;
use crate::graph::NodeIndex;
use crate::recommend::{
    self, Audience, Named, Recommendation, Together, Trend, TrendCounts, filter_of,
};
use crate::schema::{DAY_MS, NodeKind, Timestamp};
use crate::snapshot::Snapshot;
use crate::store::{EdgeKey, Evidence, NodeId};

/// An answer, the snapshot it is of, and ids that the graph does not have.
pub type Found<T> = (Arc<Snapshot>, T, Vec<String>);

impl Engine {
    /// Candidates, as a recommender ranks them for a user: see [`recommend::rank`].
    ///
    /// # Errors
    /// [`EngineError::Unknown`] for the user, [`EngineError::Recommend`], those of a snapshot.
    pub fn rank(
        &self,
        user: &NodeKey,
        moment: &Moment,
        method: &str,
        candidates: &[NodeKey],
    ) -> Result<Found<Vec<Recommendation>>, EngineError> {
        let snapshot = self.snapshot_as_of(moment.as_of)?;
        let history = self.history(&snapshot, user, moment)?;
        let (nodes, missing) = found_of(&snapshot, candidates);
        let ranked = recommend::rank(&snapshot, &history, method, &nodes)?;
        Ok((snapshot, ranked, missing))
    }

    /// What goes with items: see [`recommend::together`].
    ///
    /// # Errors
    /// Those of a snapshot.
    pub fn frequently_with(
        &self,
        items: &[NodeKey],
        as_of: Option<Timestamp>,
        min_users: usize,
        k: usize,
    ) -> Result<Found<Vec<Together>>, EngineError> {
        let snapshot = self.snapshot_as_of(as_of)?;
        let (nodes, missing) = found_of(&snapshot, items);
        let together = recommend::together(&snapshot, &nodes, min_users, k);
        Ok((snapshot, together, missing))
    }

    /// Who would care for an entity or an item, of those that `filter` lets through: see
    /// [`recommend::audience`].
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Recommend`] for a bad filter, those of a snapshot.
    pub fn audience(
        &self,
        node: &NodeKey,
        filter: &str,
        as_of: Option<Timestamp>,
        k: usize,
    ) -> Result<(Arc<Snapshot>, Audience), EngineError> {
        let snapshot = self.snapshot_as_of(as_of)?;
        let index = find(&snapshot, node)?;
        let filter = filter_of(&snapshot, filter)
            .map_err(|source| recommend::RecommendError::Filter { field: "filter", source })?;
        let audience = recommend::audience(&snapshot, index, &filter, k)?;
        Ok((snapshot, audience))
    }

    /// Nodes of a kind that users turn to more than in the window before, the most grown first, ties by name.
    /// Events that speak against a node do not count.
    ///
    /// # Errors
    /// Those of a snapshot and of reads.
    pub fn trending(
        &self,
        kind: NodeKind,
        as_of: Option<Timestamp>,
        window_days: f64,
        k: usize,
    ) -> Result<(Arc<Snapshot>, Vec<Trend>), EngineError> {
        let snapshot = self.snapshot_as_of(as_of)?;
        let window_ms = ((window_days * DAY_MS as f64) as i64).max(1);
        let start = snapshot.clock.millis() - 2 * window_ms;
        let view = self.store.view();
        let merges = view.merges()?;
        let mut counts: BTreeMap<NodeIndex, TrendCounts> = BTreeMap::new();
        for edge in snapshot.graph().edge_references() {
            let recent = (i64::from(edge.weight().last_minutes) + 1) * 60_000 >= start;
            let names = snapshot.names();
            let of_users = names.kind(edge.source()) == NodeKind::User;
            if !recent || !of_users || names.kind(edge.target()) != kind {
                continue;
            }
            let id = |node| names.get(node).map(|name| NodeId::of(&name.key));
            let (Some(source), Some(target)) = (id(edge.source()), id(edge.target())) else {
                continue;
            };
            let counts = counts.entry(edge.target()).or_default();
            for target in merges.members(target) {
                let key = EdgeKey { source, relation: edge.weight().relation, target };
                for at in times_for(&view, &key)? {
                    counts.add(snapshot.clock.millis() - at.millis(), window_ms);
                }
            }
        }
        let mut trends: Vec<Trend> = counts
            .into_iter()
            .filter(|(_, counts)| counts.events > 0)
            .map(|(node, counts)| {
                let node = Named::of(&snapshot, node);
                Trend { node, growth: counts.growth(), counts }
            })
            .collect();
        trends
            .sort_by(|a, b| b.growth.total_cmp(&a.growth).then_with(|| a.node.id.cmp(&b.node.id)));
        trends.truncate(k);
        Ok((snapshot, trends))
    }
}

/// The times of events that speak for an edge.
fn times_for(view: &crate::store::View<'_>, edge: &EdgeKey) -> Result<Vec<Timestamp>, EngineError> {
    let mut times = Vec::new();
    for item in view.evidence_of(edge)? {
        let (_, stamp, evidence) = item?;
        let speaks_for = match evidence {
            Evidence::Event { strength, .. } => strength > 0.0,
            Evidence::Given { weight } => weight > 0.0,
            _ => false,
        };
        if speaks_for {
            times.push(stamp.at);
        }
    }
    Ok(times)
}

/// The nodes that there are, and the ids of the others.
fn found_of(snapshot: &Snapshot, keys: &[NodeKey]) -> (Vec<NodeIndex>, Vec<String>) {
    let (mut nodes, mut missing) = (Vec::new(), Vec::new());
    for key in keys {
        match snapshot.find(key) {
            Some(node) => nodes.push(node),
            None => missing.push(key.name.clone()),
        }
    }
    (nodes, missing)
}
