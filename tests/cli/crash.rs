//! Loads that are killed, stores that are held or damaged.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use predilect::event::RawEvent;
use predilect::rpc::Client;
use predilect::store::GraphStore;

use crate::program::{Folder, tiny_files};

/// Enough events for several batches.
const MAKE: &str = "generate --users 200 --items 100 --events 60000 --seed 3 --dest data";
const LOAD: &str =
    "load --store s --items data/items.jsonl --events data/events.csv --extractor off";

#[test]
fn a_killed_load_keeps_what_it_told_and_goes_on() {
    let folder = Folder::new();
    folder.check(MAKE, 0);
    for after in ["committed 100 items", "committed 10000 events", "committed 40000 events"] {
        let _ = fs::remove_dir_all(folder.path("s"));
        let mut child =
            folder.command(LOAD).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let told = BufReader::new(child.stderr.take().unwrap());
        for line in told.lines() {
            if line.unwrap() == after {
                break;
            }
        }
        // SIGKILL: nothing is put away.
        child.kill().unwrap();
        child.wait().unwrap();
        folder.check("verify --store s", 0);
        let stats = folder.json("stats --store s --output json");
        let events: u64 =
            stats["events"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        let promised = after
            .strip_suffix(" events")
            .map_or(0, |told| told.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
        assert!(events >= promised, "{events} events after it told {after}");
        folder.check(LOAD, 0);
        folder.check(&LOAD.replace("store s", "store whole"), 0);
        let whole = folder.json("stats --store whole --output json");
        assert_eq!(whole, folder.json("stats --store s --output json"), "{after}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_load_says_that_it_can_go_on() {
    let folder = Folder::new();
    folder.check(MAKE, 0);
    let mut child =
        folder.command(LOAD).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(told.next().unwrap().unwrap(), "committed 100 items");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<String> = told.map(Result::unwrap).collect();
    // A machine that is quick enough may be done before it hears of the signal.
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(5 | 0)), "{code:?}: {rest:?}");
    if code == Some(5) {
        assert!(rest.last().unwrap().starts_with("interrupted; "), "{rest:?}");
    }
    folder.check("verify --store s", 0);
    folder.check(LOAD, 0);
}

#[cfg(unix)]
#[test]
fn an_interrupted_bulk_load_leaves_nothing() {
    let folder = Folder::new();
    folder.check("generate --users 500 --items 100 --events 200000 --seed 4 --dest data", 0);
    let load = "load --store s --events data/events.csv --extractor off --bulk always";
    let load = format!("{load} --load-id it --max-memory 4MB");
    let mut child =
        folder.command(&load).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // The folder is there from the first folded event until the last is taken in.
    while !folder.path("s/bulk").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began to fold");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let told = BufReader::new(child.stderr.take().unwrap()).lines();
    let told: Vec<String> = told.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(5), "{told:?}");
    assert!(told.last().unwrap().starts_with("interrupted; "), "{told:?}");
    assert!(!folder.path("s/bulk").exists());
    assert_eq!(folder.json("stats --store s --output json")["nodes"], serde_json::json!({}));
    assert_eq!(folder.json("loads --store s --output json"), serde_json::json!([]));
    folder.check(&load, 0);
}

#[test]
fn a_killed_server_keeps_every_event_that_it_acknowledged() {
    let folder = Folder::with_store();
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let (mut server, address) = serve(&folder);
        // Several clients write at once; the server is killed while they do.
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let address = address.clone();
                std::thread::spawn(move || write_until_gone(&address, round, writer))
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(150 + 120 * round));
        server.kill().unwrap();
        server.wait().unwrap();
        for writer in writers {
            acknowledged.extend(writer.join().unwrap());
        }
        folder.check("verify --store store", 0);
    }
    assert!(!acknowledged.is_empty());
    let store = GraphStore::open(&folder.path("store"), false, None).unwrap();
    for event_id in &acknowledged {
        assert!(store.fact_of_event(event_id).unwrap().is_some(), "{event_id} is lost");
    }
}

/// A server on the folder's store, and where it listens.
fn serve(folder: &Folder) -> (Child, String) {
    let line = "serve --store store --listen 127.0.0.1:0 --extractor off";
    let mut server = folder.command(line).stderr(Stdio::piped()).spawn().unwrap();
    let told = BufReader::new(server.stderr.take().unwrap()).lines();
    let address = told
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
        .unwrap();
    (server, address)
}

/// Writes events in small batches until the server is gone; the ids of those it acknowledged.
fn write_until_gone(address: &str, round: u64, writer: u64) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let Ok(mut client) = Client::connect(address) else { return acknowledged };
    for batch in 0.. {
        let event = |n: u64| RawEvent {
            event_id: format!("{round}-{writer}-{batch}-{n}"),
            user: format!("user {}", n % 7),
            target: format!("item {}", batch % 11),
            action: "viewed".to_owned(),
            at: (1_760_000_000_000 + batch * 1000 + n).to_string(),
            ..RawEvent::default()
        };
        let events: Vec<RawEvent> = (0..20).map(event).collect();
        let ids: Vec<String> = events.iter().map(|event| event.event_id.clone()).collect();
        match client.write_events(events) {
            Ok(written) => {
                assert!(written.outcomes.iter().all(Result::is_ok), "{:?}", written.outcomes);
                acknowledged.extend(ids);
            }
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn a_store_has_one_process_at_a_time() {
    let folder = Folder::with_store();
    let schema = None;
    let held = predilect::store::GraphStore::open(&folder.path("store"), false, schema).unwrap();
    let owner = format!("is in use by process {}", std::process::id());
    folder.refuses("stats --store store", 1, &owner);
    folder.refuses(&format!("load --store store {} --extractor off", tiny_files()), 1, &owner);
    drop(held);
    folder.check("stats --store store", 0);
}

#[test]
fn a_store_of_another_version_is_refused() {
    use predilect::store::{Backend, Batch, Rocks, Space};

    let folder = Folder::with_store();
    let rocks = Rocks::open(&folder.path("store"), false).unwrap();
    let mut batch = Batch::default();
    batch.put(Space::Meta, b"format_version", vec![99]);
    rocks.write(&batch).unwrap();
    rocks.sync().unwrap();
    drop(rocks);
    for line in ["stats", "verify", "query interests --user alice"] {
        let expected = "the store has format 99, this build reads 3";
        folder.refuses(&format!("{line} --store store"), 1, expected);
    }
}

#[test]
fn verify_tells_what_is_wrong() {
    use predilect::store::{Backend, Batch, Rocks, Space};

    let folder = Folder::with_store();
    let rocks = Rocks::open(&folder.path("store"), false).unwrap();
    let (key, _) = rocks.reader().scan(Space::In, &[]).unwrap().next().unwrap().unwrap();
    let mut batch = Batch::default();
    batch.delete(Space::In, &key);
    rocks.write(&batch).unwrap();
    rocks.sync().unwrap();
    drop(rocks);
    let answer = folder.check("verify --store store", 1);
    assert!(!answer.out.is_empty());
    assert!(answer.err.contains("error: the store is damaged: 1 problems"), "{}", answer.err);
}
