//! The server: listens, answers, and ends in good order.
//!
//! There is no authentication: whoever reaches the address may read and write. The default address
//! is therefore the machine's own, and any other one is warned of.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tonic::server::NamedService;
use tonic::transport::server::{Router, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::Builder as Reflection;

use super::RpcError;
use super::admin::Admin;
use super::door::Door;
use super::graph::Graphs;
use super::ingest::Ingest;
use super::interest::Interests;
use super::proto::DESCRIPTORS;
use super::proto::admin_service_server::AdminServiceServer;
use super::proto::graph_service_server::GraphServiceServer;
use super::proto::ingest_service_server::IngestServiceServer;
use super::proto::interest_service_server::InterestServiceServer;
use super::proto::recommend_service_server::RecommendServiceServer;
use super::recommend::Recommends;
use crate::engine::Engine;

/// Threads that move messages; the work is done on others.
const MOVERS: usize = 2;
/// Calls of one connection that are under way at a time.
const MAX_STREAMS: u32 = 1_024;
/// A connection without a word for so long is asked whether it is there.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
/// A connection that does not answer for so long is closed.
const KEEPALIVE_FOR: Duration = Duration::from_secs(20);

/// The longest message that is taken unless [`ServeParams`] say other, in bytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeParams {
    /// Where to listen; port 0 takes a free one. Default: 127.0.0.1:7433.
    pub listen: SocketAddr,
    /// The longest message that is taken, in bytes. Default: 16 MiB.
    pub max_message_bytes: usize,
    /// Calls that are worked on at a time; others wait. Default: the machine's cores, at least 4.
    pub workers: usize,
    /// Calls that are worked on or wait; more are refused. Default: 1,024.
    pub max_calls: usize,
    /// How long calls may go on once the server is told to stop. Default: 30 s.
    pub grace: Duration,
    /// Tells the server to stop, as a signal does.
    pub stop: Stop,
}

impl Default for ServeParams {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7433)),
            max_message_bytes: MAX_MESSAGE_BYTES,
            workers: cores.max(4),
            max_calls: 1_024,
            grace: Duration::from_secs(30),
            stop: Stop::default(),
        }
    }
}

/// Tells a server to stop: the first time in good order, the second time at once.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<u32>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Stop {
    /// Tells it once more.
    pub fn stop(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }

    /// Returns when it was told so many times.
    async fn told(&self, times: u32) {
        let mut told = self.0.subscribe();
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = told.wait_for(|found| *found >= times).await;
    }
}

/// Serves until SIGINT, SIGTERM or `params.stop`; then calls under way are finished, for
/// `params.grace` at most. A second signal ends the server at once.
///
/// `ready` is called with the address once the server listens.
///
/// # Errors
/// [`RpcError::Runtime`], [`RpcError::Bind`], [`RpcError::Serve`].
pub fn serve(
    engine: Arc<Engine>,
    params: &ServeParams,
    ready: &mut dyn FnMut(SocketAddr),
) -> Result<(), RpcError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(MOVERS)
        .max_blocking_threads(params.workers.max(1).saturating_add(MOVERS))
        .thread_name("predilect-rpc")
        .enable_all()
        .build()
        .map_err(|source| RpcError::Runtime { source })?;
    let merger = engine.merge_in_background().map_err(|source| RpcError::Runtime { source })?;
    let served = runtime.block_on(listen(engine, params, ready));
    close(runtime);
    drop(merger);
    served
}

/// Ends the threads without waiting for work that nobody waits for any more.
fn close(runtime: Runtime) {
    runtime.shutdown_background();
}

async fn listen(
    engine: Arc<Engine>,
    params: &ServeParams,
    ready: &mut dyn FnMut(SocketAddr),
) -> Result<(), RpcError> {
    let bind = |source| RpcError::Bind { address: params.listen, source };
    let listener = TcpListener::bind(params.listen).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    if !address.ip().is_loopback() {
        tracing::warn!("{address} is open to other machines, and nobody is asked who they are");
    }
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let health = HealthReporter::new();
    let router = router(engine, params, &health).await?;
    let stop = params.stop.clone();
    watch_signals(stop.clone()).map_err(|source| RpcError::Runtime { source })?;
    let told = {
        let stop = stop.clone();
        async move {
            stop.told(1).await;
            tracing::info!("stopping when the calls under way are finished");
            close_health(health).await;
        }
    };
    ready(address);
    tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, told) => {
            served.map_err(|source| RpcError::Serve { source: source.into() })
        }
        () = out_of_patience(&stop, params.grace) => {
            tracing::warn!("stopped with calls under way");
            Ok(())
        }
    }
}

async fn out_of_patience(stop: &Stop, grace: Duration) {
    stop.told(1).await;
    tokio::select! {
        () = tokio::time::sleep(grace) => {}
        () = stop.told(2) => {}
    }
}

fn watch_signals(stop: Stop) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stop.stop();
        }
    });
    Ok(())
}

/// Names of the services that health is told of; the empty one is the whole server.
const SERVICES: [&str; 6] = [
    "",
    IngestServiceServer::<Ingest>::NAME,
    InterestServiceServer::<Interests>::NAME,
    RecommendServiceServer::<Recommends>::NAME,
    GraphServiceServer::<Graphs>::NAME,
    AdminServiceServer::<Admin>::NAME,
];

async fn router(
    engine: Arc<Engine>,
    params: &ServeParams,
    health: &HealthReporter,
) -> Result<Router, RpcError> {
    for service in SERVICES {
        health.set_service_status(service, ServingStatus::Serving).await;
    }
    let reflection = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let failed = |source| RpcError::Serve { source: Box::new(source) };
    let door = Door::new(engine, params.workers, params.max_calls);
    let limit = params.max_message_bytes;
    let ingest = IngestServiceServer::new(Ingest(door.clone()));
    let interest = InterestServiceServer::new(Interests(door.clone()));
    let recommend = RecommendServiceServer::new(Recommends(door.clone()));
    let graph = GraphServiceServer::new(Graphs(door.clone()));
    let admin = AdminServiceServer::new(Admin(door));
    let health = tonic_health::server::HealthService::from_health_reporter(health.clone());
    Ok(tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_FOR))
        .max_concurrent_streams(MAX_STREAMS)
        .add_service(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(reflection().build_v1().map_err(failed)?)
        .add_service(reflection().build_v1alpha().map_err(failed)?)
        .add_service(ingest.max_decoding_message_size(limit))
        .add_service(interest.max_decoding_message_size(limit))
        .add_service(recommend.max_decoding_message_size(limit))
        .add_service(graph.max_decoding_message_size(limit))
        .add_service(admin.max_decoding_message_size(limit)))
}

/// Tells who watches that the server goes, and ends their streams, which would hold it up.
async fn close_health(mut health: HealthReporter) {
    for service in SERVICES {
        health.set_service_status(service, ServingStatus::NotServing).await;
        health.clear_service_status(service).await;
    }
}
