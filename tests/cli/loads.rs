//! Loads by name: resumed where they were killed, taken back to the last byte.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::program::{Folder, tiny, tiny_files};

fn stats(folder: &Folder, store: &str) -> Value {
    folder.check(&format!("verify --store {store}"), 0);
    folder.json(&format!("stats --store {store} --output json"))
}

/// The ids of a store's loads, and how far they are.
fn loads(folder: &Folder, store: &str) -> Vec<(String, String)> {
    let loads = folder.json(&format!("loads --store {store} --output json"));
    let text = |load: &Value, field: &str| load[field].as_str().unwrap().to_owned();
    let rows = loads.as_array().unwrap().iter();
    rows.map(|load| (text(load, "load_id"), text(load, "state"))).collect()
}

/// Events with the ids `from..to`, of which some have a text.
fn events(from: usize, to: usize) -> String {
    let mut rows = String::from("event_id,user,target,action,at,value,text\n");
    for n in from..to {
        let (user, item, day) = (n * 7 % 23, n * 5 % 17, 1 + n % 28);
        let (action, value, text) = match n % 5 {
            0 => ("rated", "7", ""),
            1 => ("reviewed", "8", "great battery but poor sound"),
            _ => ("viewed", "", ""),
        };
        rows += &format!(
            "e{n},u{user},i{item},{action},2025-01-{day:02}T00:00:{:02}Z,{value},{text}\n",
            n % 60
        );
    }
    rows
}

fn items(rows: &[(&str, &str, &str, &str)]) -> String {
    let row = |(id, title, brand, text): &(&str, &str, &str, &str)| {
        format!(
            "{{\"id\":\"{id}\",\"text\":{{\"title\":\"{title}\",\"body\":\"{text}\"}},\
             \"attributes\":{{\"brand\":\"{brand}\",\"tag\":[\"audio\",\"{brand} shop\"]}}}}\n"
        )
    };
    rows.iter().map(row).collect()
}

#[test]
fn the_second_of_two_loads_is_taken_back() {
    let folder = Folder::new();
    folder.put("a.csv", events(0, 300));
    folder.put("disjoint.csv", events(300, 500));
    folder.put("overlapping.csv", events(150, 450));
    folder.put(
        "a.jsonl",
        items(&[
            ("i1", "Quiet One", "Sony", "Better than the Bose beside it."),
            ("i2", "Loud Two", "Bose", "Sony has nothing like it, nor has Jabra."),
        ]),
    );
    folder.put(
        "b.jsonl",
        items(&[
            ("i2", "Loud Two, again", "Bose", "A Jabra in all but name."),
            ("i3", "Third", "Jabra", "Sony and Bose are no match."),
        ]),
    );
    for extractor in ["off", "lexicon"] {
        let with = format!("--extractor {extractor}");
        folder.check(
            &format!("load --store {extractor} --items a.jsonl --events a.csv --load-id a {with}"),
            0,
        );
        let first = stats(&folder, extractor);
        assert_eq!(first["mentions"].as_u64().unwrap() > 0, extractor == "lexicon");
        for (second, n_events) in [("disjoint", 200), ("overlapping", 150)] {
            let load = format!(
                "load --store {extractor} --items b.jsonl --events {second}.csv --load-id b {with}"
            );
            folder.check(&load, 0);
            assert_ne!(stats(&folder, extractor), first);
            let unload = format!("unload --store {extractor} --load-id b {with} --output json");
            let report = folder.json(&unload);
            assert_eq!(report["events"], n_events, "{second}");
            assert_eq!(report["documents"], 2, "{second}");
            assert_eq!(stats(&folder, extractor), first, "{second} with {extractor}");
            assert_eq!(loads(&folder, extractor), [("a".to_owned(), "finished".to_owned())]);
        }
        // The first of two, where both say all of the second, leaves the second alone.
        let load = format!(
            "load --store {extractor} --items b.jsonl --events disjoint.csv --load-id b {with}"
        );
        folder.check(&load, 0);
        folder.check(&format!("unload --store {extractor} --load-id a {with}"), 0);
        folder.check(&load.replace("--store ", "--store alone-"), 0);
        assert_eq!(stats(&folder, extractor), stats(&folder, &format!("alone-{extractor}")));
        // And with the last one all is gone.
        folder.check(&format!("unload --store {extractor} --load-id b {with}"), 0);
        let empty = stats(&folder, extractor);
        assert_eq!(empty["nodes"], serde_json::json!({}));
        assert_eq!(loads(&folder, extractor), []);
    }
}

#[test]
fn a_bulk_load_is_taken_back_as_others_are() {
    let folder = Folder::new();
    folder.put("a.csv", events(0, 300));
    folder.put("b.csv", events(200, 500));
    let load = "load --extractor off --bulk always --store s --events";
    folder.check(&format!("{load} b.csv"), 0);
    let b = stats(&folder, "s");
    folder.check(&format!("{load} a.csv --load-id a"), 0);
    assert_eq!(loads(&folder, "s")[0], ("load-1".to_owned(), "finished".to_owned()));
    folder.check("unload --store s --load-id a", 0);
    assert_eq!(stats(&folder, "s"), b);
    folder.check("unload --store s --load-id load-1", 0);
    assert_eq!(stats(&folder, "s")["events"], serde_json::json!({}));
}

#[test]
fn an_item_that_three_loads_replace_goes_back_by_any_of_them() {
    let states = ["Sony", "Bose", "Jabra"];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let folder = Folder::new();
        for brand in states {
            folder.put(&format!("{brand}.jsonl"), items(&[("i1", "One", brand, brand)]));
            let load = format!("load --items {brand}.jsonl --load-id {brand} --extractor lexicon");
            folder.check(&format!("{load} --store s"), 0);
            folder.check(&format!("{load} --store only-{brand}"), 0);
        }
        let mut left = states.to_vec();
        for gone in order {
            folder.check(
                &format!("unload --store s --load-id {} --extractor lexicon", states[gone]),
                0,
            );
            left.retain(|brand| *brand != states[gone]);
            if let Some(last) = left.last() {
                assert_eq!(
                    stats(&folder, "s"),
                    stats(&folder, &format!("only-{last}")),
                    "{order:?}"
                );
            }
        }
        assert_eq!(stats(&folder, "s")["nodes"], serde_json::json!({}), "{order:?}");
    }
}

#[test]
fn ids_are_kept_apart() {
    let folder = Folder::new();
    let load = format!("load --store s {} --extractor off", tiny_files());
    let report = folder.json(&format!("{load} --output json"));
    assert_eq!((&report["load_id"], &report["resumed"]), (&"load-1".into(), &false.into()));
    let before = stats(&folder, "s");
    folder.refuses(&format!("{load} --load-id load-1"), 1, "load `load-1` has finished");
    let again = folder.json(&format!("{load} --load-id load-1 --resume --output json"));
    assert_eq!((&again["resumed"], &again["events"]["applied"]), (&true.into(), &0.into()));
    assert_eq!(again["events"]["unchanged"], report["events"]["applied"]);
    assert_eq!(again["items"]["unchanged"], report["items"]["applied"]);
    folder.refuses("unload --store s --load-id may", 1, "unknown load `may`; known: load-1");
    let long = "x".repeat(129);
    folder.refuses(&format!("{load} --load-id {long}"), 1, "longer than 128 bytes");
    let spaced = folder.command(&load).args(["--load-id", "a b"]).output().unwrap();
    assert_eq!(spaced.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&spaced.stderr).contains("has a space"));
    // One that is not finished is neither begun anew nor lost.
    folder.put("bad.csv", std::fs::read(tiny("bad.csv")).unwrap());
    folder.check("load --store s --events bad.csv --load-id x --max-errors 3 --extractor off", 4);
    assert_eq!(loads(&folder, "s").len(), 1, "nothing of it came, so nothing of it stays");
    assert_eq!(stats(&folder, "s"), before);
}

#[test]
fn a_file_that_changed_is_read_from_its_start() {
    let folder = Folder::new();
    folder.put("a.csv", events(0, 20));
    let mut bad = events(20, 10_030);
    bad += "e1,u1\n";
    folder.put("b.csv", &bad);
    let load = "load --store s --events a.csv b.csv --extractor off --bulk never --output json";
    // The second file's last chunk is refused: the load is unfinished.
    folder.check(&format!("{load} --max-errors 0"), 4);
    assert_eq!(loads(&folder, "s"), [("load-1".to_owned(), "unfinished".to_owned())]);
    folder.put("b.csv", bad.replace("e1,u1\n", "").replace("e20,", "e20-new,"));
    // Without an id, the last unfinished load of these files goes on.
    let resumed = folder.json(&format!("{load} --resume"));
    assert_eq!(resumed["load_id"], "load-1");
    assert_eq!(resumed["events"]["read"], 10_030);
    assert_eq!(resumed["events"]["applied"], 11);
    assert_eq!(loads(&folder, "s"), [("load-1".to_owned(), "finished".to_owned())]);
    // Both versions of the file came with the load, and go with it.
    folder.check("unload --store s --load-id load-1", 0);
    assert_eq!(stats(&folder, "s")["nodes"], serde_json::json!({}));
}

#[test]
fn texts_are_read_anew_by_who_read_them() {
    let folder = Folder::with_store();
    folder.check("extract --store store --extractor lexicon", 0);
    let before = stats(&folder, "store");
    folder.put("more.jsonl", items(&[("new", "New", "Nova", "Sony has one.")]));
    let load = "load --store store --items more.jsonl --load-id more --extractor lexicon";
    folder.check(load, 0);
    let expected = "texts in the store were read by";
    folder.refuses("unload --store store --load-id more", 1, expected);
    folder.check("unload --store store --load-id more --extractor lexicon", 0);
    assert_eq!(stats(&folder, "store"), before);
}

#[test]
fn rejects_of_a_resumed_load_are_those_of_an_undisturbed_one() {
    let folder = Folder::new();
    let mut rows = events(0, 30_000);
    // Bad rows in the first chunk and in the last.
    for (n, wrong) in [(17, "e17,u1,i1,teleported,2025-01-01T00:00:00Z,,"), (29_000, "e29000,u1")] {
        let right = rows.lines().nth(n + 1).unwrap().to_owned();
        rows = rows.replace(&format!("{right}\n"), &format!("{wrong}\n"));
    }
    rows += "e3,u1,other,viewed,2025-01-01T00:00:00Z,,\n";
    folder.put("e.csv", rows);
    let load = "load --events e.csv --extractor off --bulk never --load-id it --output json";
    let whole: Value =
        serde_json::from_str(&folder.check(&format!("{load} --store whole"), 3).out).unwrap();
    let classes = serde_json::json!({"syntax": 1, "field": 1, "duplicate": 1});
    assert_eq!(whole["rejected_by_class"], classes);
    // A budget that ends it in the last chunk stands for the kill.
    let short = load.replace("--output json", "--max-errors 1 --store s");
    folder.check(&short, 4);
    assert_eq!(loads(&folder, "s"), [("it".to_owned(), "unfinished".to_owned())]);
    folder.refuses(&format!("{load} --store s"), 1, "go on with --resume, or take it back");
    let resumed = folder.check(&format!("{load} --store s --resume"), 3);
    let resumed: Value = serde_json::from_str(&resumed.out).unwrap();
    assert_eq!(resumed["events"]["rejected"], 3);
    assert_eq!(resumed["events"]["read"], whole["events"]["read"]);
    assert_eq!(resumed["events"]["applied"], 9999);
    assert_eq!(resumed["rejected_by_class"], classes);
    assert_eq!(folder.read("s.rejects/events.jsonl"), folder.read("whole.rejects/events.jsonl"));
    assert_eq!(stats(&folder, "s"), stats(&folder, "whole"));
    // A budget of a class.
    for (class, code) in [("duplicate=0", 4), ("duplicate=1", 3), ("syntax=0", 4), ("field=0", 4)] {
        let line =
            format!("{load} --store {class} --max-errors-of {class} --max-errors-of field=1");
        folder.check(&line, if class == "field=0" { 3 } else { code });
    }
    folder.check(&format!("{load} --store c --max-errors-of sorrow=1"), 2);
}

/// Starts a command, and kills it after a while if it has not ended: then it is false.
fn ends_within(folder: &Folder, line: &str, wait: Duration) -> bool {
    let mut command = folder.command(line);
    let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(wait);
    let ended = child.try_wait().unwrap();
    // SIGKILL: nothing is put away.
    child.kill().unwrap();
    child.wait().unwrap();
    ended.is_some_and(|status| status.success())
}

#[test]
fn a_load_that_is_killed_anywhere_resumes_to_the_same_store() {
    const SEED: u64 = 20_250_131;
    println!("seed {SEED}");
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let folder = Folder::new();
    folder.check("generate --users 300 --items 200 --events 32000 --seed 9 --dest data", 0);
    let text = folder.read("data/events.csv");
    let (header, rows) = text.split_once('\n').unwrap();
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.shuffle(&mut random);
    folder.put("shuffled.csv", format!("{header}\n{}\n", rows.join("\n")));
    let load = "load --items data/items.jsonl --extractor off --load-id it";
    // How long each path takes, so that most kills come before the end.
    let undisturbed = ["never", "always"].map(|bulk| {
        let line = format!("{load} --events data/events.csv --store {bulk} --bulk {bulk}");
        let started = Instant::now();
        folder.check(&line, 0);
        started.elapsed()
    });
    let whole = stats(&folder, "never");
    assert_eq!(stats(&folder, "always"), whole);
    let mut killed = 0;
    for round in 0..20 {
        let bulk = ["never", "always"][round % 2];
        let jobs = 1 + round / 2 % 2;
        let events = ["data/events.csv", "shuffled.csv"][round / 4 % 2];
        let line = format!("{load} --events {events} --store s{round} --bulk {bulk} --jobs {jobs}");
        let mut wait = undisturbed[round % 2].mul_f64(random.random_range(0.02..0.95));
        let mut ended = ends_within(&folder, &line, wait);
        // Killed a second time, on its way on.
        if !ended && round % 3 == 0 {
            killed += 1;
            wait = undisturbed[round % 2].mul_f64(random.random_range(0.02..0.5));
            ended = ends_within(&folder, &format!("{line} --resume"), wait);
        }
        killed += usize::from(!ended);
        folder.check(&format!("{line} --resume"), 0);
        let found = stats(&folder, &format!("s{round}"));
        assert_eq!(found, whole, "round {round}: {line}, killed after {wait:?}");
        assert_eq!(
            loads(&folder, &format!("s{round}")),
            [("it".to_owned(), "finished".to_owned())]
        );
    }
    assert!(killed >= 5, "only {killed} were killed before they had ended");
}

#[test]
fn an_unload_that_is_killed_goes_on() {
    let folder = Folder::new();
    folder.check("generate --users 300 --items 200 --events 40000 --seed 8 --dest data", 0);
    let text = folder.read("data/events.csv");
    let (header, rows) = text.split_once('\n').unwrap();
    let (first, second) = rows.split_at(rows.match_indices('\n').nth(5_000).unwrap().0 + 1);
    folder.put("a.csv", format!("{header}\n{first}"));
    folder.put("b.csv", format!("{header}\n{second}"));
    folder.check("load --store s --events a.csv --load-id a --extractor off", 0);
    let before = stats(&folder, "s");
    let load = "load --store s --items data/items.jsonl --events b.csv --load-id b --extractor off";
    folder.check(load, 0);
    let mut killed = 0;
    for wait in [30, 60, 100, 150, 200] {
        if ends_within(&folder, "unload --store s --load-id b", Duration::from_millis(wait)) {
            break;
        }
        killed += 1;
        folder.check("verify --store s", 0);
        if loads(&folder, "s").contains(&("b".to_owned(), "unloading".to_owned())) {
            folder.refuses(&format!("{load} --resume"), 1, "is being taken back");
        }
    }
    assert!(killed > 0);
    if loads(&folder, "s").len() > 1 {
        folder.check("unload --store s --load-id b", 0);
    }
    assert_eq!(stats(&folder, "s"), before);
}

#[test]
fn the_number_of_threads_never_shows() {
    let folder = Folder::new();
    folder.check("generate --users 200 --items 100 --events 40000 --seed 6 --dest data", 0);
    let text = folder.read("data/events.csv").replace(",viewed,", ",glimpsed,");
    folder.put("bad.csv", text);
    for bulk in ["never", "always"] {
        let mut found = Vec::new();
        for jobs in [1, 2, 5] {
            let line = format!(
                "load --store {bulk}{jobs} --items data/items.jsonl --events bad.csv \
                 --max-errors 99999 --extractor off --bulk {bulk} --jobs {jobs} --output json"
            );
            let report = folder.check(&line, 3).out.replace(&format!("{bulk}{jobs}"), "");
            let rejects = folder.read(&format!("{bulk}{jobs}.rejects/events.jsonl"));
            found.push((report, rejects, stats(&folder, &format!("{bulk}{jobs}"))));
        }
        assert!(!found[0].1.is_empty());
        assert!(found[0] == found[1] && found[1] == found[2], "{bulk}");
    }
    folder.check("load --store x --events bad.csv --jobs 0", 2);
}

#[test]
fn edges_are_taken_back_before_and_after_events() {
    let folder = Folder::new();
    folder.put("a.csv", events(0, 200));
    let rows: String = (0..300)
        .map(|n| format!("u{},i{},viewed,{}.5,{}\n", n % 23, n % 19, n % 7, 1_735_700_000 + n * 9))
        .collect();
    folder.put("edges.csv", format!("src,dst,rel,weight,ts\n{rows}"));
    folder.check("load --store alone --events a.csv --extractor off", 0);
    let alone = stats(&folder, "alone");
    for (store, edges_first) in [("before", true), ("after", false)] {
        let load = format!("load --store {store} --events a.csv --extractor off --load-id a");
        let edges = format!("load-edges --store {store} --edges edges.csv --load-id b");
        let steps = if edges_first { [&edges, &load] } else { [&load, &edges] };
        steps.iter().for_each(|step| drop(folder.check(step, 0)));
        folder.refuses(&edges, 1, "load `b` has finished");
        folder.check(&format!("{edges} --resume"), 0);
        assert_ne!(stats(&folder, store), alone);
        let loads = folder.json(&format!("loads --store {store} --output json"));
        let b = loads.as_array().unwrap().iter().find(|load| load["load_id"] == "b").unwrap();
        assert_eq!((&b["edges"], &b["files"][0]["kind"]), (&300.into(), &"edges".into()));
        let took = folder.check(&format!("unload --store {store} --load-id b"), 0).out;
        assert_eq!(took, "took load b back: 0 events, 0 items, 300 edges\n");
        assert_eq!(stats(&folder, store), alone);
    }
}
