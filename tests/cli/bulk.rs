//! Loads in bulk make the stores that loads by batches make.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Folder, tiny, tiny_files};

/// What `stats` tells but for the number of batches.
fn stats(folder: &Folder, store: &str) -> Value {
    folder.check(&format!("verify --store {store}"), 0);
    let mut stats = folder.json(&format!("stats --store {store} --output json"));
    stats.as_object_mut().unwrap().remove("sequence");
    stats
}

#[test]
fn a_bulk_load_makes_the_same_store_in_any_memory() {
    let folder = Folder::new();
    folder.check("generate --users 300 --items 100 --events 30000 --seed 5 --dest data", 0);
    let load =
        "load --items data/items.jsonl --events data/events.csv --extractor off --output json";
    let never = folder.json(&format!("{load} --store never --bulk never"));
    for memory in ["1GB", "300KB", "20000"] {
        let store = format!("m{memory}");
        let report =
            folder.json(&format!("{load} --store {store} --bulk always --max-memory {memory}"));
        assert_eq!(report["events"], never["events"], "{memory}");
        assert_eq!(stats(&folder, &store), stats(&folder, "never"), "{memory}");
        // Nothing but the store stays.
        assert!(!folder.path(&store).join("bulk").exists());
        // Again, by batches now, and nothing changes.
        let again = folder.json(&format!("{load} --store {store} --bulk always"));
        assert_eq!(again["events"]["unchanged"], 30000);
        assert_eq!(stats(&folder, &store), stats(&folder, "never"), "{memory}");
    }
    let refuse = |bytes: &str| folder.check(&format!("{load} --store x --max-memory {bytes}"), 2);
    for bytes in ["0", "-1", "many", "5PB", "99999999999999999999GB"] {
        refuse(bytes);
    }
}

#[test]
fn reviews_and_events_that_come_twice_are_the_same_in_bulk() {
    let folder = Folder::new();
    let event = |id: &str, user: &str, action: &str, more: &str| {
        format!(
            "{{\"event_id\":\"{id}\",\"user\":\"{user}\",\"target\":\"i1\",\
             \"action\":\"{action}\",\"at\":\"2025-01-0{}T00:00:00Z\"{more}}}\n",
            id.len()
        )
    };
    let first: String = [
        event("aa", "ann", "viewed", ""),
        event("b", "ann", "reviewed", ",\"value\":8,\"text\":\"great sound\""),
        event("aa", "ann", "viewed", ""),
        event("c", "", "viewed", ""),
        event("b", "bob", "reviewed", ",\"value\":2"),
    ]
    .concat();
    folder.put("1.jsonl", first);
    folder.put("2.jsonl", event("aa", "zoe", "viewed", "") + &event("dd", "ann", "viewed", ""));
    let load = "load --events 1.jsonl 2.jsonl --extractor off --output json";
    let report = |store: &str, bulk: &str| {
        let answer = folder.check(&format!("{load} --store {store} --bulk {bulk}"), 3);
        let report: Value = serde_json::from_str(&answer.out).unwrap();
        let rejects = folder.read(&format!("{store}.rejects/events.jsonl"));
        let mut rejects: Vec<String> = rejects.lines().map(str::to_owned).collect();
        rejects.sort();
        (report["events"].clone(), rejects)
    };
    let by_batches = report("batches", "never");
    assert_eq!(by_batches.0["applied"], 3);
    assert_eq!(by_batches.0["unchanged"], 1);
    assert_eq!(by_batches.0["rejected"], 3);
    assert_eq!(report("bulk", "always"), by_batches);
    assert_eq!(stats(&folder, "bulk"), stats(&folder, "batches"));

    // Over the budget, nothing is written.
    let strict = format!("{load} --store strict --bulk always --max-errors 2");
    folder.check(&strict, 4);
    assert!(!folder.path("strict/bulk").exists());
    assert_eq!(stats(&folder, "strict")["events"], serde_json::json!({}));
}

#[test]
fn a_store_with_events_is_loaded_by_batches() {
    let folder = Folder::with_store();
    let before = stats(&folder, "store");
    let answer = folder
        .check(&format!("load --store store {} --extractor off --bulk always", tiny_files()), 0);
    assert!(answer.err.contains("committed 27 events"), "{}", answer.err);
    assert_eq!(stats(&folder, "store"), before);
    // Items alone are no hindrance, and take none of their edges away.
    let items = tiny("items.jsonl");
    folder.check(&format!("load --store two --items {} --extractor off", items.display()), 0);
    let events = tiny("events.csv");
    let load =
        format!("load --store two --events {} --extractor off --bulk always", events.display());
    folder.check(&load, 0);
    assert_eq!(stats(&folder, "two"), before);
}

#[test]
fn a_killed_bulk_load_leaves_all_or_nothing() {
    let folder = Folder::new();
    folder.check("generate --users 500 --items 100 --events 100000 --seed 4 --dest data", 0);
    let load = "load --events data/events.csv --extractor off --bulk always --max-memory 4MB";
    folder.check(&format!("{load} --store whole"), 0);
    let whole = stats(&folder, "whole");
    for wait in [1, 5, 25, 60, 120, 240, 400, 600, 800, 1000] {
        let _ = fs::remove_dir_all(folder.path("s"));
        let mut child = folder
            .command(&format!("{load} --store s"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        // SIGKILL: nothing is put away.
        child.kill().unwrap();
        child.wait().unwrap();
        let told: Vec<String> =
            BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
        if folder.path("s/CURRENT").exists() {
            let found = stats(&folder, "s");
            let nothing = found["events"] == serde_json::json!({});
            assert!(nothing || found == whole, "after {wait} ms: {found}");
            assert!(!(nothing && told.contains(&"committed 100000 events".to_owned())));
        }
        folder.check(&format!("{load} --store s"), 0);
        assert_eq!(stats(&folder, "s"), whole, "after {wait} ms");
    }
}
