//! Every subcommand on the tiny graph, as it should be used.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use crate::program::{Folder, tiny, tiny_files};

/// Asserts that the contributions of an answer add up to its score.
fn adds_up(answer: &Value) {
    let score = answer["score"].as_f64().unwrap();
    let contributions = answer["contributions"].as_array().unwrap();
    let sum: f64 = contributions.iter().map(|part| part["value"].as_f64().unwrap()).sum();
    assert!((score - sum).abs() < 1e-9 * score.abs().max(1.0), "{answer:#}");
    assert!(!contributions.is_empty());
}

#[test]
fn load_tells_what_became_of_the_rows() {
    let folder = Folder::new();
    let load = format!("load --store store {} --extractor lexicon", tiny_files());
    let first = folder.check(&load, 0);
    assert!(first.out.starts_with(
        "load      load-1\n\
         items     10 read, 10 applied, 0 unchanged, 0 refused\n\
         events    27 read, 27 applied, 0 unchanged, 0 refused\n\
         mentions  "
    ));
    assert!(first.err.contains("committed 10 items\ncommitted 27 events\n"), "{}", first.err);
    let again = folder.json(&format!("{load} --output json"));
    assert_eq!(again["items"]["unchanged"], 10);
    assert_eq!(again["events"]["unchanged"], 27);
    assert_eq!(again["extraction"]["documents"], 0);
    folder.prints("verify --store store", "whole: 55 nodes, 115 edges, 27 events");
    let rejects = std::fs::exists(folder.path("store.rejects")).unwrap();
    assert!(!rejects);
}

#[test]
fn stats_count_what_is_there() {
    let folder = Folder::with_store();
    let stats = folder.json("stats --store store --output json");
    assert_eq!(stats["nodes"]["user"], 6);
    assert_eq!(stats["nodes"]["item"], 8);
    assert_eq!(stats["nodes"]["entity"], 39);
    assert_eq!(stats["events"]["viewed"], 7);
    assert_eq!(stats["edges"]["has_brand"], 10);
    assert_eq!(stats["content_hash"].as_str().unwrap().len(), 64);
    assert_eq!(stats.get("sequence"), None);
    assert!(folder.check("stats --store store", 0).out.contains("sequence"));
}

#[test]
fn extraction_may_come_later() {
    let folder = Folder::with_store();
    let done = folder.json("extract --store store --extractor lexicon --output json");
    assert_eq!(done["documents"], 10);
    let later = folder.json("stats --store store --output json");
    let load = format!("load --store other {} --extractor lexicon", tiny_files());
    folder.check(&load, 0);
    assert_eq!(later, folder.json("stats --store other --output json"));
}

#[test]
fn extract_prints_mentions_and_writes_nothing() {
    let folder = Folder::with_store();
    let before = folder.check("stats --store store", 0).out;
    for from in ["store".to_owned(), tiny("items.jsonl").display().to_string()] {
        let line = format!("extract --extractor lexicon --text Sony --vocabulary-from {from}");
        let mention: Value = serde_json::from_str(&folder.check(&line, 0).out).unwrap();
        assert_eq!(mention["entity"], "brand:sony");
        assert_eq!((&mention["byte_start"], &mention["byte_end"]), (&0.into(), &4.into()));
    }
    let input = tiny("items.jsonl");
    let line =
        format!("extract --extractor lexicon --input {0} --vocabulary-from {0}", input.display());
    let out = folder.check(&line, 0).out;
    assert!(out.lines().all(|line| line.contains("\"field\"")), "{out}");
    assert!(out.contains("alpha-7-iv"));
    assert_eq!(before, folder.check("stats --store store", 0).out);
}

#[test]
fn interests_add_up() {
    let folder = Folder::with_store();
    let line = "query interests --store store --user alice --output json";
    let answer = folder.json(line);
    assert_eq!(answer["user"], "alice");
    assert_eq!(answer["as_of"], "2025-12-30T22:10:00Z");
    answer["interests"].as_array().unwrap().iter().for_each(adds_up);
    let brands = folder.json(&format!("{line} --types brand --k 1"));
    assert_eq!(brands["interests"][0]["entity"], "brand:sony");
    assert_eq!(brands["interests"].as_array().unwrap().len(), 1);
    let early = folder.json(&format!("{line} --as-of 2025-01-12T00:00:00Z"));
    assert_eq!(early["as_of"], "2025-01-12T00:00:00Z");
    let text = folder.check("query interests --store store --user alice", 0).out;
    assert!(text.starts_with("alice is into, as of 30 December 2025:\n"), "{text}");
}

#[test]
fn recommendations_add_up() {
    let folder = Folder::with_store();
    for method in ["blend", "item_item", "ppr", "popular"] {
        let line =
            format!("query recommend --store store --user alice --method {method} --output json");
        let answer = folder.json(&line);
        assert_eq!(answer["method"], method);
        let recommendations = answer["recommendations"].as_array().unwrap();
        assert!(!recommendations.is_empty(), "{method}");
        recommendations.iter().for_each(adds_up);
    }
    let text = folder.check("query recommend --store store --user alice --k 1", 0).out;
    assert!(text.contains("Because of "), "{text}");
}

#[test]
fn a_masked_event_takes_its_part_along() {
    let folder = Folder::with_store();
    let line = "query explain --store store --user alice --entity brand:sony --output json";
    let (all, without) = (folder.json(line), folder.json(&format!("{line} --mask tiny-06")));
    let part = |answer: &Value| {
        let mut parts = answer["contributions"].as_array().unwrap().iter();
        parts.find(|part| part["event_id"] == "tiny-06").unwrap()["strength"].as_f64().unwrap()
    };
    assert!(part(&all) > 0.0);
    assert_eq!(part(&without), 0.0);
    let strength = |answer: &Value| answer["strength"].as_f64().unwrap();
    assert!((strength(&all) - part(&all) - strength(&without)).abs() < 1e-12);
}

#[test]
fn an_explanation_names_events_and_spans() {
    let folder = Folder::with_store();
    folder.check("extract --store store --extractor lexicon", 0);
    let line = "query explain --store store --user alice --entity brand:sony";
    let answer = folder.json(&format!("{line} --output json"));
    adds_up(&answer);
    assert_eq!(answer["entity"], "brand:sony");
    let span = &answer["spans"][0];
    assert_eq!(span["surface"], "Sony");
    assert!(span["sentence"].as_str().unwrap().contains("Sony"), "{span}");
    assert!(folder.check(line, 0).out.contains(" says \"Sony\":"));
    folder.refuses(
        "query explain --store store --user frank --entity brand:sony",
        1,
        "user `frank` is not into entity `brand:sony`",
    );
}

#[test]
fn paths_and_similar_nodes() {
    let folder = Folder::with_store();
    let line = "query paths --store store --from user:alice --to item:qc-ultra --output json";
    let paths = folder.json(line);
    let best = &paths[0];
    assert_eq!(best["nodes"][0]["id"], "alice");
    let (nodes, relations) = (&best["nodes"], &best["relations"]);
    assert_eq!(nodes.as_array().unwrap().len(), relations.as_array().unwrap().len() + 1);
    let line = "query similar --store store --from item:qc-ultra --k 1 --output json";
    assert_eq!(folder.json(line)[0]["id"], "wh-1000xm5");
}

#[test]
fn communities_and_components() {
    let folder = Folder::with_store();
    let line = "query communities --store store --k 1000 --members 1000 --output json";
    let all = folder.json(line);
    assert_eq!(folder.json(line), all);
    let groups = all["largest"].as_array().unwrap();
    assert_eq!(all["groups"], groups.len());
    assert!(groups.len() > 1 && all["modularity"].as_f64().unwrap() > 0.2, "{all:#}");
    let mut named = std::collections::BTreeSet::new();
    for group in groups {
        let members = group["members"].as_array().unwrap();
        assert_eq!(group["nodes"], members.len());
        named.extend(members.iter().map(|member| format!("{}:{}", member["kind"], member["id"])));
    }
    assert_eq!(all["nodes"], named.len());

    let items = folder.json(&format!("{line} --kind item"));
    let members = items["largest"].as_array().unwrap().iter();
    let members: Vec<_> = members.flat_map(|group| group["members"].as_array().unwrap()).collect();
    assert_eq!(members.len(), 8);
    assert!(members.iter().all(|member| member["kind"] == "item"));

    let whole = folder.json(&format!("{line} --method components"));
    assert!(whole["groups"].as_u64() <= all["groups"].as_u64());
    assert_eq!(whole.get("modularity"), None);
    let told = folder.check("query communities --store store --k 1 --members 2", 0).out;
    assert!(told.contains(" groups, modularity 0."), "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("      ")).count(), 2);
    let refused = "resolution is 0; it must lie in (0, infinity)";
    folder.refuses("query communities --store store --resolution 0", 1, refused);
}

#[test]
fn the_graph_is_kept_for_the_next_question() {
    let folder = Folder::with_store();
    let file = folder.path("store/graph.snapshot");
    assert!(!file.exists());
    let line = "query recommend --store store --user alice --output json";
    let built = folder.check(line, 0).out;
    let kept = std::fs::read(&file).unwrap();
    assert_eq!(folder.check(line, 0).out, built);
    std::fs::write(&file, &kept[..kept.len() - 1]).unwrap();
    assert_eq!(folder.check(line, 0).out, built);
    folder.check("retract --store store --event tiny-03", 0);
    assert!(!file.exists());
    assert_ne!(folder.check(line, 0).out, built);
    assert!(file.exists());
    assert!(folder.check("verify --store store", 0).out.starts_with("whole: "));
}

#[test]
fn a_server_gives_the_answers_of_its_store() {
    use std::io::{BufRead, BufReader};

    let folder = Folder::with_store();
    folder.check("extract --store store --extractor lexicon", 0);
    let questions = [
        "interests --user alice --types brand category",
        "recommend --user alice --k 3",
        "explain --user alice --entity brand:sony",
        "paths --from user:alice --to item:qc-ultra",
    ];
    let ask = |whom: &str| -> Vec<Value> {
        let asked = questions.iter().map(|question| {
            let mut answer = folder.json(&format!("query {question} {whom} --output json"));
            // A server does not tell the time of its last event, nor has it the texts at hand.
            if let Some(answer) = answer.as_object_mut() {
                answer.remove("as_of");
                let spans = answer.get_mut("spans").and_then(Value::as_array_mut);
                for span in spans.into_iter().flatten() {
                    span.as_object_mut().unwrap().remove("sentence");
                }
            }
            answer
        });
        asked.collect()
    };
    let of_store = ask("--store store");
    let mut server = folder
        .command("serve --store store --listen 127.0.0.1:0 --extractor off")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(server.stderr.take().unwrap()).lines();
    let first = told.next().unwrap().unwrap();
    let address = first.strip_prefix("listening on ").unwrap();
    let of_server = ask(&format!("--server http://{address}"));
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(of_store, of_server);
    folder.refuses("query interests --server http://127.0.0.1:1 --user alice", 1, "127.0.0.1:1");
}

#[test]
fn what_is_retracted_is_gone() {
    let folder = Folder::with_store();
    let load = |store: &str, events: &str| {
        let items = tiny("items.jsonl");
        format!(
            "load --store {store} --items {} --events {events} --extractor off",
            items.display()
        )
    };
    let all = std::fs::read_to_string(tiny("events.csv")).unwrap();
    let fewer: String = all
        .lines()
        .filter(|row| !row.starts_with("tiny-06,"))
        .map(|row| format!("{row}\n"))
        .collect();
    folder.put("fewer.csv", fewer);
    folder.check(&load("fewer", "fewer.csv"), 0);
    folder.prints("retract --store store --event tiny-06", "retracted event `tiny-06`");
    let stats = |store: &str| folder.json(&format!("stats --store {store} --output json"));
    assert_eq!(stats("store"), stats("fewer"));
    folder.refuses("retract --store store --event tiny-06", 1, "no event `tiny-06`");
    folder.prints(
        "retract --store store --document item:boots-quest-4",
        "retracted item `boots-quest-4`",
    );
    folder.check("verify --store store", 0);
    folder.refuses("retract --store store --document item:boots-quest-4", 1, "no document item");
}

#[test]
fn exports_are_written_and_replaced() {
    let folder = Folder::with_store();
    for format in ["parquet", "graphml"] {
        let line = format!("export --store store --format {format} --dest {format}");
        let first = folder.check(&line, 0).out;
        assert_eq!(first, folder.check(&line, 0).out);
    }
    folder.put("parquet/notes.txt", "mine");
    folder.check("export --store store --format graphml --dest parquet", 0);
    assert!(!folder.path("parquet/nodes/user.parquet").exists());
    assert_eq!(folder.read("parquet/notes.txt"), "mine");
    std::fs::create_dir(folder.path("mine")).unwrap();
    folder.put("mine/notes.txt", "mine");
    folder.refuses("export --store store --dest mine", 1, "holds things that are no export");
    folder.check("export --store store --dest mine --force", 0);
    assert_eq!(folder.read("mine/notes.txt"), "mine");
}

#[test]
fn made_up_data_is_the_same_for_a_seed_and_loads() {
    let folder = Folder::new();
    let make = |seed: u32, dest: &str| {
        let line = format!(
            "generate --users 30 --items 20 --events 500 --seed {seed} --dest {dest} --output json"
        );
        folder.json(&line)["files"].clone()
    };
    let (one, same, other) = (make(1, "a"), make(1, "b"), make(2, "c"));
    assert_eq!(one, same);
    assert_ne!(one, other);
    let line = "load --store s --items a/items.jsonl --events a/events.csv --extractor off \
                --output json";
    let report = folder.json(line);
    assert_eq!(report["items"]["applied"], 20);
    assert_eq!(report["events"]["applied"], 500);
}

#[test]
fn completions_name_the_subcommands() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.check(&format!("completions {shell}"), 0).out;
        assert!(script.contains("interests") && script.contains("generate"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::with_store();
    for line in ["completions zsh", "query interests --store store --user alice --output json"] {
        let mut child =
            folder.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{line}: {err}");
        assert_eq!(err, "", "{line}");
    }
}

#[test]
fn wrong_arguments_are_told_as_such() {
    let folder = Folder::new();
    for line in [
        "",
        "bogus",
        "load --store s",
        "load --store s --events e.csv --extractor magic",
        "query interests --user alice",
        "query interests --store s --user alice --as-of soon",
        "query recommend --store s --user alice --method magic",
        "query paths --store s --from alice --to item:x",
        "export --store s --format magic --dest d",
        "generate --users 0 --items 1 --events 1 --dest d",
        "completions magic",
    ] {
        folder.check(line, 2);
    }
    for line in ["--help", "--version", "load --help", "query recommend --help"] {
        folder.check(line, 0);
    }
}
