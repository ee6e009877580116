//! `RecommendService`: what to show a user, and what is like what.

use tonic::{Request, Response, Status, async_trait};

use super::convert::{key_to, recommendation_to, time_to};
use super::door::Door;
use super::proto;
use super::proto::recommend_service_server::RecommendService;
use super::request::{at_most, key, kind, moment, node, page, time_of_graph, token_of};
use super::status::Refusal;
use crate::engine::Engine;
use crate::event::MAX_NAME_BYTES;
use crate::recommend::RecommendParams;
use crate::schema::NodeKind;
use crate::traverse::Budget;

/// The results of an answer, unless the call says otherwise.
const PAGE: usize = 10;

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
}

fn recommend(
    engine: &Engine,
    query: proto::RecommendRequest,
) -> Result<proto::RecommendResponse, Refusal> {
    let proto::RecommendRequest { user, page_size, method, kinds, read } = query;
    let user = key(NodeKind::User, user, "user")?;
    let k = page(page_size, PAGE)?;
    at_most(&method, MAX_NAME_BYTES, "method")?;
    let mut wanted = Vec::new();
    for (place, number) in kinds.into_iter().enumerate() {
        wanted.push(kind(number, &format!("kinds[{place}]"))?);
    }
    if wanted.is_empty() {
        wanted.push(NodeKind::Item);
    }
    let moment = moment(engine, read)?;
    let params = RecommendParams { method, kinds: wanted, k };
    let (snapshot, results) = engine.recommend(&user, &moment, &params)?;
    let result = |found: crate::recommend::Recommendation| {
        recommendation_to(snapshot.names().kind(found.node), found)
    };
    Ok(proto::RecommendResponse {
        results: results.into_iter().map(result).collect(),
        read_at: token_of(snapshot.sequence),
        as_of: Some(time_to(snapshot.as_of)),
    })
}

fn similar_nodes(
    engine: &Engine,
    query: proto::SimilarNodesRequest,
    budget: &Budget,
) -> Result<proto::SimilarNodesResponse, Refusal> {
    let proto::SimilarNodesRequest { node: wanted, page_size, read } = query;
    let wanted = node(wanted, "node")?;
    let k = page(page_size, PAGE)?;
    let as_of = time_of_graph(engine, read)?;
    let snapshot = engine.snapshot_as_of(as_of)?;
    let similar = engine.similar(&snapshot, &wanted, k, budget)?;
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
