//! A server on a free port of this machine, with the graph of `graph-data/tiny`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use predilect::engine::Engine;
use predilect::extract::{self, ExtractError, Extraction, Extractor, Vocabulary};
use predilect::ingest::{LoadParams, Mapping};
use predilect::rpc::proto::admin_service_client::AdminServiceClient;
use predilect::rpc::proto::graph_service_client::GraphServiceClient;
use predilect::rpc::proto::ingest_service_client::IngestServiceClient;
use predilect::rpc::proto::interest_service_client::InterestServiceClient;
use predilect::rpc::proto::recommend_service_client::RecommendServiceClient;
use predilect::rpc::proto::{Document, Event, NodeKind, NodeRef};
use predilect::rpc::{Client, RpcError, ServeParams, Stop, serve};
use predilect::store::{GraphStore, Memory};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Response, Status};
use tonic_types::StatusExt;

/// A server, a connection to it, and what must live as long as they do.
pub struct Server {
    pub engine: Arc<Engine>,
    pub address: SocketAddr,
    pub stop: Stop,
    pub channel: Channel,
    runtime: Runtime,
    served: Option<JoinHandle<Result<(), RpcError>>>,
    _folder: Option<TempDir>,
}

/// Where `engine` loads what, so that its answers are those of `graph-data/tiny`.
pub fn load(engine: &Engine) {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("graph-data/tiny");
    let rejects = TempDir::new().unwrap();
    let params = LoadParams {
        items: vec![tiny.join("items.jsonl")],
        events: vec![tiny.join("events.csv")],
        mapping: Mapping::default(),
        max_errors: 0,
        rejects: rejects.path().to_owned(),
        ..LoadParams::default()
    };
    let report = engine.load(&params, &mut |_| {}).unwrap();
    assert_eq!((report.items.applied, report.events.applied), (10, 27));
}

fn lexicon() -> Box<dyn Extractor> {
    extract::by_name("lexicon", None).unwrap()
}

impl Server {
    /// The graph of `graph-data/tiny` in memory.
    pub fn tiny() -> Self {
        let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
        let engine = Engine::new(store, Some(lexicon())).unwrap();
        load(&engine);
        Self::start(engine, ServeParams::default(), None)
    }

    /// The same on disk.
    pub fn on_disk() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("store");
        let engine = Engine::open(&path, true, None, Some(lexicon())).unwrap();
        load(&engine);
        Self::start(engine, ServeParams::default(), Some(folder))
    }

    /// An empty graph in memory, whose extractor takes its time and panics when a text says so.
    pub fn slow(takes: Duration, params: ServeParams) -> Self {
        let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
        Self::start(Engine::new(store, Some(Box::new(Slow(takes)))).unwrap(), params, None)
    }

    pub fn start(engine: Engine, params: ServeParams, folder: Option<TempDir>) -> Self {
        let engine = Arc::new(engine);
        let params = ServeParams { listen: ([127, 0, 0, 1], 0).into(), ..params };
        let stop = params.stop.clone();
        let (tell, told) = mpsc::channel();
        let serving = Arc::clone(&engine);
        let served = thread::spawn(move || {
            serve(serving, &params, &mut |address| tell.send(address).unwrap())
        });
        let address = told.recv().expect("the server listens");
        let runtime = Runtime::new().unwrap();
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = runtime.block_on(endpoint.connect()).unwrap();
        Self { engine, address, stop, channel, runtime, served: Some(served), _folder: folder }
    }

    /// The answer of a call.
    pub fn ok<A>(&self, call: impl Future<Output = Result<Response<A>, Status>>) -> A {
        self.runtime.block_on(call).unwrap().into_inner()
    }

    /// The refusal of a call.
    pub fn refused<A: std::fmt::Debug>(
        &self,
        call: impl Future<Output = Result<Response<A>, Status>>,
    ) -> Status {
        self.runtime.block_on(call).unwrap_err()
    }

    /// Starts a call that goes on by itself.
    pub fn spawn<A: Send + 'static>(
        &self,
        call: impl Future<Output = A> + Send + 'static,
    ) -> tokio::task::JoinHandle<A> {
        self.runtime.spawn(call)
    }

    /// Waits for anything.
    pub fn wait<A>(&self, what: impl Future<Output = A>) -> A {
        self.runtime.block_on(what)
    }

    /// What the server said when it ended.
    pub fn end(mut self) -> Result<(), RpcError> {
        self.served.take().unwrap().join().unwrap()
    }

    pub fn client(&self) -> Client {
        Client::connect(&format!("http://{}", self.address)).unwrap()
    }

    pub fn ingest(&self) -> IngestServiceClient<Channel> {
        IngestServiceClient::new(self.channel.clone())
    }

    pub fn interest(&self) -> InterestServiceClient<Channel> {
        InterestServiceClient::new(self.channel.clone())
    }

    pub fn recommend(&self) -> RecommendServiceClient<Channel> {
        RecommendServiceClient::new(self.channel.clone())
    }

    pub fn graph(&self) -> GraphServiceClient<Channel> {
        GraphServiceClient::new(self.channel.clone())
    }

    pub fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel.clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Twice: a test that failed must not wait for its calls.
        self.stop.stop();
        self.stop.stop();
        // The store closes before the process may end: RocksDB must not outlive its statics.
        if let Some(served) = self.served.take() {
            let _ = served.join();
        }
    }
}

/// The reason of a refusal's ErrorInfo, which must be there, and be ours.
pub fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().expect("a refusal has an ErrorInfo");
    assert_eq!(info.domain, "predilect");
    info.reason
}

/// The field that a refusal's BadRequest names.
pub fn field(status: &Status) -> String {
    let request = status.get_details_bad_request().expect("a bad value has a BadRequest");
    request.field_violations[0].field.clone()
}

pub fn node(kind: NodeKind, id: &str) -> NodeRef {
    NodeRef { kind: kind.into(), id: id.to_owned() }
}

pub fn time(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

/// 2026-01-01T00:00:00Z.
pub const NEW_YEAR: i64 = 1_767_225_600;

/// `user` views an item on the first day of 2026.
pub fn view(event_id: &str, user: &str, item: &str) -> Event {
    Event {
        event_id: event_id.to_owned(),
        user: user.to_owned(),
        target: Some(node(NodeKind::Item, item)),
        action: "viewed".to_owned(),
        event_time: Some(time(NEW_YEAR)),
        value: None,
        session: String::new(),
        text: String::new(),
    }
}

/// An item with a title.
pub fn item(id: &str, title: &str) -> Document {
    Document {
        node: Some(node(NodeKind::Item, id)),
        text: [("title".to_owned(), title.to_owned())].into(),
        ..Document::default()
    }
}

struct Slow(Duration);

impl Extractor for Slow {
    fn version(&self) -> &'static str {
        "slow"
    }

    fn extract(&self, texts: &[&str], _: &Vocabulary) -> Result<Vec<Extraction>, ExtractError> {
        thread::sleep(self.0);
        assert!(!texts.contains(&"panic"), "the text says so");
        Ok(vec![Extraction::default(); texts.len()])
    }
}
