//! Everybody's interactions as models are fitted to them, and what the models' numbers stand for.

use std::collections::HashMap;

use petgraph::Outgoing;
use petgraph::visit::{EdgeRef, IntoEdgesDirected};

use super::Snapshot;
use crate::graph::NodeIndex;
use crate::model::{Act, Interactions, ModelError, Query, Recipe, Side, Sparse, Sum, Training};
use crate::schema::{NodeKind, RelationId, Timestamp};

/// Share of all interactions from which up an action may be the one that models predict.
const ENOUGH: f64 = 0.1;

/// Seed of models that draw: a snapshot's answers are the same at every start.
const SEED: u64 = 1;

/// Users and items of a snapshot, numbered as models number them.
#[derive(Clone, Debug, Default)]
pub struct Population {
    /// What models are fitted to.
    pub training: Training,
    users: Vec<NodeIndex>,
    user_of: HashMap<NodeIndex, u32>,
    items: Vec<NodeIndex>,
    item_of: HashMap<NodeIndex, u32>,
    actions: Vec<RelationId>,
}

impl Population {
    /// Of the base of `snapshot`. `target` is the action to predict: without one, the strongest that
    /// makes up a tenth of all interactions.
    pub fn of(snapshot: &Snapshot, target: Option<RelationId>) -> Self {
        let kind = |node: NodeIndex| snapshot.names().kind(node);
        let graph = &**snapshot.graph().base();
        let nodes = || (0..graph.node_count()).map(NodeIndex::new);
        let users: Vec<_> = nodes().filter(|node| kind(*node) == NodeKind::User).collect();
        let is_item = |node: &NodeIndex| matches!(kind(*node), NodeKind::Item | NodeKind::Content);
        let items: Vec<_> = nodes().filter(is_item).collect();
        let (user_of, item_of) = (numbers(&users), numbers(&items));
        let mut actions: Vec<_> = snapshot.schema().actions().filter(|a| a.weight > 0.0).collect();
        actions.sort_by(|a, b| a.weight.total_cmp(&b.weight).then(a.id.cmp(&b.id)));
        let actions: Vec<RelationId> = actions.into_iter().map(|action| action.id).collect();
        let (mut acts, mut friends) = (Vec::new(), Vec::new());
        for (number, user) in (0..).zip(&users) {
            for edge in graph.edges_directed(*user, Outgoing) {
                let (data, weight) = (edge.data(), snapshot.base_weight(edge.id()) as f32);
                let action = actions.iter().position(|action| *action == data.relation);
                let (Some(action), true) = (action, data.sum > 0.0) else { continue };
                if let Some(item) = item_of.get(&edge.target()) {
                    let at = i64::from(data.last_minutes) * 60;
                    let act = Act { item: *item, behavior: action as u8, at, value: data.sum };
                    acts.push((number, act));
                } else if let Some(friend) = user_of.get(&edge.target()) {
                    friends.push((number, *friend, weight));
                }
            }
        }
        let target = target
            .and_then(|target| actions.iter().position(|action| *action == target))
            .unwrap_or_else(|| strongest(&acts));
        let training = Training {
            interactions: Interactions::new(users.len(), items.len(), acts),
            side: Side {
                attributes: attributes(snapshot, &items),
                friends: (!friends.is_empty())
                    .then(|| Sparse::from_cells(users.len(), users.len(), friends)),
                ..Side::default()
            },
            behaviors: actions
                .iter()
                .map(|action| snapshot.schema().relation_name(*action).to_owned())
                .collect(),
            target: target as u8,
            ordered: true,
            timed: true,
        };
        Self { training, users, user_of, items, item_of, actions }
    }

    /// The number of a user.
    pub fn user(&self, node: NodeIndex) -> Option<u32> {
        self.user_of.get(&node).copied()
    }

    /// The number of an item.
    pub fn item(&self, node: NodeIndex) -> Option<u32> {
        self.item_of.get(&node).copied()
    }

    /// The item with this number.
    pub fn item_node(&self, item: u32) -> NodeIndex {
        self.items[item as usize]
    }

    /// The user with this number.
    pub fn user_node(&self, user: u32) -> NodeIndex {
        self.users[user as usize]
    }

    /// The name of the action that models predict; none where nobody did anything.
    pub fn target_action(&self) -> Option<&str> {
        self.training.behaviors.get(usize::from(self.training.target)).map(String::as_str)
    }

    /// An event as models see it; none for what says nothing for an item.
    pub fn act(
        &self,
        action: RelationId,
        target: NodeIndex,
        at: Timestamp,
        strength: f64,
    ) -> Option<Act> {
        let behavior = self.actions.iter().position(|known| *known == action)? as u8;
        let item = self.item(target).filter(|_| strength > 0.0)?;
        Some(Act { item, behavior, at: at.millis().div_euclid(1000), value: strength as f32 })
    }
}

fn numbers(nodes: &[NodeIndex]) -> HashMap<NodeIndex, u32> {
    nodes.iter().copied().zip(0..).collect()
}

/// The greatest behaviour, which is the strongest, that enough acts are of.
fn strongest(acts: &[(u32, Act)]) -> usize {
    let mut counts = vec![0_usize; usize::from(u8::MAX) + 1];
    for (_, act) in acts {
        counts[usize::from(act.behavior)] += 1;
    }
    let enough = |count: &usize| *count > 0 && *count as f64 >= ENOUGH * acts.len() as f64;
    counts.iter().rposition(enough).unwrap_or_default()
}

/// Items by entities: each entity's share among the item's of its type.
fn attributes(snapshot: &Snapshot, items: &[NodeIndex]) -> Option<Sparse> {
    let entities: Vec<_> = snapshot.names().of_kind(NodeKind::Entity).collect();
    let entity_of = numbers(&entities);
    let rows = items.iter().map(|item| {
        let facets = snapshot.entities(*item).into_iter();
        let cell = |facet: super::Facet| Some((*entity_of.get(&facet.entity)?, facet.share as f32));
        facets.filter_map(cell).collect::<Vec<_>>()
    });
    let attributes = Sparse::from_rows(entities.len(), rows);
    (attributes.n_cells() > 0).then_some(attributes)
}

/// Models fitted to everybody.
pub struct Fitted {
    /// What the models' numbers stand for.
    pub population: Population,
    /// The models.
    pub model: Sum,
}

impl Fitted {
    /// Fits the methods of `recipe` to the base of `snapshot`.
    ///
    /// # Errors
    /// [`ModelError`].
    pub(super) fn of(snapshot: &Snapshot, recipe: &Recipe) -> Result<Self, ModelError> {
        let mut population = Population::of(snapshot, None);
        let model = recipe.fit(&population.training, SEED)?;
        // The models hold what they need of it.
        population.training.interactions = Interactions::new(0, population.items.len(), Vec::new());
        Ok(Self { population, model })
    }

    /// What `acts` ask of the models: a user that they do not need to know.
    pub fn query<'a>(&self, acts: &'a [Act]) -> Query<'a> {
        Query { user: None, acts }
    }
}
