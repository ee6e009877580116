//! Tests of the door and of requests, without a socket.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::Runtime;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request};

use super::convert::{time_from, time_to};
use super::door::Door;
use super::request::{deadline, page_size, page_token, position};
use crate::engine::Engine;
use crate::schema::Timestamp;
use crate::store::{GraphStore, Memory};

fn door() -> Door {
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    Door::new(Arc::new(Engine::new(store, None).unwrap()), 2, 4)
}

fn check_deadline(header: &str, expected: Option<Duration>) {
    let mut metadata = MetadataMap::new();
    metadata.insert("grpc-timeout", header.parse().unwrap());
    assert_eq!(deadline(&metadata), expected, "{header}");
}

#[test]
fn a_deadline_is_read_and_leaves_time_for_the_answer() {
    check_deadline("1H", Some(Duration::from_millis(3_599_980)));
    check_deadline("2M", Some(Duration::from_millis(119_980)));
    check_deadline("1S", Some(Duration::from_millis(980)));
    check_deadline("50m", Some(Duration::from_millis(40)));
    check_deadline("10u", Some(Duration::from_micros(8)));
    check_deadline("10n", Some(Duration::from_nanos(8)));
    for header in ["", "5", "S", "5x", "-1S", "123456789S", "1.5S"] {
        check_deadline(header, None);
    }
    assert_eq!(deadline(&MetadataMap::new()), None);
}

#[test]
fn a_call_past_its_deadline_has_its_flag_set() {
    let (tell, told) = mpsc::channel();
    let mut request = Request::new(());
    request.set_timeout(Duration::from_millis(100));
    let status = Runtime::new()
        .unwrap()
        .block_on(door().call(request, move |_, (), budget| {
            let flag = budget.cancelled.clone().unwrap();
            while !flag.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            tell.send(budget.check()).unwrap();
            Ok(())
        }))
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    told.recv_timeout(Duration::from_secs(10)).unwrap().unwrap_err();
}

#[test]
fn a_panic_becomes_internal_and_gives_its_places_back() {
    let (runtime, door) = (Runtime::new().unwrap(), door());
    for _ in 0..10 {
        let call = door.call(Request::new(()), |_, (), _| -> Result<(), _> {
            unreachable!("a test panics");
        });
        assert_eq!(runtime.block_on(call).unwrap_err().code(), Code::Internal);
    }
    let call = door.call(Request::new(1), |_, number, _| Ok(number + 1));
    assert_eq!(runtime.block_on(call).unwrap().into_inner(), 2);
}

#[test]
fn times_cross_the_wire_to_the_millisecond() {
    for millis in [0, 1, 999, 1_000, 1_767_225_600_123, Timestamp::MAX.millis()] {
        let at = Timestamp::from_millis(millis).unwrap();
        assert_eq!(time_from(&time_to(at)), Some(at));
    }
    for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
        assert_eq!(time_from(&prost_types::Timestamp { seconds, nanos }), None);
    }
}

#[test]
fn pages_have_bounds() {
    for (found, expected) in [(0, 50), (1, 1), (1_000, 1_000), (1_001, 1_000), (i32::MAX, 1_000)] {
        assert_eq!(page_size(found, 50, 1_000).unwrap(), expected);
    }
    assert_eq!(page_size(-1, 50, 1_000).unwrap_err().field.as_deref(), Some("page_size"));
    let token = page_token("1f", "0123");
    assert_eq!(position(&token, "0123").unwrap().as_deref(), Some("1f"));
    assert_eq!(position(&token, "0124").unwrap_err().reason, "OTHER_ARGUMENTS");
    assert_eq!(position("", "0123").unwrap(), None);
}
