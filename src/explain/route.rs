//! A path by the names of its nodes and relations, free of the snapshot it was found in.

use serde::Serialize;

use crate::event::NodeKey;
use crate::graph::{EdgeIndex, NodeIndex};
use crate::snapshot::Snapshot;
use crate::traverse::Path;

/// A node on a route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stop {
    /// Kind and name.
    pub key: NodeKey,
    /// What people call it.
    pub label: String,
}

/// An edge on a route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The relation's name.
    pub relation: String,
    /// Does the route run from the edge's source to its target?
    pub forward: bool,
}

/// A path without loops.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Route {
    /// Source to target; one more than `steps`.
    pub stops: Vec<Stop>,
    /// The edges between them, in order.
    pub steps: Vec<Step>,
    /// The probability that a walk from the source takes just these edges, in (0, 1].
    pub score: f64,
}

impl Route {
    /// The names of a path of `snapshot`; `None` when it is of another one.
    pub fn of(snapshot: &Snapshot, path: &Path<NodeIndex, EdgeIndex>) -> Option<Self> {
        let stop = |node: &NodeIndex| {
            let name = snapshot.names().get(*node)?;
            Some(Stop { key: name.key.clone(), label: name.label.clone() })
        };
        let step = |(from, edge): (&NodeIndex, &EdgeIndex)| {
            let (source, _) = snapshot.graph().edge_endpoints(*edge)?;
            let relation = snapshot.graph().edge_weight(*edge)?.relation;
            let relation = snapshot.schema().relation_name(relation).to_owned();
            Some(Step { relation, forward: source == *from })
        };
        Some(Self {
            stops: path.nodes.iter().map(stop).collect::<Option<_>>()?,
            steps: path.nodes.iter().zip(&path.edges).map(step).collect::<Option<_>>()?,
            score: path.score,
        })
    }
}
