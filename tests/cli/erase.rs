//! Who is erased is in no byte of the store's files, and the graph is one that never knew them.

use std::fs;
use std::path::{Path, PathBuf};

use predilect::store::{GraphStore, Space};
use serde_json::Value;

use crate::program::{Folder, tiny};

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The names of the files that hold a text, and those of the spaces that do once they are unpacked.
fn where_it_stands(store: &Path, text: &str) -> Vec<String> {
    let in_files = files(store).into_iter().filter(|file| holds(&fs::read(file).unwrap(), text));
    let mut found: Vec<String> =
        in_files.map(|file| file.strip_prefix(store).unwrap().display().to_string()).collect();
    let opened = GraphStore::open(store, false, None).unwrap();
    let reader = opened.backend().reader();
    for space in Space::ALL {
        let held = reader.scan(space, &[]).unwrap().any(|pair| {
            let (key, value) = pair.unwrap();
            holds(&key, text) || holds(&value, text)
        });
        found.extend(held.then(|| space.name().to_owned()));
    }
    found
}

fn content_hash(folder: &Folder, store: &str) -> Value {
    folder.check(&format!("verify --store {store}"), 0);
    folder.json(&format!("stats --store {store} --output json"))["content_hash"].clone()
}

/// The tiny events, those about a user by others among them, and the same without them.
fn load(folder: &Folder) {
    let events = fs::read_to_string(tiny("events.csv")).unwrap();
    let more = "tiny-90,ben,zoë-of-old,user,followed,2025-06-01T00:00:00Z,,,\n\
                tiny-91,zoë-of-old,kettle-titanium,item,reviewed,2025-06-02T00:00:00Z,,,\"It sings like a marmot.\"\n";
    let all = events.replace(",zoë,", ",zoë-of-old,") + more;
    let lines = all.lines().filter(|line| !line.contains("zoë-of-old"));
    folder.put("without.csv", lines.map(|line| format!("{line}\n")).collect::<String>());
    folder.put("all.csv", all);
    let items = tiny("items.jsonl").display().to_string();
    for (store, events) in [("store", "all"), ("never", "without")] {
        let line =
            format!("load --store {store} --items {items} --events {events}.csv --extractor off");
        folder.check(&line, 0);
    }
}

#[test]
fn no_byte_names_who_is_erased() {
    let folder = Folder::new();
    load(&folder);
    let show = "query recommend --store store --k 3 --shown --user";
    folder.check(&format!("{show} zoë-of-old"), 0);
    folder.check(&format!("{show} ben"), 0);
    folder.check("train embedding --store store --model prone --dim 4", 0);
    let store = folder.path("store");
    let before = where_it_stands(&store, "zoë-of-old");
    for expected in ["embeddings/000001/embedding.bin", "graph.snapshot", "nodes"] {
        assert!(before.iter().any(|place| place == expected), "{expected} of {before:?}");
    }
    assert!(before.iter().any(|place| place.starts_with("served/")), "{before:?}");
    assert!(!where_it_stands(&store, "sings like a marmot").is_empty());
    let counted = folder.json("erase --store store --user zoë-of-old --dry-run --output json");
    assert!(where_it_stands(&store, "zoë-of-old").contains(&"nodes".to_owned()));
    let erased = folder.json("erase --store store --user zoë-of-old --output json");
    assert_eq!(counted, erased);
    // Three of the tiny data, a review, and one who followed.
    assert_eq!((&erased["events"], &erased["others"]), (&5.into(), &0.into()), "{erased}");
    assert_eq!((&erased["served"], &erased["rows"]), (&1.into(), &1.into()), "{erased}");
    assert_eq!(erased["document"], false);
    for text in ["zoë-of-old", "sings like a marmot", "tiny-91", "tiny-90"] {
        assert_eq!(where_it_stands(&store, text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(content_hash(&folder, "store"), content_hash(&folder, "never"));
    // The others stay: in the graph, in the log, among the rows.
    assert!(where_it_stands(&store, "\"user\":\"ben\"")[0].starts_with("served/"));
    folder.check("embedding row --store store --node user:ben", 0);
    folder.refuses("embedding row --store store --node user:zoë-of-old", 1, "unknown user");
    let found = folder.json("query recommend --store store --user zoë-of-old --output json");
    assert_eq!(found["fallback"], "UNKNOWN_USER");
    let again = folder.check("erase --store store --user zoë-of-old", 0).out;
    assert!(again.starts_with("nothing names "), "{again}");
}

#[test]
fn given_edges_go_too_packed_or_not() {
    let folder = Folder::new();
    let edges = |rows: &str| format!("src,dst,rel,weight,ts\n{rows}");
    folder.put(
        "edges.csv",
        edges("marmot,a,viewed,2,1000\nben,a,viewed,1,1000\nben,b,viewed,1,2000\n"),
    );
    folder.put("more.csv", edges("marmot,a,viewed,3,1000\nmarmot,b,viewed,1,3000\n"));
    folder.check("load-edges --store store --edges edges.csv", 0);
    folder.check("load-edges --store store --edges more.csv --load-id more", 0);
    assert!(where_it_stands(&folder.path("store"), "marmot").contains(&"nodes".to_owned()));
    let erased = folder.check("erase --store store --user marmot --output json", 0);
    assert!(erased.err.contains("unload and load them again"), "{}", erased.err);
    let erased: Value = serde_json::from_str(&erased.out).unwrap();
    assert_eq!(
        (&erased["others"], &erased["in_packed_rows"]),
        (&2.into(), &true.into()),
        "{erased}"
    );
    assert_eq!(where_it_stands(&folder.path("store"), "marmot"), Vec::<String>::new());
    folder.check("verify --store store", 0);
    let edges = &folder.json("stats --store store --output json")["edges"];
    assert_eq!(edges.to_string(), "{\"viewed\":2}");
    // What the loads said does not come back when one of them is taken back.
    folder.check("unload --store store --load-id more --extractor off", 0);
    assert_eq!(where_it_stands(&folder.path("store"), "marmot"), Vec::<String>::new());
}
