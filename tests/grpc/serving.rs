//! The server itself: what it says of itself, its limits, and how it ends.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use predilect::engine::{Engine, EngineError};
use predilect::event::RawEvent;
use predilect::ingest::Receiver;
use predilect::rpc::proto::{GetStatsRequest, UpsertNodesRequest, WriteEventsRequest};
use predilect::rpc::{Client, RpcError, Sender, ServeParams, serve};
use predilect::store::{GraphStore, Memory, Outcome, StoreError};
use tempfile::TempDir;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::fixture::{Server, item, reason, view};

const SERVICES: [&str; 5] = [
    "predilect.v1.AdminService",
    "predilect.v1.GraphService",
    "predilect.v1.IngestService",
    "predilect.v1.InterestService",
    "predilect.v1.RecommendService",
];

/// Lists the services by one version of reflection, and looks each one up.
macro_rules! check_reflection {
    ($version:ident) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        let server = Server::tiny();
        let ask = |asked| {
            let request =
                ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
            let mut client = ServerReflectionClient::new(server.channel.clone());
            let requests = tonic::codegen::tokio_stream::once(request);
            let mut answers = server.ok(client.server_reflection_info(requests));
            server.wait(answers.message()).unwrap().unwrap().message_response.unwrap()
        };
        let listed = match ask(MessageRequest::ListServices(String::new())) {
            MessageResponse::ListServicesResponse(listed) => listed.service,
            other => panic!("{other:?}"),
        };
        let listed: Vec<String> = listed.into_iter().map(|service| service.name).collect();
        for service in SERVICES.iter().chain(&["grpc.health.v1.Health"]) {
            assert!(listed.contains(&(*service).to_owned()), "{service} in {listed:?}");
            let found = ask(MessageRequest::FileContainingSymbol((*service).to_owned()));
            assert!(matches!(found, MessageResponse::FileDescriptorResponse(_)), "{service}");
        }
    }};
}

#[test]
fn reflection_v1_lists_every_service() {
    check_reflection!(v1);
}

#[test]
fn reflection_v1alpha_lists_every_service() {
    check_reflection!(v1alpha);
}

fn health(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[test]
fn health_of_every_service_is_serving() {
    let server = Server::tiny();
    let mut client = HealthClient::new(server.channel.clone());
    for service in SERVICES.iter().chain(&[""]) {
        let answer = server.ok(client.check(health(service)));
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let status = server.refused(client.check(health("predilect.v1.Nothing")));
    assert_eq!(status.code(), Code::NotFound);
}

#[test]
fn who_watches_health_is_told_that_the_server_goes() {
    let server = Server::tiny();
    let mut client = HealthClient::new(server.channel.clone());
    let mut watch = server.ok(client.watch(health(SERVICES[0])));
    let next = server.wait(watch.message()).unwrap().unwrap();
    assert_eq!(next.status(), ServingStatus::Serving);
    server.stop.stop();
    let next = server.wait(watch.message()).unwrap().unwrap();
    assert_eq!(next.status(), ServingStatus::NotServing);
    let begun = Instant::now();
    server.end().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "an open watch holds nothing up");
}

#[test]
fn a_message_over_the_limit_is_refused_and_the_connection_lives() {
    let params = ServeParams { max_message_bytes: 10_000, ..ServeParams::default() };
    let server = Server::slow(Duration::ZERO, params);
    let mut event = view("a", "nina", "qc-ultra");
    event.text = "x".repeat(20_000);
    let request = WriteEventsRequest { events: vec![event], ..Default::default() };
    let status = server.refused(server.ingest().write_events(request));
    assert_eq!(status.code(), Code::OutOfRange);
    assert!(status.message().contains("the limit is: 10000 bytes"), "{}", status.message());
    let request =
        WriteEventsRequest { events: vec![view("a", "nina", "qc-ultra")], ..Default::default() };
    assert_eq!(server.ok(server.ingest().write_events(request)).results.len(), 1);
}

#[test]
fn five_megabytes_are_within_the_default_limit() {
    let server = Server::slow(Duration::ZERO, ServeParams::default());
    let mut event = view("a", "nina", "qc-ultra");
    event.text = "x".repeat(5 << 20);
    let request = WriteEventsRequest { events: vec![event], ..Default::default() };
    assert_eq!(server.ok(server.ingest().write_events(request)).results.len(), 1);
}

fn upsert(text: &str) -> UpsertNodesRequest {
    UpsertNodesRequest { documents: vec![item("i", text)] }
}

#[test]
fn a_call_past_its_deadline_says_so() {
    let server = Server::slow(Duration::from_secs(2), ServeParams::default());
    let mut request = Request::new(upsert("a title"));
    request.set_timeout(Duration::from_millis(300));
    let begun = Instant::now();
    let status = server.refused(server.ingest().upsert_nodes(request));
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    assert!(begun.elapsed() < Duration::from_secs(1));
    server.ok(server.admin().get_stats(GetStatsRequest {}));
}

#[test]
fn a_panic_fails_its_call_alone() {
    let server = Server::slow(Duration::ZERO, ServeParams::default());
    let status = server.refused(server.ingest().upsert_nodes(upsert("panic")));
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "PANIC"));
    let request =
        WriteEventsRequest { events: vec![view("a", "nina", "qc-ultra")], ..Default::default() };
    assert_eq!(server.ok(server.ingest().write_events(request)).results.len(), 1);
}

#[test]
fn calls_beyond_the_limit_are_told_to_come_again() {
    let params = ServeParams { max_calls: 1, workers: 1, ..ServeParams::default() };
    let server = Server::slow(Duration::from_millis(800), params);
    let mut ingest = server.ingest();
    let slow = server.spawn(async move { ingest.upsert_nodes(upsert("a title")).await });
    std::thread::sleep(Duration::from_millis(200));
    let status = server.refused(server.admin().get_stats(GetStatsRequest {}));
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(reason(&status), "TOO_MANY_CALLS");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    server.wait(slow).unwrap().unwrap();
    server.ok(server.admin().get_stats(GetStatsRequest {}));
}

#[test]
fn rows_wait_for_a_server_that_has_too_many_calls() {
    let params = ServeParams { max_calls: 1, workers: 1, ..ServeParams::default() };
    let server = Server::slow(Duration::from_millis(800), params);
    let event = RawEvent {
        event_id: "e".to_owned(),
        user: "nina".to_owned(),
        target: "i".to_owned(),
        action: "viewed".to_owned(),
        at: "1767225600000".to_owned(),
        ..RawEvent::default()
    };
    let busy = |text: &'static str| {
        let mut ingest = server.ingest();
        let slow = server.spawn(async move { ingest.upsert_nodes(upsert(text)).await });
        std::thread::sleep(Duration::from_millis(200));
        slow
    };
    let slow = busy("a title");
    let begun = Instant::now();
    let mut sender = Sender::new(server.client(), Arc::default(), |_| {});
    let outcomes = sender.events(std::slice::from_ref(&event)).unwrap();
    assert_eq!(outcomes, [Ok(Outcome::Applied)]);
    assert!(begun.elapsed() >= Duration::from_secs(1), "the server asks for a second");
    server.wait(slow).unwrap().unwrap();
    // Who is wanted to end does not wait.
    let slow = busy("another");
    let begun = Instant::now();
    let mut sender = Sender::new(server.client(), Arc::new(true.into()), |_| {});
    let error = sender.events(&[event]).unwrap_err().to_string();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(error.starts_with("0 items and 0 events were acknowledged, then: "), "{error}");
    assert!(error.contains("RESOURCE_EXHAUSTED"), "{error}");
    server.wait(slow).unwrap().unwrap();
}

#[test]
fn calls_beyond_the_workers_wait() {
    let params = ServeParams { workers: 1, ..ServeParams::default() };
    let server = Server::slow(Duration::from_millis(100), params);
    let call = |place: usize| {
        let mut ingest = server.ingest();
        let documents = vec![item(&format!("i-{place}"), "a title")];
        server.spawn(async move { ingest.upsert_nodes(UpsertNodesRequest { documents }).await })
    };
    let calls: Vec<_> = (0..5).map(call).collect();
    for call in calls {
        server.wait(call).unwrap().unwrap();
    }
}

#[test]
fn calls_under_way_are_finished_before_the_server_ends() {
    let server = Server::slow(Duration::from_millis(800), ServeParams::default());
    let mut ingest = server.ingest();
    let slow = server.spawn(async move { ingest.upsert_nodes(upsert("a title")).await });
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    server.stop.stop();
    server.wait(slow).unwrap().expect("the answer arrives");
    assert!(begun.elapsed() > Duration::from_millis(300), "it was under way");
    let address = server.address;
    server.end().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let error = Client::connect(&address.to_string()).err().expect("nobody listens any more");
    assert!(matches!(error, RpcError::Connect { .. }), "{error}");
}

#[test]
fn the_second_stop_ends_the_server_at_once() {
    let server = Server::slow(Duration::from_secs(6), ServeParams::default());
    let mut ingest = server.ingest();
    let slow = server.spawn(async move { ingest.upsert_nodes(upsert("a title")).await });
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    server.stop.stop();
    server.stop.stop();
    server.wait(slow).unwrap().unwrap_err();
    server.end().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn patience_with_calls_under_way_has_an_end() {
    let params = ServeParams { grace: Duration::from_millis(300), ..ServeParams::default() };
    let server = Server::slow(Duration::from_secs(6), params);
    let mut ingest = server.ingest();
    let slow = server.spawn(async move { ingest.upsert_nodes(upsert("a title")).await });
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    server.stop.stop();
    server.wait(slow).unwrap().unwrap_err();
    server.end().unwrap();
    assert!((300..3_000).contains(&begun.elapsed().as_millis()));
}

#[test]
fn a_store_has_one_server() {
    let folder = TempDir::new().unwrap();
    let engine = Engine::open(folder.path(), true, None, None).unwrap();
    let server = Server::start(engine, ServeParams::default(), None);
    let error = Engine::open(folder.path(), true, None, None).err().expect("it is locked");
    assert!(matches!(&error, EngineError::Store(StoreError::Locked { .. })), "{error}");
    server.ok(server.admin().get_stats(GetStatsRequest {}));
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::tiny();
    let listen = taken.local_addr().unwrap();
    let params = ServeParams { listen, ..ServeParams::default() };
    let error =
        serve(Arc::clone(&server.engine), &params, &mut |_| panic!("it listens")).unwrap_err();
    assert!(matches!(error, RpcError::Bind { .. }));
    let message = error.to_string();
    assert!(message.contains(&listen.to_string()) && message.contains("another port"), "{message}");
}

#[test]
fn the_client_tells_what_is_wrong_with_an_address() {
    let error = |url: &str| Client::connect(url).err().unwrap();
    assert!(matches!(error("ftp://127.0.0.1:1"), RpcError::Url { .. }));
    assert!(matches!(error("http://"), RpcError::Url { .. }));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = error(&nobody.to_string());
    assert!(matches!(error, RpcError::Connect { .. }), "{error}");
    assert!(error.to_string().contains("predilect serve"));
}

#[test]
#[ignore = "run by `signals_end_the_server_in_good_order`, in a process of its own"]
fn serves_until_a_signal() {
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    let engine = Arc::new(Engine::new(store, None).unwrap());
    let params = ServeParams { listen: ([127, 0, 0, 1], 0).into(), ..ServeParams::default() };
    serve(engine, &params, &mut |address| println!("\nlistening on {address}")).unwrap();
}

#[test]
fn signals_end_the_server_in_good_order() {
    for signal in ["-TERM", "-INT"] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "serving::serves_until_a_signal", "--nocapture"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map(|line| line.unwrap());
        let address =
            lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
        Client::connect(&address).unwrap().stats().unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let rest: Vec<String> = lines.collect();
        assert!(child.wait().unwrap().success(), "{signal}: {rest:?}");
        assert!(rest.iter().any(|line| line.contains("1 passed")), "{signal}: {rest:?}");
    }
}
