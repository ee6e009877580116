//! `GraphService`: nodes, edges and paths.

use tonic::{Request, Response, Status, async_trait};

use super::convert::{document_to, duplicates_to, edge_to, key_to, path_to};
use super::door::Door;
use super::proto::graph_service_server::GraphService;
use super::proto::{self, Direction};
use super::request::{
    arguments, at_most, bad_page_token, entity_types, node, now, page, page_size, page_token,
    position, time_of_graph, token_of,
};
use super::status::Refusal;
use crate::engine::Engine;
use crate::event::MAX_NAME_BYTES;
use crate::explain::Route;
use crate::link::DuplicateParams;
use crate::schema::{RelationId, Schema};
use crate::snapshot::{Name, Snapshot};
use crate::store::{Edge, EdgeKey, NodeId};
use crate::traverse::{Budget, PathParams};

/// The edges of a page, unless the call says otherwise.
const PAGE: usize = 50;
/// The pairs of an answer, unless the call says otherwise.
const PAIRS: usize = 100;
/// The most edges of a path.
const MAX_HOPS: i32 = 8;
/// The most paths of an answer.
const MAX_PATHS: i32 = 100;

/// Answers through the door.
pub(super) struct Graphs(pub Door);

#[async_trait]
impl GraphService for Graphs {
    async fn get_node(
        &self,
        request: Request<proto::GetNodeRequest>,
    ) -> Result<Response<proto::GetNodeResponse>, Status> {
        self.0.call(request, |engine, query, _| get_node(engine, query)).await
    }

    async fn list_edges(
        &self,
        request: Request<proto::ListEdgesRequest>,
    ) -> Result<Response<proto::ListEdgesResponse>, Status> {
        self.0.call(request, |engine, query, _| list_edges(engine, query)).await
    }

    async fn find_paths(
        &self,
        request: Request<proto::FindPathsRequest>,
    ) -> Result<Response<proto::FindPathsResponse>, Status> {
        self.0.call(request, find_paths).await
    }

    async fn find_duplicates(
        &self,
        request: Request<proto::FindDuplicatesRequest>,
    ) -> Result<Response<proto::FindDuplicatesResponse>, Status> {
        self.0.call(request, |engine, query, _| find_duplicates(engine, query)).await
    }
}

fn get_node(
    engine: &Engine,
    query: proto::GetNodeRequest,
) -> Result<proto::GetNodeResponse, Refusal> {
    let proto::GetNodeRequest { node: wanted, read } = query;
    let key = node(wanted, "node")?;
    now(engine, read)?;
    let snapshot = engine.snapshot();
    let found = engine.node(&key)?;
    let name = snapshot.find(&key).and_then(|index| snapshot.names().get(index));
    let label = name.map_or_else(|| Name::of(found.clone(), None).label, |name| name.label.clone());
    Ok(proto::GetNodeResponse {
        node: Some(key_to(&key)),
        label,
        document: found.document.map(|document| document_to(&key, document)),
        read_at: token_of(snapshot.sequence),
    })
}

/// Where an edge stands in the list of its node: by relation, then by the other end.
type Place = (RelationId, NodeId);

fn list_edges(
    engine: &Engine,
    mut query: proto::ListEdgesRequest,
) -> Result<proto::ListEdgesResponse, Refusal> {
    let size = page(std::mem::take(&mut query.page_size), PAGE)?;
    let token = std::mem::take(&mut query.page_token);
    let arguments = arguments("ListEdges", &query);
    let proto::ListEdgesRequest { node: wanted, direction, relation, read, .. } = query;
    let key = node(wanted, "node")?;
    let direction = direction_from(direction)?;
    let relation = relation_from(engine.schema(), &relation)?;
    let after = position(&token, &arguments)?.map(|text| place_from(&text)).transpose()?;
    now(engine, read)?;
    let place = |edge: &EdgeKey| match direction {
        petgraph::Outgoing => (edge.relation, edge.target),
        petgraph::Incoming => (edge.relation, edge.source),
    };
    let mut edges = engine.edges(&key, direction)?;
    edges.retain(|(edge, _)| {
        relation.is_none_or(|wanted| edge.relation == wanted) && Some(place(edge)) > after
    });
    let more = edges.len() > size;
    edges.truncate(size);
    let last = edges.last().filter(|_| more).map(|(edge, _)| place_to(place(edge)));
    // Taken after the edges: it has the names of all that was acknowledged before this call. An edge
    // whose write is not yet acknowledged may lack a name here, and is not there yet.
    let snapshot = engine.snapshot();
    let found = edges.iter().filter_map(|(edge, data)| named(&snapshot, edge, direction, data));
    Ok(proto::ListEdgesResponse {
        edges: found.collect(),
        next_page_token: last.map(|last| page_token(&last, &arguments)).unwrap_or_default(),
        read_at: token_of(snapshot.sequence),
    })
}

fn named(
    snapshot: &Snapshot,
    edge: &EdgeKey,
    direction: petgraph::Direction,
    data: &Edge,
) -> Option<proto::Edge> {
    let name = |id| snapshot.names().get(snapshot.names().find(id)?);
    let (source, target) = (name(edge.source)?, name(edge.target)?);
    let relation = snapshot.schema().relation_name(edge.relation);
    let far = match direction {
        petgraph::Outgoing => target,
        petgraph::Incoming => source,
    };
    Some(edge_to((source, relation, target), &far.label, data))
}

fn direction_from(number: i32) -> Result<petgraph::Direction, Refusal> {
    match Direction::try_from(number) {
        Ok(Direction::Unspecified | Direction::Outgoing) => Ok(petgraph::Outgoing),
        Ok(Direction::Incoming) => Ok(petgraph::Incoming),
        Err(_) => {
            let message = format!("is {number}; give one of OUTGOING, INCOMING");
            Err(Refusal::field("direction", "BAD_DIRECTION", message))
        }
    }
}

fn relation_from(schema: &Schema, name: &str) -> Result<Option<RelationId>, Refusal> {
    if name.is_empty() {
        return Ok(None);
    }
    at_most(name, MAX_NAME_BYTES, "relation")?;
    let relation = schema.relation_named(name).ok_or_else(|| {
        let known: Vec<_> = schema.relations().iter().map(|r| r.name.as_str()).collect();
        let message = format!("is `{name}`; known: {}", known.join(", "));
        Refusal::field("relation", "UNKNOWN_RELATION", message)
    })?;
    Ok(Some(relation.id))
}

fn place_to((relation, other): Place) -> String {
    format!("{:04x}{:016x}", relation.0, other.0)
}

fn place_from(text: &str) -> Result<Place, Refusal> {
    let digits = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = |range| u64::from_str_radix(text.get(range)?, 16).ok();
    let relation = number(0..4).and_then(|number| u16::try_from(number).ok());
    match (digits, relation, number(4..20)) {
        (true, Some(relation), Some(other)) => Ok((RelationId(relation), NodeId(other))),
        _ => Err(bad_page_token()),
    }
}

fn find_paths(
    engine: &Engine,
    query: proto::FindPathsRequest,
    budget: &Budget,
) -> Result<proto::FindPathsResponse, Refusal> {
    let proto::FindPathsRequest { source, target, max_hops, page_size: k, read } = query;
    let (source, target) = (node(source, "source")?, node(target, "target")?);
    let defaults = PathParams::default();
    let max_hops = match usize::try_from(max_hops) {
        Ok(0) => defaults.max_hops,
        Ok(hops) if max_hops <= MAX_HOPS => hops,
        _ => {
            let message = format!("is {max_hops}; give 0 for {}, or 1 to 8", defaults.max_hops);
            return Err(Refusal::field("max_hops", "BAD_MAX_HOPS", message));
        }
    };
    let k = page_size(k, defaults.k, MAX_PATHS)?;
    let as_of = time_of_graph(engine, read)?;
    let snapshot = engine.snapshot_as_of(as_of)?;
    let params = PathParams { max_hops, k, budget: budget.clone() };
    let found = engine.paths(&snapshot, (&source, &target), &params)?;
    let routes = found.paths.iter().filter_map(|path| Route::of(&snapshot, path));
    Ok(proto::FindPathsResponse {
        paths: routes.map(path_to).collect(),
        capped: found.capped,
        read_at: token_of(snapshot.sequence),
    })
}

fn find_duplicates(
    engine: &Engine,
    query: proto::FindDuplicatesRequest,
) -> Result<proto::FindDuplicatesResponse, Refusal> {
    let proto::FindDuplicatesRequest { entity_types: types, page_size } = query;
    entity_types(&types)?;
    let params = DuplicateParams { types, k: page(page_size, PAIRS)? };
    Ok(duplicates_to(engine.duplicates(&params)?))
}
