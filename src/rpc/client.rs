//! A blocking client that answers in domain types, so that who asks a server prints the same as who
//! asks a store.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use super::convert::{
    document_to, duplicates_from, event_to, explanation_from, interest_from, key_to, kind_to,
    merge_from, moment_to, path_from, recommendation_from, stats_from, there,
};
use super::proto::admin_service_client::AdminServiceClient;
use super::proto::graph_service_client::GraphServiceClient;
use super::proto::ingest_service_client::IngestServiceClient;
use super::proto::interest_service_client::InterestServiceClient;
use super::proto::recommend_service_client::RecommendServiceClient;
use super::proto::{self, upsert_node_result, write_event_result};
use super::{Refusal, RpcError};
use crate::engine::Moment;
use crate::event::{Document, NodeKey, RawEvent};
use crate::explain::Route;
use crate::interest::{Explanation, Interest};
use crate::link::{DuplicateParams, Duplicates};
use crate::recommend::{RecommendParams, Recommendation};
use crate::store::{Merge, Outcome, Stats};
use crate::traverse::PathParams;

/// How long a server may take to answer a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A connection without a word for so long is asked whether it is there.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
/// The longest answer, in bytes.
pub(super) const MAX_ANSWER_BYTES: usize = 256 << 20;
/// The most interests of a page.
const MAX_PAGE: usize = 1_000;

/// What became of events.
#[derive(Clone, Debug, PartialEq)]
pub struct EventsWritten {
    /// One per event, in order.
    pub outcomes: Vec<Result<Outcome, Refusal>>,
    /// The token of the write. The client's own reads ask for it without being told.
    pub written_at: String,
}

/// What became of documents.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentsWritten {
    /// One per document, in order.
    pub outcomes: Vec<Result<(), Refusal>>,
    /// How many changed the store.
    pub changed: u64,
    /// The token of the write. The client's own reads ask for it without being told.
    pub written_at: String,
}

/// A connection to a server. What it wrote it reads: each read asks for the last write's token.
pub struct Client {
    runtime: Runtime,
    pub(super) channel: Channel,
    pub(super) token: String,
}

impl Client {
    /// Connects to the server at `url`, such as `http://127.0.0.1:7433`; `http://` may be left out.
    ///
    /// # Errors
    /// [`RpcError::Url`], [`RpcError::Connect`], [`RpcError::Runtime`].
    pub fn connect(url: &str) -> Result<Self, RpcError> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let refuse = |reason: String| RpcError::Url { url: url.to_owned(), reason };
        if !full.starts_with("http://") {
            return Err(refuse("only http is spoken".to_owned()));
        }
        let endpoint = Endpoint::from_shared(full).map_err(|error| refuse(chain(&error)))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_WITHIN)
            .http2_keep_alive_interval(KEEPALIVE_EVERY)
            .tcp_nodelay(true);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| RpcError::Runtime { source })?;
        let channel = runtime
            .block_on(endpoint.connect())
            .map_err(|error| RpcError::Connect { url: url.to_owned(), reason: chain(&error) })?;
        Ok(Self { runtime, channel, token: String::new() })
    }

    /// What a user is into: as [`crate::engine::Engine::interests`], at most `k`, page by page.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn interests(
        &self,
        user: &str,
        moment: &Moment,
        types: &[String],
        k: usize,
    ) -> Result<Vec<Interest>, RpcError> {
        let mut interests = Vec::new();
        let mut page_token = String::new();
        while interests.len() < k {
            let request = proto::GetInterestsRequest {
                user: user.to_owned(),
                entity_types: types.to_vec(),
                // The page has the same bounds each time: the server counts on from the last one.
                page_size: number((k - interests.len()).min(MAX_PAGE)),
                page_token,
                view: proto::InterestView::Full.into(),
                read: Some(moment_to(moment, &self.token)),
            };
            let mut client = InterestServiceClient::new(self.channel.clone())
                .max_decoding_message_size(MAX_ANSWER_BYTES);
            let answer = self.wait(client.get_interests(request))?;
            for interest in answer.interests {
                interests.push(interest_from(interest)?);
            }
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Ok(interests)
    }

    /// Why a user is into an entity, which is named `type:name`: as
    /// [`crate::engine::Engine::explain_interest`].
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn explain(
        &self,
        user: &str,
        entity: &str,
        moment: &Moment,
    ) -> Result<Explanation, RpcError> {
        let request = proto::ExplainInterestRequest {
            user: user.to_owned(),
            entity: entity.to_owned(),
            read: Some(moment_to(moment, &self.token)),
        };
        let mut client = InterestServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES);
        explanation_from(self.wait(client.explain_interest(request))?)
    }

    /// What a user would be shown: as [`crate::engine::Engine::recommend`], at most 1,000.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn recommend(
        &self,
        user: &str,
        moment: &Moment,
        params: &RecommendParams,
    ) -> Result<Vec<Recommendation>, RpcError> {
        if params.k == 0 || params.kinds.is_empty() {
            return Ok(Vec::new());
        }
        let request = proto::RecommendRequest {
            user: user.to_owned(),
            page_size: number(params.k),
            method: params.method.clone(),
            kinds: params.kinds.iter().map(|kind| kind_to(*kind)).collect(),
            read: Some(moment_to(moment, &self.token)),
            preview: true,
            ..proto::RecommendRequest::default()
        };
        let mut client = RecommendServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES);
        let answer = self.wait(client.recommend(request))?;
        answer.results.into_iter().map(recommendation_from).collect()
    }

    /// The likeliest paths between two nodes, and whether the search ended early: as
    /// [`crate::engine::Engine::paths`], under the server's budget and not that of `params`.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn paths(
        &self,
        source: &NodeKey,
        target: &NodeKey,
        moment: &Moment,
        params: &PathParams,
    ) -> Result<(Vec<Route>, bool), RpcError> {
        let request = proto::FindPathsRequest {
            source: Some(key_to(source)),
            target: Some(key_to(target)),
            max_hops: number(params.max_hops),
            page_size: number(params.k),
            read: Some(moment_to(moment, &self.token)),
        };
        let mut client = GraphServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES);
        let answer = self.wait(client.find_paths(request))?;
        let routes = answer.paths.into_iter().map(path_from).collect::<Result<_, _>>()?;
        Ok((routes, answer.capped))
    }

    /// Writes events, at most 10,000. What is wrong with one is its own outcome.
    ///
    /// # Errors
    /// [`RpcError::Refused`] when the whole call was, [`RpcError::Answer`].
    pub fn write_events(&mut self, events: Vec<RawEvent>) -> Result<EventsWritten, RpcError> {
        // What has no message to be sent in is refused here, in its place.
        let (mut sent, mut outcomes) = (Vec::new(), Vec::new());
        for event in events {
            outcomes.push(event_to(event).map(|event| sent.push(event)).map_err(Refusal::from));
        }
        let results = if sent.is_empty() { Vec::new() } else { self.send_events(sent)? };
        let mut results = results.into_iter();
        let mut next = || there(results.next(), "results");
        let outcomes = outcomes
            .into_iter()
            .map(|sent| sent.map_or_else(|refusal| Ok(Err(refusal)), |()| next()))
            .collect::<Result<_, RpcError>>()?;
        Ok(EventsWritten { outcomes, written_at: self.token.clone() })
    }

    /// Sends one call of events; one outcome per event.
    pub(super) fn send_events(
        &mut self,
        events: Vec<proto::Event>,
    ) -> Result<Vec<Result<Outcome, Refusal>>, RpcError> {
        let n_events = events.len();
        let request = proto::WriteEventsRequest { events, ..Default::default() };
        let mut client = IngestServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES);
        let answer = self.wait(client.write_events(request))?;
        self.token = answer.written_at;
        all_there(answer.results.len(), n_events)?;
        answer.results.into_iter().map(outcome).collect()
    }

    /// Writes documents, at most 1,000, each in place of an earlier one of the same node. What is wrong with
    /// one is its own outcome.
    ///
    /// # Errors
    /// [`RpcError::Refused`] when the whole call was, [`RpcError::Answer`].
    pub fn upsert(
        &mut self,
        documents: Vec<(NodeKey, Document)>,
    ) -> Result<DocumentsWritten, RpcError> {
        let documents = documents.into_iter().map(|(key, document)| document_to(&key, document));
        let (outcomes, changed) = self.send_documents(documents.collect())?;
        Ok(DocumentsWritten { outcomes, changed, written_at: self.token.clone() })
    }

    /// Sends one call of documents; one outcome per document, and how many changed the store.
    pub(super) fn send_documents(
        &mut self,
        documents: Vec<proto::Document>,
    ) -> Result<(Vec<Result<(), Refusal>>, u64), RpcError> {
        let n_documents = documents.len();
        let mut client = IngestServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES);
        let answer = self.wait(client.upsert_nodes(proto::UpsertNodesRequest { documents }))?;
        self.token = answer.written_at;
        all_there(answer.results.len(), n_documents)?;
        let outcome = |result: proto::UpsertNodeResult| match there(result.result, "results")? {
            upsert_node_result::Result::Ok(proto::Written {}) => Ok(Ok(())),
            upsert_node_result::Result::Error(error) => Ok(Err(error.into())),
        };
        let outcomes = answer.results.into_iter().map(outcome).collect::<Result<_, RpcError>>()?;
        Ok((outcomes, answer.changed_count.try_into().unwrap_or(0)))
    }

    /// Waits, while the connection is looked after.
    pub(super) fn pause(&self, time: Duration) {
        // A timer is made inside of a runtime.
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// Has one entity, named `type:name`, read as another: as [`crate::engine::Engine::merge`], at
    /// the server's time.
    ///
    /// # Errors
    /// [`RpcError::Refused`].
    pub fn merge(
        &mut self,
        entity: &str,
        into: &str,
        by: &str,
        reason: &str,
    ) -> Result<(), RpcError> {
        let [entity, into, by, reason] = [entity, into, by, reason].map(str::to_owned);
        let request = proto::MergeEntitiesRequest { entity, into, by, reason };
        let mut client = IngestServiceClient::new(self.channel.clone());
        self.token = self.wait(client.merge_entities(request))?.written_at;
        Ok(())
    }

    /// Has a merged entity read as itself again: as [`crate::engine::Engine::unmerge`].
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn unmerge(&mut self, entity: &str) -> Result<Merge, RpcError> {
        let request = proto::UnmergeEntitiesRequest { entity: entity.to_owned() };
        let mut client = IngestServiceClient::new(self.channel.clone());
        let answer = self.wait(client.unmerge_entities(request))?;
        self.token = answer.written_at;
        merge_from(there(answer.lifted, "lifted")?)
    }

    /// Entities that may be one, at most 1,000 pairs: as [`crate::engine::Engine::duplicates`].
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn duplicates(&self, params: &DuplicateParams) -> Result<Duplicates, RpcError> {
        let request = proto::FindDuplicatesRequest {
            entity_types: params.types.clone(),
            page_size: number(params.k),
        };
        let mut client = GraphServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES);
        duplicates_from(self.wait(client.find_duplicates(request))?)
    }

    /// How much of what the server holds, and how many documents wait for extraction.
    ///
    /// # Errors
    /// [`RpcError::Refused`].
    pub fn stats(&self) -> Result<(Stats, usize), RpcError> {
        let mut client = AdminServiceClient::new(self.channel.clone());
        Ok(stats_from(self.wait(client.get_stats(proto::GetStatsRequest {}))?))
    }

    pub(super) fn wait<A>(
        &self,
        call: impl Future<Output = Result<Response<A>, Status>>,
    ) -> Result<A, RpcError> {
        let answer = self.runtime.block_on(call).map_err(Refusal::from)?;
        Ok(answer.into_inner())
    }
}

/// Is there an answer for everything that was sent?
fn all_there(found: usize, sent: usize) -> Result<(), RpcError> {
    if found == sent {
        return Ok(());
    }
    Err(RpcError::Answer { field: "results", found: format!("{found} of {sent}") })
}

fn outcome(result: proto::WriteEventResult) -> Result<Result<Outcome, Refusal>, RpcError> {
    Ok(match there(result.result, "results")? {
        write_event_result::Result::Ok(proto::Written {}) => Ok(Outcome::Applied),
        write_event_result::Result::Duplicate(proto::Duplicate {}) => Ok(Outcome::Unchanged),
        write_event_result::Result::Error(error) if error.reason == "EVENT_CONFLICT" => {
            Ok(Outcome::Conflict)
        }
        write_event_result::Result::Error(error) => Err(error.into()),
    })
}

/// A count as messages have it; what is more than they can say is the most they can.
pub(super) fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
