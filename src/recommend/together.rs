//! What goes with given items in everybody's hands: association rules over users' baskets.

use std::collections::BTreeSet;

use petgraph::visit::{EdgeRef, IntoEdgesDirected};
use petgraph::{Incoming, Outgoing};
use serde::Serialize;

use super::{Named, association};
use crate::graph::{EdgeReference, NodeIndex};
use crate::schema::NodeKind;
use crate::snapshot::Snapshot;

/// An item that goes with others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Together {
    /// The item.
    #[serde(flatten)]
    pub item: Named,
    /// Which of the given items it goes with most.
    pub with: Vec<String>,
    /// Users who care for all of them.
    pub users: usize,
    /// Users who care for those that it goes with.
    pub of: usize,
    /// The share of all users who care for all of them.
    pub support: f64,
    /// The share of those who care for the given ones.
    pub confidence: f64,
    /// How many times as likely as for anybody.
    pub lift: f64,
    /// As the lift, with the lower end of the confidence's interval at 95 %: the order of the answer.
    pub careful_lift: f64,
}

/// What goes with `items`, best first; a rule needs `min_users`.
pub fn together(
    snapshot: &Snapshot,
    items: &[NodeIndex],
    min_users: usize,
    k: usize,
) -> Vec<Together> {
    let names = snapshot.names();
    let given: BTreeSet<NodeIndex> = items.iter().copied().collect();
    let cared = |edge: EdgeReference<'_>| snapshot.weigh(edge.id(), edge.weight()) > 0.0;
    let holders = |item| {
        let edges = snapshot.graph().edges_directed(item, Incoming);
        let users =
            edges.filter(|edge| names.kind(edge.source()) == NodeKind::User && cared(*edge));
        let users: BTreeSet<NodeIndex> = users.map(|edge| edge.source()).collect();
        users.into_iter().collect::<Vec<_>>()
    };
    let contents = |user| {
        let edges = snapshot.graph().edges_directed(user, Outgoing);
        let held = edges.filter(|edge| {
            let kind = names.kind(edge.target());
            matches!(kind, NodeKind::Item | NodeKind::Content) && cared(*edge)
        });
        held.map(|edge| edge.target()).collect()
    };
    let n_users = (0..petgraph::visit::NodeCount::node_count(&snapshot.graph()))
        .filter(|node| names.kind(NodeIndex::new(*node)) == NodeKind::User)
        .count();
    let rules = association::with(&given, n_users, holders, contents, min_users);
    let name = |node: &NodeIndex| Named::of(snapshot, *node).id;
    rules
        .into_iter()
        .take(k)
        .map(|rule| Together {
            item: Named::of(snapshot, rule.consequent),
            with: rule.antecedent.iter().map(name).collect(),
            users: rule.count,
            of: rule.of,
            support: rule.support,
            confidence: rule.confidence,
            lift: rule.lift,
            careful_lift: rule.careful_lift,
        })
        .collect()
}
