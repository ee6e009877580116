//! The client's side of recommendations that are shown, and of what follows from many people's doings.

use super::RpcError;
use super::client::{Client, MAX_ANSWER_BYTES, number};
use super::convert::{
    audience_from, basket_rule_from, days_to, effect_from, erased_from, key_from, key_to, kind_to,
    moment_to, placed_from, recommendation_from, serve_request_to, together_from, trend_from,
};
use super::proto;
use super::proto::admin_service_client::AdminServiceClient;
use super::proto::recommend_service_client::RecommendServiceClient;
use crate::engine::{Baskets, Erased, Fallback, Likeness, Moment, ServeRequest};
use crate::event::NodeKey;
use crate::recommend::{
    Audience, BasketRuleParams, BasketRules, Effect, Placed, Recommendation, Together, Trend,
};
use crate::schema::{DAY_MS, NodeKind, Timestamp};

/// What a server says to show.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedAnswer {
    /// In the order to be shown.
    pub results: Vec<Placed>,
    /// What rules did.
    pub effects: Vec<Effect>,
    /// Names the answer in the server's log; empty for a preview.
    pub recommendation_id: String,
    /// The recommender.
    pub method: String,
    /// Who chose for places that explore.
    pub policy: String,
    /// The user's arm.
    pub arm: String,
    /// Ids of the session that the graph does not have.
    pub missing: Vec<String>,
    /// Why what everybody cares for is shown.
    pub fallback: Option<Fallback>,
}

/// A node like another.
#[derive(Clone, Debug, PartialEq)]
pub struct SimilarNode {
    /// The node.
    pub key: NodeKey,
    /// What people call it.
    pub label: String,
    /// How like it is.
    pub score: f64,
}

impl Client {
    /// What to show a user, or whoever has a session, under rules: as [`crate::engine::Engine::serve`], at most 1,000.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn serve(
        &self,
        user: Option<&str>,
        moment: &Moment,
        request: &ServeRequest,
    ) -> Result<ServedAnswer, RpcError> {
        let request = serve_request_to(user, request, moment_to(moment, &self.token));
        let proto::RecommendResponse {
            results,
            recommendation_id,
            method,
            policy,
            arm,
            effects,
            missing_ids,
            fallback,
            ..
        } = self.wait(self.recommends().recommend(request))?;
        Ok(ServedAnswer {
            results: results.into_iter().map(placed_from).collect::<Result<_, _>>()?,
            effects: effects.into_iter().map(effect_from).collect(),
            recommendation_id,
            method,
            policy,
            arm,
            missing: missing_ids,
            fallback: Fallback::parse(&fallback),
        })
    }

    /// Nodes like another, at most 1,000, and whether the search ended early: as
    /// [`crate::engine::Engine::alike`], under the server's budget.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn similar(
        &self,
        key: &NodeKey,
        as_of: Option<Timestamp>,
        (likeness, k): (Likeness, usize),
    ) -> Result<(Vec<SimilarNode>, bool), RpcError> {
        let request = proto::SimilarNodesRequest {
            node: Some(key_to(key)),
            page_size: number(k),
            read: Some(self.read(as_of)),
            method: likeness.name().to_owned(),
        };
        let answer = self.wait(self.recommends().similar_nodes(request))?;
        let node = |proto::SimilarNode { node, label, score }| {
            Ok(SimilarNode { key: key_from(node, "result.node")?, label, score })
        };
        let nodes = answer.results.into_iter().map(node).collect::<Result<_, RpcError>>()?;
        Ok((nodes, answer.capped))
    }

    /// Candidates in a recommender's order, and ids that the graph does not have: as
    /// [`crate::engine::Engine::rank`], at most 1,000.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn rank(
        &self,
        user: &str,
        moment: &Moment,
        method: &str,
        candidates: &[NodeKey],
    ) -> Result<(Vec<Recommendation>, Vec<String>), RpcError> {
        let request = proto::RankRequest {
            user: user.to_owned(),
            candidates: candidates.iter().map(key_to).collect(),
            method: method.to_owned(),
            read: Some(moment_to(moment, &self.token)),
        };
        let answer = self.wait(self.recommends().rank(request))?;
        let ranked = answer.results.into_iter().map(recommendation_from);
        Ok((ranked.collect::<Result<_, _>>()?, answer.missing_ids))
    }

    /// What goes with items, and ids that the graph does not have: as
    /// [`crate::engine::Engine::frequently_with`], at most 1,000.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn frequently_with(
        &self,
        items: &[NodeKey],
        as_of: Option<Timestamp>,
        min_users: usize,
        k: usize,
    ) -> Result<(Vec<Together>, Vec<String>), RpcError> {
        let request = proto::FrequentlyWithRequest {
            items: items.iter().map(key_to).collect(),
            min_users: u32::try_from(min_users.max(1)).unwrap_or(u32::MAX),
            page_size: number(k),
            read: Some(self.read(as_of)),
        };
        let answer = self.wait(self.recommends().frequently_with(request))?;
        let together = answer.results.into_iter().map(together_from);
        Ok((together.collect::<Result<_, _>>()?, answer.missing_ids))
    }

    /// The association rules of everybody's baskets, at most 1,000: as
    /// [`crate::engine::Engine::basket_rules`].
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn basket_rules(
        &self,
        baskets: Baskets,
        as_of: Option<Timestamp>,
        params: &BasketRuleParams,
    ) -> Result<BasketRules, RpcError> {
        let session_gap = match baskets {
            Baskets::Users => None,
            Baskets::Sittings { gap_ms } => Some(days_to(gap_ms as f64 / DAY_MS as f64)),
        };
        let request = proto::ListBasketRulesRequest {
            min_support: Some(params.min_support),
            min_confidence: Some(params.min_confidence),
            min_lift: Some(params.min_lift),
            max_items: u32::try_from(params.max_items.max(1)).unwrap_or(u32::MAX),
            session_gap,
            page_size: number(params.k),
            read: Some(self.read(as_of)),
        };
        let answer = self.wait(self.recommends().list_basket_rules(request))?;
        let rules = answer.rules.into_iter().map(basket_rule_from).collect::<Result<_, _>>()?;
        let (baskets, found) = (answer.baskets as usize, answer.found as usize);
        Ok(BasketRules { baskets, found, rules })
    }

    /// What users turn to more than in the window before: as [`crate::engine::Engine::trending`], at most
    /// 1,000.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn trending(
        &self,
        kind: NodeKind,
        as_of: Option<Timestamp>,
        window_days: f64,
        k: usize,
    ) -> Result<Vec<Trend>, RpcError> {
        let request = proto::TrendingRequest {
            window: Some(days_to(window_days)),
            kind: kind_to(kind),
            page_size: number(k),
            read: Some(self.read(as_of)),
        };
        let answer = self.wait(self.recommends().trending(request))?;
        answer.results.into_iter().map(trend_from).collect()
    }

    /// Users who would care for a node: as [`crate::engine::Engine::audience`], at most 1,000 of them.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn audience(
        &self,
        node: &NodeKey,
        filter: &str,
        as_of: Option<Timestamp>,
        k: usize,
    ) -> Result<Audience, RpcError> {
        let request = proto::FindAudienceRequest {
            node: Some(key_to(node)),
            filter: filter.to_owned(),
            page_size: number(k),
            read: Some(self.read(as_of)),
        };
        audience_from(self.wait(self.recommends().find_audience(request))?)
    }

    /// Erases a user, or only counts what there is: as [`crate::engine::Engine::erase_user`].
    ///
    /// # Errors
    /// [`RpcError::Refused`].
    pub fn erase_user(&self, user: &str, force: bool) -> Result<Erased, RpcError> {
        let request = proto::EraseUserRequest { user: user.to_owned(), force };
        let mut client = AdminServiceClient::new(self.channel.clone());
        Ok(erased_from(self.wait(client.erase_user(request))?))
    }

    fn read(&self, as_of: Option<Timestamp>) -> proto::ReadOptions {
        moment_to(&Moment { as_of, ..Moment::default() }, &self.token)
    }

    pub(super) fn recommends(&self) -> RecommendServiceClient<tonic::transport::Channel> {
        RecommendServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES)
    }
}
