//! `RecommendService`: what to show a user, and what is like what.

use tonic::{Request, Response, Status, async_trait};

use super::convert::{effect_to, key_to, placed_to, time_to};
use super::crowd;
use super::door::Door;
use super::proto;
use super::proto::recommend_service_server::RecommendService;
use super::request::{
    at_most, count, key, kind, moment, node, page, time, time_of_graph, token_of,
};
use super::status::Refusal;
use crate::engine::{Engine, Fallback, Likeness, MAX_SESSION, ServeRequest, SessionEvent};
use crate::event::MAX_NAME_BYTES;
use crate::recommend::{Arm, Cap, Placed, Policy, RecommendParams, RuleParams};
use crate::schema::{NodeKind, Timestamp};
use crate::traverse::Budget;

/// The results of an answer, unless the call says otherwise.
pub(super) const PAGE: usize = 10;
/// The most arms of an experiment.
const MAX_ARMS: usize = 100;

/// Answers through the door.
pub(super) struct Recommends(pub Door);

#[async_trait]
impl RecommendService for Recommends {
    async fn recommend(
        &self,
        request: Request<proto::RecommendRequest>,
    ) -> Result<Response<proto::RecommendResponse>, Status> {
        self.0.call(request, |engine, query, _| recommend(engine, query)).await
    }

    async fn similar_nodes(
        &self,
        request: Request<proto::SimilarNodesRequest>,
    ) -> Result<Response<proto::SimilarNodesResponse>, Status> {
        self.0.call(request, similar_nodes).await
    }

    async fn rank(
        &self,
        request: Request<proto::RankRequest>,
    ) -> Result<Response<proto::RankResponse>, Status> {
        self.0.call(request, |engine, query, _| crowd::rank(engine, query)).await
    }

    async fn frequently_with(
        &self,
        request: Request<proto::FrequentlyWithRequest>,
    ) -> Result<Response<proto::FrequentlyWithResponse>, Status> {
        self.0.call(request, |engine, query, _| crowd::frequently_with(engine, query)).await
    }

    async fn list_basket_rules(
        &self,
        request: Request<proto::ListBasketRulesRequest>,
    ) -> Result<Response<proto::ListBasketRulesResponse>, Status> {
        self.0.call(request, |engine, query, _| crowd::list_basket_rules(engine, query)).await
    }

    async fn trending(
        &self,
        request: Request<proto::TrendingRequest>,
    ) -> Result<Response<proto::TrendingResponse>, Status> {
        self.0.call(request, |engine, query, _| crowd::trending(engine, query)).await
    }

    async fn find_audience(
        &self,
        request: Request<proto::FindAudienceRequest>,
    ) -> Result<Response<proto::FindAudienceResponse>, Status> {
        self.0.call(request, |engine, query, _| crowd::find_audience(engine, query)).await
    }
}

fn recommend(
    engine: &Engine,
    query: proto::RecommendRequest,
) -> Result<proto::RecommendResponse, Refusal> {
    let user = match (query.user.as_str(), query.session.as_slice()) {
        ("", [_, ..]) => None,
        (user, _) => Some(key(NodeKind::User, user.to_owned(), "user")?),
    };
    let moment = moment(engine, query.read.clone())?;
    let request = served_request(query)?;
    let served = engine.serve(user.as_ref(), &moment, &request)?;
    let snapshot = served.snapshot;
    let result =
        |placed: Placed| placed_to(snapshot.names().kind(placed.recommendation.node), placed);
    Ok(proto::RecommendResponse {
        results: served.answer.results.into_iter().map(result).collect(),
        read_at: token_of(snapshot.sequence),
        as_of: Some(time_to(snapshot.as_of)),
        recommendation_id: served.recommendation_id,
        method: served.method,
        policy: served.policy.to_owned(),
        arm: served.arm,
        effects: served.answer.effects.into_iter().map(effect_to).collect(),
        missing_ids: served.missing,
        fallback: served.fallback.map_or("", Fallback::name).to_owned(),
    })
}

/// What a request asks for beside user and moment.
fn served_request(query: proto::RecommendRequest) -> Result<ServeRequest, Refusal> {
    let k = page(query.page_size, PAGE)?;
    at_most(&query.method, MAX_NAME_BYTES, "method")?;
    at_most(&query.request_id, MAX_NAME_BYTES, "request_id")?;
    let mut kinds = Vec::new();
    for (place, number) in query.kinds.into_iter().enumerate() {
        kinds.push(kind(number, &format!("kinds[{place}]"))?);
    }
    if kinds.is_empty() {
        kinds.push(NodeKind::Item);
    }
    let policy = Policy::parse(&query.exploration_policy).ok_or_else(|| {
        let known = Policy::ALL.map(Policy::name).join(", ");
        let message = format!("is `{}`; known: {known}", query.exploration_policy);
        Refusal::field("exploration_policy", "UNKNOWN_POLICY", message)
    })?;
    Ok(ServeRequest {
        params: RecommendParams { method: query.method, kinds, k },
        session: session(query.session)?,
        rules: RuleParams {
            filter: query.filter,
            source: query.source_domain,
            target: query.target_domain,
            keep_seen: query.keep_seen,
            diversity: query.diversity,
            exploration: query.exploration,
            policy,
            cap: query.cap.map(cap_from),
            seed: query.seed,
        },
        experiment: query.experiment.map(experiment_from).transpose()?,
        request_id: query.request_id,
        preview: query.preview,
        now: Timestamp::now(),
    })
}

fn session(events: Vec<proto::SessionEvent>) -> Result<Vec<SessionEvent>, Refusal> {
    if !events.is_empty() {
        count(events.len(), MAX_SESSION, "session")?;
    }
    let one = |(place, event)| {
        let proto::SessionEvent { target, action, event_time } = event;
        let target = node(target, &format!("session[{place}].target"))?;
        at_most(&action, MAX_NAME_BYTES, &format!("session[{place}].action"))?;
        let at = time(event_time, &format!("session[{place}].event_time"))?;
        Ok(SessionEvent { target, action, at })
    };
    events.into_iter().enumerate().map(one).collect()
}

/// What is out of bounds, the rule refuses.
fn cap_from(cap: proto::FrequencyCap) -> Cap {
    let proto::FrequencyCap { times, window } = cap;
    let window = window.unwrap_or_default();
    let seconds = window.seconds as f64 + f64::from(window.nanos) / 1e9;
    Cap { times: times as usize, window_days: seconds / 86_400.0 }
}

fn experiment_from(experiment: proto::Experiment) -> Result<(String, Vec<Arm>), Refusal> {
    let proto::Experiment { name, arms } = experiment;
    if name.is_empty() {
        let message = "is empty; give the experiment a name";
        return Err(Refusal::field("experiment.name", "MISSING_FIELD", message));
    }
    at_most(&name, MAX_NAME_BYTES, "experiment.name")?;
    count(arms.len(), MAX_ARMS, "experiment.arms")?;
    let arm = |proto::Arm { name, share, method }| Arm { name, share, method };
    Ok((name, arms.into_iter().map(arm).collect()))
}

fn similar_nodes(
    engine: &Engine,
    query: proto::SimilarNodesRequest,
    budget: &Budget,
) -> Result<proto::SimilarNodesResponse, Refusal> {
    let proto::SimilarNodesRequest { node: wanted, page_size, read, method } = query;
    let wanted = node(wanted, "node")?;
    let k = page(page_size, PAGE)?;
    let likeness = Likeness::parse(&method).ok_or_else(|| {
        let known = Likeness::ALL.map(Likeness::name).join(", ");
        Refusal::field("method", "UNKNOWN_METHOD", format!("is `{method}`; known: {known}"))
    })?;
    let as_of = time_of_graph(engine, read)?;
    let snapshot = engine.snapshot_as_of(as_of)?;
    let similar = engine.alike(&snapshot, &wanted, (likeness, k), budget)?;
    let result = |(node, score): &(_, f64)| {
        let name = snapshot.names().get(*node)?;
        let (node, label) = (Some(key_to(&name.key)), name.label.clone());
        Some(proto::SimilarNode { node, label, score: *score })
    };
    Ok(proto::SimilarNodesResponse {
        results: similar.nodes.iter().filter_map(result).collect(),
        capped: similar.capped,
        read_at: token_of(snapshot.sequence),
    })
}
