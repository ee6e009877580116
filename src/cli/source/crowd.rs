//! Candidates, and questions about everybody.

use super::Source;
use crate::engine::{Baskets, Moment};
use crate::event::NodeKey;
use crate::recommend::{Audience, BasketRuleParams, BasketRules, Recommendation, Together, Trend};
use crate::schema::{NodeKind, Timestamp};

impl Source {
    /// Candidates in order, and ids that the graph does not have.
    pub fn rank(
        &self,
        user: &NodeKey,
        moment: &Moment,
        method: &str,
        candidates: &[NodeKey],
    ) -> anyhow::Result<(Vec<Recommendation>, Vec<String>)> {
        Ok(match self {
            Self::Store(engine) => {
                let (_, ranked, missing) = engine.rank(user, moment, method, candidates)?;
                (ranked, missing)
            }
            Self::Server(client) => client.rank(&user.name, moment, method, candidates)?,
        })
    }

    /// What goes with items, and ids that the graph does not have.
    pub fn frequently_with(
        &self,
        items: &[NodeKey],
        as_of: Option<Timestamp>,
        min_users: usize,
        k: usize,
    ) -> anyhow::Result<(Vec<Together>, Vec<String>)> {
        Ok(match self {
            Self::Store(engine) => {
                let (_, found, missing) = engine.frequently_with(items, as_of, min_users, k)?;
                (found, missing)
            }
            Self::Server(client) => client.frequently_with(items, as_of, min_users, k)?,
        })
    }

    /// What follows from what.
    pub fn rules(
        &self,
        baskets: Baskets,
        as_of: Option<Timestamp>,
        params: &BasketRuleParams,
    ) -> anyhow::Result<BasketRules> {
        Ok(match self {
            Self::Store(engine) => engine.basket_rules(baskets, as_of, params)?.1,
            Self::Server(client) => client.basket_rules(baskets, as_of, params)?,
        })
    }

    /// What grows.
    pub fn trending(
        &self,
        kind: NodeKind,
        as_of: Option<Timestamp>,
        window_days: f64,
        k: usize,
    ) -> anyhow::Result<Vec<Trend>> {
        Ok(match self {
            Self::Store(engine) => engine.trending(kind, as_of, window_days, k)?.1,
            Self::Server(client) => client.trending(kind, as_of, window_days, k)?,
        })
    }

    /// Who would care.
    pub fn audience(
        &self,
        node: &NodeKey,
        filter: &str,
        as_of: Option<Timestamp>,
        k: usize,
    ) -> anyhow::Result<Audience> {
        Ok(match self {
            Self::Store(engine) => engine.audience(node, filter, as_of, k)?.1,
            Self::Server(client) => client.audience(node, filter, as_of, k)?,
        })
    }
}
