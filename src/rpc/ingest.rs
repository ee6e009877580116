//! `IngestService`: what arrives.

use tonic::{Code, Request, Response, Status, async_trait};

use super::convert::{document_from, event_from, merge_to};
use super::door::Door;
use super::proto::ingest_service_server::IngestService;
use super::proto::{self, upsert_node_result, write_event_result};
use super::request::{at_most, count, key, named, token_of};
use super::status::Refusal;
use crate::engine::{Durability, Engine};
use crate::event::{Document, Event, MAX_NAME_BYTES, NodeKey};
use crate::ingest::mutations;
use crate::schema::{NodeKind, Schema, Timestamp};
use crate::store::{Merge, Outcome};

/// The most events of a call.
pub(super) const MAX_EVENTS: usize = 10_000;
/// The most documents of a call.
pub(super) const MAX_DOCUMENTS: usize = 1_000;

/// Answers through the door.
pub(super) struct Ingest(pub Door);

#[async_trait]
impl IngestService for Ingest {
    async fn write_events(
        &self,
        request: Request<proto::WriteEventsRequest>,
    ) -> Result<Response<proto::WriteEventsResponse>, Status> {
        self.0.call(request, |engine, query, _| write_events(engine, query)).await
    }

    async fn upsert_nodes(
        &self,
        request: Request<proto::UpsertNodesRequest>,
    ) -> Result<Response<proto::UpsertNodesResponse>, Status> {
        self.0.call(request, |engine, query, _| upsert_nodes(engine, query)).await
    }

    async fn merge_entities(
        &self,
        request: Request<proto::MergeEntitiesRequest>,
    ) -> Result<Response<proto::MergeEntitiesResponse>, Status> {
        self.0.call(request, |engine, query, _| merge_entities(engine, query)).await
    }

    async fn unmerge_entities(
        &self,
        request: Request<proto::UnmergeEntitiesRequest>,
    ) -> Result<Response<proto::UnmergeEntitiesResponse>, Status> {
        self.0.call(request, |engine, query, _| unmerge_entities(engine, query)).await
    }
}

fn write_events(
    engine: &Engine,
    query: proto::WriteEventsRequest,
) -> Result<proto::WriteEventsResponse, Refusal> {
    count(query.events.len(), MAX_EVENTS, "events")?;
    let durability = durability_of(query.durability)?;
    let mut valid = Vec::new();
    let mut refused = Vec::new();
    for event in query.events {
        let checked = checked_event(engine.schema(), event);
        refused.push(checked.map(|event| valid.push(event)).err());
    }
    let mut sequence = engine.snapshot().sequence;
    let mut outcomes = Vec::new();
    if !valid.is_empty() {
        let written = engine.write_events_with(valid, durability)?;
        sequence = written.sequence;
        outcomes = written.outcomes;
    }
    // The outcomes are those of the valid events, in order.
    let mut outcomes = outcomes.into_iter();
    let result = |refusal: Option<Refusal>| {
        let refusal = refusal.map_or_else(|| outcomes.next().ok_or_else(unanswered), Err);
        proto::WriteEventResult { result: Some(event_result(refusal)) }
    };
    let results = refused.into_iter().map(result).collect();
    Ok(proto::WriteEventsResponse { results, written_at: token_of(sequence) })
}

fn durability_of(number: i32) -> Result<Durability, Refusal> {
    match proto::Durability::try_from(number) {
        Ok(proto::Durability::Unspecified | proto::Durability::Sync) => Ok(Durability::Sync),
        Ok(proto::Durability::Os) => Ok(Durability::Os),
        Err(_) => {
            let message = "`durability` is none that this server knows; leave it out, or give \
                           DURABILITY_SYNC or DURABILITY_OS";
            Err(Refusal::new(Code::InvalidArgument, "BAD_DURABILITY", message).at("durability"))
        }
    }
}

fn checked_event(schema: &Schema, event: proto::Event) -> Result<Event, Refusal> {
    event_from(event)?.check(schema).map_err(|error| match error.field() {
        "target" => named(error, "target.id"),
        "target_kind" => named(error, "target.kind"),
        "at" => named(error, "event_time"),
        _ => error.into(),
    })
}

fn event_result(outcome: Result<Outcome, Refusal>) -> write_event_result::Result {
    match outcome {
        Ok(Outcome::Applied) => write_event_result::Result::Ok(proto::Written {}),
        Ok(Outcome::Unchanged) => write_event_result::Result::Duplicate(proto::Duplicate {}),
        Ok(Outcome::Conflict) => {
            let message = "`event_id` is that of an event with other content, which stays; give \
                           this event an id of its own";
            let refusal = Refusal::new(Code::AlreadyExists, "EVENT_CONFLICT", message);
            write_event_result::Result::Error(refusal.at("event_id").into_error())
        }
        Err(refusal) => write_event_result::Result::Error(refusal.into_error()),
    }
}

fn unanswered() -> Refusal {
    Refusal::new(Code::Internal, "NO_OUTCOME", "the store did not say what became of the event")
}

fn upsert_nodes(
    engine: &Engine,
    query: proto::UpsertNodesRequest,
) -> Result<proto::UpsertNodesResponse, Refusal> {
    count(query.documents.len(), MAX_DOCUMENTS, "documents")?;
    let mut valid = Vec::new();
    let mut results = Vec::new();
    for document in query.documents {
        let result = match checked_document(engine.schema(), document) {
            Ok(document) => {
                valid.push(document);
                upsert_node_result::Result::Ok(proto::Written {})
            }
            Err(refusal) => upsert_node_result::Result::Error(refusal.into_error()),
        };
        results.push(proto::UpsertNodeResult { result: Some(result) });
    }
    let (sequence, changed) = if valid.is_empty() {
        (engine.snapshot().sequence, 0)
    } else {
        engine.upsert_counted(valid)?
    };
    let changed_count = i32::try_from(changed).unwrap_or(i32::MAX);
    Ok(proto::UpsertNodesResponse { results, written_at: token_of(sequence), changed_count })
}

fn checked_document(
    schema: &Schema,
    document: proto::Document,
) -> Result<(NodeKey, Document), Refusal> {
    let (key, document) =
        document_from(document)?.check().map_err(|error| match error.field() {
            "id" => named(error, "node.id"),
            "kind" => named(error, "node.kind"),
            _ => error.into(),
        })?;
    // The names of its entities too are checked here, so that one document cannot fail the others.
    let attributes = Document { attributes: document.attributes.clone(), ..Document::default() };
    mutations::of_document(schema, &key, attributes, &[])
        .map_err(|error| named(error, "attributes"))?;
    Ok((key, document))
}

fn merge_entities(
    engine: &Engine,
    query: proto::MergeEntitiesRequest,
) -> Result<proto::MergeEntitiesResponse, Refusal> {
    let proto::MergeEntitiesRequest { entity, into, by, reason } = query;
    at_most(&by, MAX_NAME_BYTES, "by")?;
    at_most(&reason, MAX_NAME_BYTES, "reason")?;
    let entity = key(NodeKind::Entity, entity, "entity")?;
    let into = key(NodeKind::Entity, into, "into")?;
    let sequence = engine.merge(Merge::new(entity, into, Timestamp::now(), &by, &reason))?;
    Ok(proto::MergeEntitiesResponse { written_at: token_of(sequence) })
}

fn unmerge_entities(
    engine: &Engine,
    query: proto::UnmergeEntitiesRequest,
) -> Result<proto::UnmergeEntitiesResponse, Refusal> {
    let entity = key(NodeKind::Entity, query.entity, "entity")?;
    let (lifted, sequence) = engine.unmerge(&entity)?;
    let (lifted, written_at) = (Some(merge_to(lifted)), token_of(sequence));
    Ok(proto::UnmergeEntitiesResponse { lifted, written_at })
}
