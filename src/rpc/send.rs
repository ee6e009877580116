//! Rows of files to a server, in calls of a fitting size. A call that fails because the server is gone or
//! overloaded is made again a few times: what is sent twice changes nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prost::Message;

use super::client::Client;
use super::convert::{document_to, event_to};
use super::ingest::{MAX_DOCUMENTS, MAX_EVENTS};
use super::server::MAX_MESSAGE_BYTES;
use super::{Refusal, RpcError, proto};
use crate::event::{Document, EventError, NodeKey, RawEvent};
use crate::ingest::{DocumentsTaken, Receiver, ReceiverError, RefusedRow};
use crate::store::Outcome;

/// Bytes from which a call is full.
const CALL_BYTES: usize = 4 << 20;
/// Bytes that an element of a call takes at most beside itself.
const FRAME_BYTES: usize = 64;
/// How often a call is made again.
const RETRIES: u32 = 5;
/// How long it is waited before a call is made again the first time; twice as long each next time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How often it is looked whether a wait is to end.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Sends rows to a server, one call at a time, each acknowledged when it is on the server's disk.
pub struct Sender {
    client: Client,
    interrupted: Arc<AtomicBool>,
    told: fn(&str),
    items: u64,
    events: u64,
}

impl Sender {
    /// Sends through `client`. Waits for a server that does not answer end early once `interrupted` is set;
    /// `told` is told of them.
    pub fn new(client: Client, interrupted: Arc<AtomicBool>, told: fn(&str)) -> Self {
        Self { client, interrupted, told, items: 0, events: 0 }
    }

    /// Makes a call, and again while it may pass.
    fn call<A>(
        &mut self,
        make: impl Fn(&mut Client) -> Result<A, RpcError>,
    ) -> Result<A, RpcError> {
        let mut wait = FIRST_WAIT;
        for _ in 0..RETRIES {
            match make(&mut self.client) {
                Err(RpcError::Refused(refusal)) if refusal.may_pass() => {
                    let wait = wait.max(refusal.retry_in.unwrap_or_default());
                    (self.told)(&format!("{refusal}; trying again in {wait:?}"));
                    if !self.waited(wait) {
                        return Err(refusal.into());
                    }
                }
                answer => return answer,
            }
            wait *= 2;
        }
        make(&mut self.client)
    }

    /// Waits; says whether it was until the end.
    fn waited(&self, time: Duration) -> bool {
        let mut left = time;
        while !left.is_zero() && !self.interrupted.load(Ordering::Relaxed) {
            let step = left.min(WAIT_STEP);
            self.client.pause(step);
            left -= step;
        }
        left.is_zero()
    }

    fn unsent(&self, error: RpcError) -> ReceiverError {
        let (items, events) = (self.items, self.events);
        Box::new(RpcError::Unsent { items, events, source: Box::new(error) })
    }

    fn send_documents(
        &mut self,
        documents: Vec<proto::Document>,
    ) -> Result<(Vec<Result<(), Refusal>>, u64), RpcError> {
        let mut changed = 0;
        let outcomes = in_calls(documents, MAX_DOCUMENTS, |documents| {
            let (outcomes, n) = self.call(|client| client.send_documents(documents.clone()))?;
            changed += n;
            self.items += n_ok(&outcomes);
            Ok(outcomes)
        })?;
        Ok((outcomes, changed))
    }

    fn send_events(
        &mut self,
        events: Vec<proto::Event>,
    ) -> Result<Vec<Result<Outcome, Refusal>>, RpcError> {
        in_calls(events, MAX_EVENTS, |events| {
            let outcomes = self.call(|client| client.send_events(events.clone()))?;
            self.events += n_ok(&outcomes);
            Ok(outcomes)
        })
    }
}

impl Receiver for Sender {
    fn documents(
        &mut self,
        documents: Vec<(NodeKey, Document)>,
    ) -> Result<DocumentsTaken, ReceiverError> {
        let documents = documents.into_iter().map(|(key, document)| document_to(&key, document));
        let (outcomes, changed) =
            self.send_documents(documents.collect()).map_err(|error| self.unsent(error))?;
        let outcomes = outcomes.into_iter().map(|outcome| outcome.map_err(refused_row)).collect();
        Ok(DocumentsTaken { outcomes, changed })
    }

    fn events(
        &mut self,
        events: &[RawEvent],
    ) -> Result<Vec<Result<Outcome, RefusedRow>>, ReceiverError> {
        let (messages, unsaid): (Vec<_>, Vec<_>) = events.iter().map(message).unzip();
        let outcomes = self.send_events(messages).map_err(|error| self.unsent(error))?;
        let outcomes = outcomes.into_iter().zip(unsaid);
        Ok(outcomes.map(|(outcome, unsaid)| first_of(outcome, unsaid)).collect())
    }
}

/// The message of an event; and what is wrong with the event, if no message can say it.
///
/// The server checks the fields in their order, some of them by a schema that it alone has. So that the
/// first wrong field is told here as a load tells it, an event without a message is sent as well, with a
/// value that no server writes.
fn message(event: &RawEvent) -> (proto::Event, Option<EventError>) {
    let error = match event_to(event.clone()) {
        Ok(message) => return (message, None),
        Err(error) => error,
    };
    let is_kind = matches!(error, EventError::Kind { .. });
    let target_kind = event.target_kind.clone().filter(|_| !is_kind);
    let at = "0".to_owned();
    let stand_in = RawEvent { target_kind, at, value: Some(f64::NAN), ..event.clone() };
    (event_to(stand_in).unwrap_or_default(), Some(error))
}

/// What is wrong first: what the server found, or what it was not told.
fn first_of(
    outcome: Result<Outcome, Refusal>,
    unsaid: Option<EventError>,
) -> Result<Outcome, RefusedRow> {
    let outcome = outcome.map_err(refused_row);
    let Some(unsaid) = unsaid else { return outcome };
    let before: &[&str] = match unsaid {
        EventError::Kind { .. } => &["event_id", "user"],
        _ => &["event_id", "user", "target", "target_kind", "action"],
    };
    match outcome {
        Err(found) if before.contains(&found.field.as_str()) => Err(found),
        _ => Err(RefusedRow { field: unsaid.field().to_owned(), reason: unsaid.to_string() }),
    }
}

/// A refusal by the names that fields have in files.
fn refused_row(refusal: Refusal) -> RefusedRow {
    let Refusal { message, field, .. } = refusal;
    let found = field.unwrap_or_default();
    let field = match found.as_str() {
        "target.id" => "target",
        "target.kind" => "target_kind",
        "event_time" => "at",
        "node.id" => "id",
        "node.kind" => "kind",
        other => other,
    };
    let reason = message.replacen(&format!("`{found}`"), &format!("`{field}`"), 1);
    RefusedRow { field: field.to_owned(), reason }
}

/// Gives `messages` to `call` in order, at most `max` and not much more than [`CALL_BYTES`] at a time. What is
/// longer than a server takes is refused here.
fn in_calls<M: Message, A>(
    messages: Vec<M>,
    max: usize,
    mut call: impl FnMut(Vec<M>) -> Result<Vec<Result<A, Refusal>>, RpcError>,
) -> Result<Vec<Result<A, Refusal>>, RpcError> {
    let mut answers = Vec::with_capacity(messages.len());
    let (mut batch, mut n_bytes) = (Vec::new(), 0);
    for message in messages {
        let bytes = message.encoded_len() + FRAME_BYTES;
        let is_too_long = bytes > MAX_MESSAGE_BYTES;
        let is_full = batch.len() == max || n_bytes + bytes > CALL_BYTES;
        if !batch.is_empty() && (is_full || is_too_long) {
            answers.extend(call(std::mem::take(&mut batch))?);
            n_bytes = 0;
        }
        if is_too_long {
            answers.push(Err(too_long(bytes)));
        } else {
            batch.push(message);
            n_bytes += bytes;
        }
    }
    if !batch.is_empty() {
        answers.extend(call(batch)?);
    }
    Ok(answers)
}

fn too_long(bytes: usize) -> Refusal {
    let message = format!(
        "makes a message of {bytes} bytes, and a server takes {MAX_MESSAGE_BYTES}; shorten it, or \
         load the row with --store while no server has the store open"
    );
    Refusal::field("text", "TOO_LONG", message)
}

fn n_ok<A>(outcomes: &[Result<A, Refusal>]) -> u64 {
    outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64
}
