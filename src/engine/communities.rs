//! How the nodes of the graph fall into groups.

use petgraph::visit::EdgeRef;

use super::{Engine, EngineError};
use crate::snapshot::Snapshot;
use crate::traverse::{self, Budget, Communities, CommunityParams, Components};

impl Engine {
    /// Nodes that have more to do with each other than with the rest: see [`traverse::communities()`].
    ///
    /// # Errors
    /// [`EngineError::Traverse`].
    pub fn communities(
        &self,
        snapshot: &Snapshot,
        params: &CommunityParams,
    ) -> Result<Communities, EngineError> {
        let weigh =
            |edge: crate::graph::EdgeReference<'_>| snapshot.weigh(edge.id(), edge.weight());
        Ok(traverse::communities(snapshot.graph(), weigh, params)?)
    }

    /// Nodes that hang together: see [`traverse::connected_components`].
    ///
    /// # Errors
    /// [`EngineError::Traverse`].
    pub fn components(
        &self,
        snapshot: &Snapshot,
        budget: &Budget,
    ) -> Result<Components, EngineError> {
        let weigh =
            |edge: crate::graph::EdgeReference<'_>| snapshot.weigh(edge.id(), edge.weight());
        Ok(traverse::connected_components(snapshot.graph(), weigh, budget)?)
    }
}
