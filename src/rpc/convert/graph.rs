//! Edges, paths and counts.

use super::{key_from, key_to, time_to};
use crate::engine::Erased;
use crate::explain::{Route, Step, Stop};
use crate::rpc::{RpcError, proto};
use crate::schema::Timestamp;
use crate::snapshot::Name;
use crate::store::{Edge, ErasedFacts, Stats};

/// An edge between two nodes; `label` is what the far one is called.
pub(in crate::rpc) fn edge_to(
    (source, relation, target): (&Name, &str, &Name),
    label: &str,
    edge: &Edge,
) -> proto::Edge {
    // Facts of a catalogue or a text have no time of their own.
    let time = |at: Timestamp| (at != Timestamp::MIN).then(|| time_to(at));
    proto::Edge {
        source: Some(key_to(&source.key)),
        relation: relation.to_owned(),
        target: Some(key_to(&target.key)),
        label: label.to_owned(),
        count: edge.count,
        first_seen: time(edge.first),
        last_seen: time(edge.last),
        strength: edge.sum,
    }
}

/// A path by its names.
pub(in crate::rpc) fn path_to(route: Route) -> proto::Path {
    let Route { stops, steps, score } = route;
    let node = |Stop { key, label }: Stop| proto::PathNode { node: Some(key_to(&key)), label };
    let step = |Step { relation, forward }: Step| proto::PathStep { relation, forward };
    proto::Path {
        nodes: stops.into_iter().map(node).collect(),
        steps: steps.into_iter().map(step).collect(),
        score,
    }
}

/// A path by its names.
pub(in crate::rpc) fn path_from(path: proto::Path) -> Result<Route, RpcError> {
    let proto::Path { nodes, steps, score } = path;
    let stop = |proto::PathNode { node, label }| {
        Ok::<_, RpcError>(Stop { key: key_from(node, "path.node")?, label })
    };
    let step = |proto::PathStep { relation, forward }| Step { relation, forward };
    let stops = nodes.into_iter().map(stop).collect::<Result<_, _>>()?;
    Ok(Route { stops, steps: steps.into_iter().map(step).collect(), score })
}

/// Counts, the documents that wait for extraction, and the token of the state.
pub(in crate::rpc) fn stats_to(
    stats: Stats,
    backlog: usize,
    read_at: String,
) -> proto::GetStatsResponse {
    proto::GetStatsResponse {
        format_version: stats.format_version,
        sequence: stats.sequence,
        nodes: stats.nodes.into_iter().collect(),
        edges: stats.edges.into_iter().collect(),
        events: stats.events.into_iter().collect(),
        documents: stats.documents,
        extracted: stats.extracted,
        mentions: stats.mentions,
        backlog: backlog as u64,
        content_hash: stats.content_hash,
        read_at,
    }
}

/// Counts, and the documents that wait for extraction.
pub(in crate::rpc) fn stats_from(answer: proto::GetStatsResponse) -> (Stats, usize) {
    let stats = Stats {
        format_version: answer.format_version,
        sequence: answer.sequence,
        nodes: answer.nodes.into_iter().collect(),
        edges: answer.edges.into_iter().collect(),
        events: answer.events.into_iter().collect(),
        documents: answer.documents,
        extracted: answer.extracted,
        mentions: answer.mentions,
        content_hash: answer.content_hash,
    };
    (stats, answer.backlog as usize)
}

/// What erasing a user took away.
pub(in crate::rpc) fn erased_to(erased: Erased) -> proto::EraseUserResponse {
    let Erased { facts, served, rows } = erased;
    let ErasedFacts { events, others, document, in_packed_rows } = facts;
    proto::EraseUserResponse { events, others, document, in_packed_rows, served, rows }
}

/// What erasing a user took away.
pub(in crate::rpc) fn erased_from(erased: proto::EraseUserResponse) -> Erased {
    let proto::EraseUserResponse { events, others, document, in_packed_rows, served, rows } =
        erased;
    let facts = ErasedFacts { events, others, document, in_packed_rows };
    Erased { facts, served, rows }
}
