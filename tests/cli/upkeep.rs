//! Backup, restore, compact, prune and repair, as an operator gives them.

use std::fs;

use predilect::store::{Batch, GraphStore, Space};
use serde_json::{Value, json};

use crate::program::Folder;

fn content_hash(folder: &Folder, store: &str) -> Value {
    folder.json(&format!("stats --store {store} --output json"))["content_hash"].clone()
}

#[test]
fn a_backup_is_made_and_made_a_store_again() {
    let folder = Folder::with_store();
    let expected = content_hash(&folder, "store");
    let made = folder.json("backup --store store --dest backups/one --output json");
    assert_eq!((&made["content_hash"], &made["events"]), (&expected, &json!(27)));
    let manifest: Value = serde_json::from_str(&folder.read("backups/one/manifest.json")).unwrap();
    assert_eq!(manifest, made);
    let told = folder.check("backup --store store --dest backups/two", 0).out;
    let (nodes, edges) = (&made["nodes"], &made["edges"]);
    let expected_line = format!("backups/two: {nodes} nodes, {edges} edges, 27 events\n");
    assert!(told.starts_with(&expected_line), "{told}");
    folder.refuses("backup --store store --dest backups/one", 1, "is there already");
    folder.refuses("backup --store none --dest backups/none", 1, "no store at none");
    assert!(!folder.path("backups/none").exists());

    folder.refuses("restore --backup backups/one --store store", 1, "is there already");
    let restored = folder.json("restore --backup backups/one --store again --output json");
    assert_eq!(restored, made);
    assert_eq!(content_hash(&folder, "again"), expected);
    folder.check("verify --store again", 0);

    let manifest: Value = serde_json::from_str(&folder.read("backups/two/manifest.json")).unwrap();
    let file = manifest["files"][2]["name"].as_str().unwrap();
    folder.put(&format!("backups/two/store/{file}"), "x");
    folder.refuses("restore --backup backups/two --store third", 1, file);
    folder.refuses("restore --backup store --store third", 1, "it has no manifest.json");
    assert!(!folder.path("third").exists());
    // Nothing half made is left.
    for place in ["", "backups"] {
        let names = fs::read_dir(folder.path(place)).unwrap();
        let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(names.all(|name| !name.ends_with(".partial")));
    }
}

#[test]
fn old_events_are_counted_and_then_taken_away() {
    let folder = Folder::with_store();
    let expected = content_hash(&folder, "store");
    let line = "prune --store store --before 2025-01-20T00:00:00Z --output json";
    let counted = folder.json(&format!("{line} --dry-run"));
    assert_eq!(content_hash(&folder, "store"), expected);
    let pruned = folder.json(line);
    assert_eq!(pruned, counted);
    let (gone, kept) = (pruned["events"].as_u64().unwrap(), pruned["kept"].as_u64().unwrap());
    assert!(gone > 0 && kept > 0 && gone + kept == 27, "{pruned}");
    // The same as leaving them out of the file.
    let events = fs::read_to_string(crate::program::tiny("events.csv")).unwrap();
    let mut lines = events.lines();
    let header = lines.next().unwrap();
    let late = lines.filter(|line| line.split(',').nth(5).unwrap() >= "2025-01-20");
    let late: Vec<_> = [header].into_iter().chain(late).collect();
    assert_eq!(late.len() as u64, kept + 1);
    folder.put("late.csv", late.join("\n") + "\n");
    let items = crate::program::tiny("items.jsonl");
    folder.check(
        &format!(
            "load --store never --items {} --events late.csv --extractor off",
            items.display()
        ),
        0,
    );
    assert_eq!(content_hash(&folder, "store"), content_hash(&folder, "never"));
    folder.check("verify --store store", 0);
    folder.prints(
        "prune --store store --before 2025-01-20T00:00:00Z",
        &format!("0 events and 0 opinions went, {kept} stay"),
    );
    folder.refuses("prune --store none --before 2025-01-20T00:00:00Z", 1, "no store at none");
    let misused = folder.check("prune --store store --before yesterday", 2).err;
    assert!(misused.contains("give RFC 3339"), "{misused}");
}

#[test]
fn a_store_is_compacted_and_its_files_are_told() {
    let folder = Folder::with_store();
    let expected = content_hash(&folder, "store");
    let compacted = folder.json("compact --store store --output json");
    for bytes in ["bytes_before", "bytes_after"] {
        let spaces = compacted["spaces"].as_array().unwrap();
        let sum: u64 = spaces.iter().map(|space| space[bytes].as_u64().unwrap()).sum();
        assert_eq!(compacted[bytes], json!(sum));
    }
    assert_eq!(content_hash(&folder, "store"), expected);
    let told = folder.check("compact --store store", 0).out;
    assert!(told.lines().last().unwrap().starts_with("all "), "{told}");

    let disk = folder.json("stats --store store --disk --output json");
    let events = disk["spaces"].as_array().unwrap().iter().find(|space| space["space"] == "events");
    assert_eq!(events.unwrap()["keys"], json!(27));
    assert_eq!(disk["engine"]["background_errors"], json!(0));
    assert_eq!(disk["engine"]["write_stopped"], json!(0));
    assert!(disk["engine"]["free_bytes"].as_u64().unwrap() > 0);
    let told = folder.check("stats --store store --disk", 0).out;
    assert!(told.contains("pending_compaction_bytes"), "{told}");
}

#[test]
fn a_damaged_store_is_told_and_repaired() {
    let folder = Folder::with_store();
    let expected = content_hash(&folder, "store");
    let broken = |space, deletes: bool| {
        let store = GraphStore::open(&folder.path("store"), false, None).unwrap();
        let mut batch = Batch::default();
        let reader = store.backend().reader();
        for pair in reader.scan(space, &[]).unwrap().take(5) {
            let (key, value) = pair.unwrap();
            if deletes {
                batch.delete(space, &key);
            } else {
                batch.put(space, &key, value[1..].to_vec());
            }
        }
        drop(reader);
        store.backend().write(&batch).unwrap();
    };
    for (space, deletes) in
        [(Space::Out, true), (Space::In, true), (Space::Events, false), (Space::In, false)]
    {
        broken(space, deletes);
        folder.check("verify --store store", 1);
        let report = folder.json("repair --store store --output json");
        assert_eq!((&report["lost"], &report["problems"]), (&json!(0), &json!(0)), "{report}");
        assert!(report["rebuilt"].as_u64().unwrap() > 0, "{report}");
        assert_eq!(content_hash(&folder, "store"), expected);
        folder.check("verify --store store", 0);
    }
    assert!(!folder.path("store.lost+found.jsonl").exists());
    broken(Space::Evidence, false);
    let told = folder.check("repair --store store", 0).out;
    assert!(told.contains("5 moved out") && told.contains("store.lost+found.jsonl"), "{told}");
    let lost = folder.read("store.lost+found.jsonl");
    assert_eq!(lost.lines().count(), 5);
    assert!(lost.contains(r#""space":"evidence""#), "{lost}");
    folder.check("verify --store store", 0);
    folder.refuses("repair --store none", 1, "no store at none");
}
