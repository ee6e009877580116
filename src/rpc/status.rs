//! The one place where errors become gRPC codes, reasons and fields, and back.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::proto;
use crate::engine::EngineError;
use crate::event::EventError;
use crate::extract::ExtractError;
use crate::graph::GraphError;
use crate::ingest::IngestError;
use crate::link::LinkError;
use crate::recommend::RecommendError;
use crate::schema::SchemaError;
use crate::snapshot::{EmbeddedError, SnapshotError};
use crate::store::StoreError;
use crate::traverse::TraverseError;

/// Who gives the reasons.
const DOMAIN: &str = "predilect";

/// Why a call, or one element of a batch, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(super) code: Code,
    /// For programs: in capitals, such as `UNKNOWN_NODE`; empty when the refuser gave none.
    pub reason: String,
    /// For people: what is wrong and what to do.
    pub message: String,
    /// The field at fault.
    pub field: Option<String>,
    /// Facts by name.
    pub metadata: Vec<(String, String)>,
    /// After how long the server wants to be asked again.
    pub(super) retry_in: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(code: Code, reason: &str, message: impl Into<String>) -> Self {
        let (reason, message) = (reason.to_owned(), message.into());
        Self { code, reason, message, field: None, metadata: Vec::new(), retry_in: None }
    }

    /// A field of a request holds what it may not.
    pub(super) fn field(field: &str, reason: &str, message: impl fmt::Display) -> Self {
        Self::new(Code::InvalidArgument, reason, format!("`{field}` {message}")).at(field)
    }

    pub(super) fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub(super) fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.metadata.push((name.to_owned(), value.to_string()));
        self
    }

    /// May the same call succeed in a moment? So it may when the server wants to be asked again later, or
    /// when no server answered: every refusal of a server has a reason.
    pub(super) fn may_pass(&self) -> bool {
        let unheard = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal];
        self.retry_in.is_some()
            || self.code == Code::Unavailable
            || (self.reason.is_empty() && unheard.contains(&self.code))
    }

    /// The gRPC code, as `NOT_FOUND`.
    pub fn code(&self) -> &'static str {
        match self.code {
            Code::Ok => "OK",
            Code::Cancelled => "CANCELLED",
            Code::Unknown => "UNKNOWN",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unavailable => "UNAVAILABLE",
            Code::DataLoss => "DATA_LOSS",
            Code::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    pub(super) fn into_status(self) -> Status {
        let metadata: HashMap<String, String> = self.metadata.into_iter().collect();
        let mut details = ErrorDetails::with_error_info(self.reason, DOMAIN, metadata);
        if let Some(field) = self.field {
            details.add_bad_request_violation(field, self.message.clone());
        }
        if self.code == Code::ResourceExhausted {
            details.set_retry_info(Some(Duration::from_secs(1)));
        }
        Status::with_error_details(self.code, self.message, details)
    }

    pub(super) fn into_error(self) -> proto::Error {
        let Self { code, reason, message, field, .. } = self;
        proto::Error { code: code.into(), message, reason, field: field.unwrap_or_default() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code())
    }
}

impl std::error::Error for Refusal {}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let mut refusal = Self::new(status.code(), "", status.message());
        let mut cause = std::error::Error::source(&status);
        while let Some(error) = cause {
            // What a transport says is no more than that it failed; its causes say why.
            let text = error.to_string();
            if !refusal.message.contains(&text) {
                refusal.message = format!("{}: {text}", refusal.message);
            }
            cause = error.source();
        }
        if let Some(info) = details.error_info() {
            refusal.reason.clone_from(&info.reason);
            refusal.metadata = info.metadata.clone().into_iter().collect();
            refusal.metadata.sort();
        }
        refusal.retry_in = details.retry_info().and_then(|info| info.retry_delay);
        let violations = details.bad_request().map(|request| request.field_violations.as_slice());
        refusal.field = violations.and_then(|all| all.first()).map(|first| first.field.clone());
        refusal
    }
}

impl From<proto::Error> for Refusal {
    fn from(error: proto::Error) -> Self {
        let proto::Error { code, message, reason, field } = error;
        let field = Some(field).filter(|field| !field.is_empty());
        Self { code: code.into(), reason, message, field, metadata: Vec::new(), retry_in: None }
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        let (code, reason) = of_engine(&error);
        let refusal = Self::new(code, reason, error.to_string());
        match &error {
            EngineError::Unknown { key } => refusal.with("kind", key.kind).with("id", &key.name),
            EngineError::NoInterest { user, entity } => {
                refusal.with("user", &user.name).with("entity", &entity.name)
            }
            EngineError::NoSubject => refusal.at("user"),
            EngineError::NeedsUser { field } => refusal.at(*field),
            EngineError::Session { place, source } => {
                refusal.at(format!("session[{}].{}", place - 1, source.field()))
            }
            EngineError::Token { .. } => refusal.at("read.at_least_as_fresh"),
            EngineError::Recommend(RecommendError::Unknown { known, .. }) => {
                refusal.at("method").with("known", known)
            }
            EngineError::Recommend(
                RecommendError::Filter { field, .. } | RecommendError::Rule { field, .. },
            ) => refusal.at(*field),
            EngineError::Recommend(RecommendError::TooManySets { .. }) => refusal.at("min_support"),
            EngineError::Recommend(RecommendError::Arms(_)) => refusal.at("experiment.arms"),
            EngineError::Event(error) | EngineError::Ingest(IngestError::Event(error)) => {
                refusal.at(error.field())
            }
            _ if matches!(code, Code::Internal | Code::DataLoss | Code::Unavailable) => {
                // What failed names paths of the server's machine: it goes to the log alone.
                tracing::error!(reason, "{error}");
                Self::new(code, reason, "the server failed; its log says why")
            }
            _ => refusal,
        }
    }
}

impl From<EventError> for Refusal {
    fn from(error: EventError) -> Self {
        EngineError::Event(error).into()
    }
}

fn of_engine(error: &EngineError) -> (Code, &'static str) {
    match error {
        EngineError::Unknown { .. } => (Code::NotFound, "UNKNOWN_NODE"),
        EngineError::NoSubject | EngineError::NeedsUser { .. } => {
            (Code::InvalidArgument, "MISSING_FIELD")
        }
        EngineError::Session { source, .. } => of_event(source),
        EngineError::NoInterest { .. } => (Code::NotFound, "NO_INTEREST"),
        EngineError::Token { .. } => (Code::FailedPrecondition, "TOKEN_OF_ANOTHER_STORE"),
        EngineError::Gathered(error) => of_engine(error),
        EngineError::File { .. }
        | EngineError::Recipe { .. }
        | EngineError::Table(_)
        | EngineError::Embedded(EmbeddedError::Table(_))
        | EngineError::Recommend(RecommendError::Embedded(EmbeddedError::Table(_))) => {
            (Code::Internal, "FILE")
        }
        EngineError::Embed(_)
        | EngineError::Embedded(_)
        | EngineError::Recommend(RecommendError::Embedded(_)) => {
            (Code::Internal, "EMBEDDING_FAILED")
        }
        EngineError::NoFolder => (Code::FailedPrecondition, "STORE_IN_MEMORY"),
        EngineError::WarmStart { .. } => (Code::FailedPrecondition, "NO_WARM_START"),
        EngineError::NoDrift { .. } => (Code::FailedPrecondition, "NO_DRIFT"),
        EngineError::NoRow { .. } => (Code::FailedPrecondition, "NO_ROW"),
        EngineError::Event(error) => of_event(error),
        EngineError::Store(error) => of_store(error),
        EngineError::Ingest(error) => of_ingest(error),
        EngineError::Extract(error) => of_extract(error),
        EngineError::Link(error) => of_link(error),
        EngineError::Snapshot(SnapshotError::Store(error)) => of_store(error),
        EngineError::Snapshot(SnapshotError::Graph(error)) => of_graph(error),
        EngineError::Recommend(RecommendError::Unknown { .. }) => {
            (Code::InvalidArgument, "UNKNOWN_RECOMMENDER")
        }
        EngineError::Recommend(RecommendError::Traverse(error)) => of_traverse(error),
        EngineError::Recommend(RecommendError::Model(_)) => {
            (Code::FailedPrecondition, "MODEL_CANNOT_BE_FITTED")
        }
        EngineError::Recommend(RecommendError::Filter { .. }) => {
            (Code::InvalidArgument, "BAD_FILTER")
        }
        EngineError::Recommend(RecommendError::Rule { .. }) => {
            (Code::InvalidArgument, "BAD_NUMBER")
        }
        EngineError::Recommend(RecommendError::TooManySets { .. }) => {
            (Code::ResourceExhausted, "TOO_MANY_SETS")
        }
        EngineError::Recommend(RecommendError::Arms(_)) => (Code::InvalidArgument, "BAD_ARMS"),
        EngineError::Traverse(error) => of_traverse(error),
    }
}

fn of_event(error: &EventError) -> (Code, &'static str) {
    match error {
        EventError::Missing { .. } => (Code::InvalidArgument, "MISSING_FIELD"),
        EventError::Name { .. } => (Code::InvalidArgument, "BAD_NAME"),
        EventError::Time { .. } => (Code::InvalidArgument, "BAD_TIME"),
        EventError::Number { .. } => (Code::InvalidArgument, "BAD_NUMBER"),
        EventError::Kind { .. } => (Code::InvalidArgument, "BAD_KIND"),
        EventError::TooLong { .. } => (Code::InvalidArgument, "TOO_LONG"),
        EventError::Schema(error) => of_schema(error),
    }
}

fn of_schema(error: &SchemaError) -> (Code, &'static str) {
    match error {
        SchemaError::Syntax(_) | SchemaError::Field { .. } => (Code::Internal, "BAD_SCHEMA"),
        SchemaError::UnknownAction { .. } => (Code::InvalidArgument, "UNKNOWN_ACTION"),
        SchemaError::Value { .. } => (Code::InvalidArgument, "VALUE_OFF_SCALE"),
    }
}

fn of_store(error: &StoreError) -> (Code, &'static str) {
    match error {
        StoreError::Missing { .. } => (Code::Unavailable, "STORE_MISSING"),
        StoreError::NotAStore { .. } => (Code::Unavailable, "NOT_A_STORE"),
        StoreError::Locked { .. } => (Code::Unavailable, "STORE_LOCKED"),
        StoreError::Format { .. } => (Code::FailedPrecondition, "STORE_FORMAT"),
        StoreError::OtherSchema => (Code::FailedPrecondition, "OTHER_SCHEMA"),
        StoreError::Corrupt { .. } => (Code::DataLoss, "STORE_CORRUPT"),
        StoreError::Collision { .. } => (Code::AlreadyExists, "NODE_ID_COLLISION"),
        StoreError::Schema(error) => of_schema(error),
        StoreError::Unsorted { .. } => (Code::Internal, "STORE_UNSORTED"),
        StoreError::Headless { .. } => (Code::DataLoss, "STORE_HEADLESS"),
        StoreError::Lost { .. } => (Code::DataLoss, "STORE_LOST_WRITES"),
        StoreError::NoRoom { .. } => (Code::ResourceExhausted, "DISK_FULL"),
        StoreError::Occupied { .. } => (Code::AlreadyExists, "OCCUPIED"),
        StoreError::Backup { .. } => (Code::DataLoss, "BAD_BACKUP"),
        StoreError::Interrupted => (Code::Cancelled, "INTERRUPTED"),
        StoreError::Io { .. } => (Code::Internal, "STORE_IO"),
        StoreError::Engine { .. } => (Code::Internal, "STORE_FAILED"),
    }
}

fn of_ingest(error: &IngestError) -> (Code, &'static str) {
    match error {
        IngestError::Io { .. } => (Code::Internal, "FILE_IO"),
        IngestError::NotAFile { .. } => (Code::InvalidArgument, "NOT_A_FILE"),
        IngestError::Unreadable { .. } => (Code::InvalidArgument, "UNREADABLE_FILE"),
        IngestError::Broken { .. } => (Code::InvalidArgument, "BROKEN_FILE"),
        IngestError::Changed => (Code::Aborted, "FILE_CHANGED"),
        IngestError::TooManyRejects { .. } => (Code::InvalidArgument, "TOO_MANY_REJECTS"),
        IngestError::Interrupted => (Code::Cancelled, "INTERRUPTED"),
        IngestError::LoadId { .. } => (Code::InvalidArgument, "BAD_LOAD_ID"),
        IngestError::UnknownLoad { .. } => (Code::NotFound, "UNKNOWN_LOAD"),
        IngestError::LoadFinished { .. } => (Code::AlreadyExists, "LOAD_FINISHED"),
        IngestError::LoadUnfinished { .. } | IngestError::LoadUnloading { .. } => {
            (Code::FailedPrecondition, "LOAD_UNFINISHED")
        }
        IngestError::OtherReader { .. } => (Code::FailedPrecondition, "OTHER_EXTRACTOR"),
        IngestError::Threads { .. } => (Code::ResourceExhausted, "NO_THREADS"),
        IngestError::Receiver(_) => (Code::Unavailable, "RECEIVER_FAILED"),
        IngestError::Mapping { .. } => (Code::InvalidArgument, "BAD_MAPPING"),
        IngestError::Select { .. } => (Code::InvalidArgument, "BAD_SELECT"),
        IngestError::Event(error) => of_event(error),
        IngestError::Store(error) => of_store(error),
        IngestError::Extract(error) => of_extract(error),
        IngestError::Link(error) => of_link(error),
    }
}

fn of_link(error: &LinkError) -> (Code, &'static str) {
    match error {
        LinkError::Unknown { .. } => (Code::NotFound, "UNKNOWN_NODE"),
        LinkError::NotAnEntity { .. } => (Code::InvalidArgument, "NOT_AN_ENTITY"),
        LinkError::Itself { .. } => (Code::InvalidArgument, "MERGE_INTO_ITSELF"),
        LinkError::OtherType { .. } => (Code::InvalidArgument, "MERGE_OF_TYPES"),
        LinkError::Merged { .. } => (Code::AlreadyExists, "MERGED_ALREADY"),
        LinkError::Chain { .. } | LinkError::Survivor { .. } => {
            (Code::FailedPrecondition, "MERGE_CHAIN")
        }
        LinkError::NotMerged { .. } => (Code::NotFound, "NOT_MERGED"),
        LinkError::Store(error) => of_store(error),
        LinkError::Extract(error) => of_extract(error),
    }
}

fn of_extract(error: &ExtractError) -> (Code, &'static str) {
    match error {
        ExtractError::UnknownExtractor { .. } => (Code::InvalidArgument, "UNKNOWN_EXTRACTOR"),
        ExtractError::TextTooLong { .. } => (Code::InvalidArgument, "TOO_LONG"),
        ExtractError::VocabularyTooLarge { .. } => {
            (Code::ResourceExhausted, "VOCABULARY_TOO_LARGE")
        }
        ExtractError::Threads { .. } => (Code::ResourceExhausted, "NO_THREADS"),
        ExtractError::MissingFile { .. }
        | ExtractError::Io { .. }
        | ExtractError::Config { .. }
        | ExtractError::ConfigValue { .. }
        | ExtractError::Tokenizer { .. }
        | ExtractError::VocabularySize { .. }
        | ExtractError::SpecialTokens { .. }
        | ExtractError::Weights { .. }
        | ExtractError::MissingTensor { .. }
        | ExtractError::WrongShape { .. }
        | ExtractError::NotFiniteWeight { .. }
        | ExtractError::NotFiniteOutput { .. }
        | ExtractError::Heads { .. }
        | ExtractError::HeadsValue { .. }
        | ExtractError::NoHeads
        | ExtractError::Diverged { .. }
        | ExtractError::OtherTraining { .. }
        | ExtractError::NothingLabelled { .. }
        | ExtractError::Compute { .. } => (Code::Internal, "EXTRACTION_FAILED"),
    }
}

fn of_graph(error: &GraphError) -> (Code, &'static str) {
    match error {
        GraphError::TooManyNodes { .. } | GraphError::TooManyEdges => {
            (Code::ResourceExhausted, "GRAPH_TOO_LARGE")
        }
        GraphError::Unsorted { .. }
        | GraphError::Duplicate { .. }
        | GraphError::OutOfRange { .. } => (Code::Internal, "GRAPH_FAILED"),
    }
}

fn of_traverse(error: &TraverseError) -> (Code, &'static str) {
    match error {
        TraverseError::Cancelled => (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        TraverseError::Unfinished { .. } => (Code::ResourceExhausted, "WALK_TOO_LONG"),
        TraverseError::UnknownNode { .. }
        | TraverseError::Seed { .. }
        | TraverseError::SeedMass { .. }
        | TraverseError::TooManyNodes { .. }
        | TraverseError::TooManyEdges { .. }
        | TraverseError::Param { .. } => (Code::Internal, "WALK_FAILED"),
    }
}
