//! Everybody's baskets, and the rules that they follow.

use std::collections::BTreeSet;
use std::sync::Arc;

use petgraph::Outgoing;
use petgraph::visit::{EdgeRef, IntoEdgesDirected};

use super::{Engine, EngineError};
use crate::explain::History;
use crate::graph::NodeIndex;
use crate::recommend::{self, BasketRuleParams, BasketRules, sittings};
use crate::schema::{NodeKind, Timestamp};
use crate::snapshot::Snapshot;
use crate::store::NodeId;

/// What a basket is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Baskets {
    /// All that a user cares for, as it weighs at the snapshot's time.
    Users,
    /// What a user did something for in one sitting.
    Sittings {
        /// The longest time between two events of one sitting, in milliseconds.
        gap_ms: i64,
    },
}

impl Engine {
    /// The association rules of everybody's baskets of items and contents: see [`recommend::basket_rules`].
    /// Events that speak against something put it in no basket.
    ///
    /// # Errors
    /// [`EngineError::Recommend`] for a number out of its range or too many sets, those of a snapshot and of
    /// reads.
    pub fn basket_rules(
        &self,
        baskets: Baskets,
        as_of: Option<Timestamp>,
        params: &BasketRuleParams,
    ) -> Result<(Arc<Snapshot>, BasketRules), EngineError> {
        let snapshot = self.snapshot_as_of(as_of)?;
        let baskets = match baskets {
            Baskets::Users => of_users(&snapshot),
            Baskets::Sittings { gap_ms } => self.of_sittings(&snapshot, gap_ms)?,
        };
        let rules = recommend::basket_rules(&snapshot, &baskets, params)?;
        Ok((snapshot, rules))
    }

    fn of_sittings(
        &self,
        snapshot: &Snapshot,
        gap_ms: i64,
    ) -> Result<Vec<BTreeSet<NodeIndex>>, EngineError> {
        let view = self.store.view();
        let mut baskets = Vec::new();
        for user in users(snapshot) {
            let Some(name) = snapshot.names().get(user) else { continue };
            let id = NodeId::of(&name.key);
            let history = History::read(&view, snapshot, id, snapshot.as_of, &BTreeSet::new())?;
            let acts = history.acts.iter().filter(|act| act.strength > 0.0);
            let acts: Vec<_> = acts
                .filter(|act| is_held(snapshot, act.target))
                .map(|act| (act.at.millis(), act.target))
                .collect();
            baskets.extend(sittings(&acts, gap_ms));
        }
        Ok(baskets)
    }
}

fn users(snapshot: &Snapshot) -> impl Iterator<Item = NodeIndex> + '_ {
    let nodes = (0..snapshot.graph().node_count()).map(NodeIndex::new);
    nodes.filter(|node| snapshot.names().kind(*node) == NodeKind::User)
}

/// Is it a thing that baskets hold?
fn is_held(snapshot: &Snapshot, node: NodeIndex) -> bool {
    matches!(snapshot.names().kind(node), NodeKind::Item | NodeKind::Content)
}

fn of_users(snapshot: &Snapshot) -> Vec<BTreeSet<NodeIndex>> {
    let basket = |user| {
        let edges = snapshot.graph().edges_directed(user, Outgoing);
        let held = edges.filter(|edge| {
            is_held(snapshot, edge.target()) && snapshot.weigh(edge.id(), edge.weight()) > 0.0
        });
        held.map(|edge| edge.target()).collect()
    };
    users(snapshot).map(basket).collect()
}
