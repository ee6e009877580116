//! What a request's fields may hold: each bad value is refused by the field's name.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message;
use tonic::metadata::MetadataMap;

use super::convert::{kind_from, time_from};
use super::proto;
use super::status::Refusal;
use crate::engine::{Engine, Moment};
use crate::event::{EventError, MAX_NAME_BYTES, NodeKey};
use crate::schema::{NodeKind, Timestamp};

/// The most elements of a page.
const MAX_PAGE: i32 = 1_000;
/// The most events that one question may mask.
const MAX_MASKED: usize = 1_000;
/// The most types of entity that one question may name.
const MAX_TYPES: usize = 100;
/// The longest token of a page, in bytes.
const MAX_PAGE_TOKEN: usize = 256;

/// How many elements to answer with: `default` for 0, at most `max`.
pub(super) fn page_size(found: i32, default: usize, max: i32) -> Result<usize, Refusal> {
    match usize::try_from(found.min(max)) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size),
        Err(_) => {
            let message = format!("is {found}; give 0 for {default}, or 1 to {max}");
            Err(Refusal::field("page_size", "BAD_PAGE_SIZE", message))
        }
    }
}

/// As [`page_size`], with the usual limit.
pub(super) fn page(found: i32, default: usize) -> Result<usize, Refusal> {
    page_size(found, default, MAX_PAGE)
}

/// The key of a node of a known kind.
pub(super) fn key(kind: NodeKind, id: String, field: &str) -> Result<NodeKey, Refusal> {
    NodeKey::new(kind, id).map_err(|error| named(error, field))
}

/// The key of a node.
pub(super) fn node(node: Option<proto::NodeRef>, field: &str) -> Result<NodeKey, Refusal> {
    let node = node.ok_or_else(|| {
        Refusal::field(field, "MISSING_FIELD", "is missing; give a kind and an id")
    })?;
    key(kind(node.kind, &format!("{field}.kind"))?, node.id, &format!("{field}.id"))
}

/// The kind of this number.
pub(super) fn kind(number: i32, field: &str) -> Result<NodeKind, Refusal> {
    kind_from(number).ok_or_else(|| {
        let message = format!("is {number}; give one of USER, ITEM, CONTENT, ENTITY, CONCEPT");
        Refusal::field(field, "BAD_KIND", message)
    })
}

/// A point in time; `None` when there is none.
pub(super) fn time(
    time: Option<prost_types::Timestamp>,
    field: &str,
) -> Result<Option<Timestamp>, Refusal> {
    let Some(time) = time else { return Ok(None) };
    let found = time_from(&time).ok_or_else(|| {
        let message = format!(
            "is {} s and {} ns; give a time in the years 1970 to 9999, and 0 to 999999999 ns",
            time.seconds, time.nanos
        );
        Refusal::field(field, "BAD_TIME", message)
    })?;
    Ok(Some(found))
}

/// Refuses a text of more than `max` bytes.
pub(super) fn at_most(text: &str, max: usize, field: &str) -> Result<(), Refusal> {
    if text.len() <= max {
        return Ok(());
    }
    let message = format!("has {} bytes; the limit is {max}", text.len());
    Err(Refusal::field(field, "TOO_LONG", message))
}

/// Refuses a list of none or of more than `max`.
pub(super) fn count(found: usize, max: usize, field: &str) -> Result<(), Refusal> {
    if (1..=max).contains(&found) {
        return Ok(());
    }
    Err(Refusal::field(field, "BAD_COUNT", format!("has {found} elements; give 1 to {max}")))
}

/// Refuses a list of types of entity that is too long or holds what is no type.
pub(super) fn entity_types(entity_types: &[String]) -> Result<(), Refusal> {
    if entity_types.len() > MAX_TYPES {
        count(entity_types.len(), MAX_TYPES, "entity_types")?;
    }
    for (place, entity_type) in entity_types.iter().enumerate() {
        let field = format!("entity_types[{place}]");
        if entity_type.is_empty() {
            return Err(Refusal::field(&field, "MISSING_FIELD", "is empty; leave it out"));
        }
        at_most(entity_type, MAX_NAME_BYTES, &field)?;
    }
    Ok(())
}

/// An error of a name or of an event, with the field as the message has it.
pub(super) fn named(error: EventError, field: &str) -> Refusal {
    let old = format!("`{}`", error.field());
    let mut refusal = Refusal::from(error).at(field);
    refusal.message = refusal.message.replacen(&old, &format!("`{field}`"), 1);
    refusal
}

/// The token of a state.
pub(super) fn token_of(sequence: u64) -> String {
    format!("p{sequence:016x}")
}

/// Reads [`proto::ReadOptions`] for a question about a history, once the state it asks for is there.
pub(super) fn moment(engine: &Engine, read: Option<proto::ReadOptions>) -> Result<Moment, Refusal> {
    let read = read.unwrap_or_default();
    let token = read.at_least_as_fresh.as_str();
    if !token.is_empty() {
        let digits = token.strip_prefix('p').filter(|digits| digits.len() == 16);
        let sequence = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let sequence = sequence.ok_or_else(|| {
            let message = "is no token; give one that a write or a read answered with";
            Refusal::field("read.at_least_as_fresh", "BAD_TOKEN", message)
        })?;
        engine.snapshot_with(sequence)?;
    }
    let as_of = time(read.as_of, "read.as_of")?;
    let field = "read.masked_event_ids";
    if read.masked_event_ids.len() > MAX_MASKED {
        count(read.masked_event_ids.len(), MAX_MASKED, field)?;
    }
    for (place, id) in read.masked_event_ids.iter().enumerate() {
        let field = format!("{field}[{place}]");
        if id.is_empty() {
            return Err(Refusal::field(&field, "MISSING_FIELD", "is empty; leave it out"));
        }
        at_most(id, MAX_NAME_BYTES, &field)?;
    }
    let masked: BTreeSet<String> = read.masked_event_ids.into_iter().collect();
    Ok(Moment { as_of, masked })
}

/// As [`moment`], for a question about the graph: nothing can be masked.
pub(super) fn time_of_graph(
    engine: &Engine,
    read: Option<proto::ReadOptions>,
) -> Result<Option<Timestamp>, Refusal> {
    let moment = moment(engine, read)?;
    if moment.masked.is_empty() {
        return Ok(moment.as_of);
    }
    let message = "can be given only where a user's history is read; leave it out";
    Err(Refusal::field("read.masked_event_ids", "NOT_SUPPORTED", message))
}

/// As [`time_of_graph`], for a question that only has an answer of now.
pub(super) fn now(engine: &Engine, read: Option<proto::ReadOptions>) -> Result<(), Refusal> {
    let Some(_) = time_of_graph(engine, read)? else { return Ok(()) };
    let message = "cannot be given here, the answer is of now; leave it out";
    Err(Refusal::field("read.as_of", "NOT_SUPPORTED", message))
}

/// A hash of a request's arguments, which binds a page token to them.
pub(super) fn arguments(call: &str, request: &impl Message) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(call.as_bytes()).update(&request.encode_to_vec());
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The token of the page that starts at a position.
pub(super) fn page_token(position: &str, arguments: &str) -> String {
    format!("{position}.{arguments}")
}

/// The position that a page token stands for: `None` for the first page.
pub(super) fn position(token: &str, arguments: &str) -> Result<Option<String>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    at_most(token, MAX_PAGE_TOKEN, "page_token")?;
    match token.split_once('.') {
        Some((position, bound)) if bound == arguments => Ok(Some(position.to_owned())),
        Some(_) => {
            let message = "was given for other arguments; repeat the call as it was, or start anew";
            Err(Refusal::field("page_token", "OTHER_ARGUMENTS", message))
        }
        None => Err(bad_page_token()),
    }
}

/// A page token that no answer has ever held.
pub(super) fn bad_page_token() -> Refusal {
    let message = "is no page token; give the `next_page_token` of the page before";
    Refusal::field("page_token", "BAD_PAGE_TOKEN", message)
}

/// How long a call may take by its `grpc-timeout`, less what the answer needs for its way.
///
/// The transport ends a call that is late with CANCELLED. Being a little earlier, the server says
/// `DEADLINE_EXCEEDED`, as gRPC has it.
pub(super) fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    let left = match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    };
    left.checked_sub((left / 5).min(Duration::from_millis(20)))
}
