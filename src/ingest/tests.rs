//! Rows of files, mappings, rejects and the backlog, on the smallest files that show them.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::extract::{Extractor, by_name};
use crate::store::{ENGINES, GraphStore};

fn memory() -> GraphStore {
    let backend = (ENGINES[1].open)(Path::new(""), true).unwrap();
    GraphStore::new(backend, None).unwrap()
}

/// A folder to read files from and write rejects to.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn load(
        &self,
        store: &GraphStore,
        events: PathBuf,
        mapping: Mapping,
        max_errors: u64,
    ) -> Result<LoadReport, IngestError> {
        let rejects = self.0.path().join("rejects");
        let params = LoadParams {
            events: vec![events],
            mapping,
            max_errors,
            rejects,
            ..LoadParams::default()
        };
        load(store, None, &params, &mut |_| {})
    }

    /// The reasons in the file of rejects, by line.
    fn reasons(&self) -> Vec<(u64, String)> {
        let text = fs::read_to_string(self.0.path().join("rejects/events.jsonl")).unwrap();
        let rows =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.map(|row| {
            let why = &row["_reject"];
            (why["line"].as_u64().unwrap(), why["reason"].as_str().unwrap().to_owned())
        })
        .collect()
    }
}

/// One bad row between two good ones is refused at line 3 with a reason that has `says`.
fn check_row(header: &str, good: [&str; 2], bad: &[u8], name: &str, says: &str) {
    let folder = Folder::new();
    let mut text = if header.is_empty() { vec![] } else { format!("{header}\n").into_bytes() };
    for row in [good[0].as_bytes(), bad, good[1].as_bytes()] {
        text.extend_from_slice(row);
        text.push(b'\n');
    }
    let store = memory();
    let report = folder.load(&store, folder.file(name, text), Mapping::default(), 1).unwrap();
    assert_eq!((report.events.applied, report.events.rejected), (2, 1), "{says}");
    let reasons = folder.reasons();
    assert_eq!(reasons[0].0, if header.is_empty() { 2 } else { 3 });
    assert!(reasons[0].1.contains(says), "{reasons:?} has no {says:?}");
}

#[test]
fn bad_rows_of_csv_are_told_by_line_and_field() {
    let header = "event_id,user,target,action,at,value";
    let good = ["a,u,i,view,2025-01-01T00:00:00Z,", "b,u,i,view,2025-01-02T00:00:00Z,3"];
    for (bad, says) in [
        (&b"c,u,i,view,2025-01-01T00:00:00Z"[..], "5 fields, the header has 6"),
        (b"c,u,i,view,2025-01-01T00:00:00Z,,", "7 fields, the header has 6"),
        (b"c,u\xff,i,view,2025-01-01T00:00:00Z,", "`user` is not UTF-8"),
        (b"c,u,i,view,2025-01-01T00:00:00Z,NaN", "`value` is NaN"),
        (b"c,u,i,view,2025-01-01T00:00:00Z,much", "`value` is \"much\""),
        (b"c,u,i,ate,2025-01-01T00:00:00Z,", "unknown action `ate`; known: viewed"),
        (b"c,,i,view,2025-01-01T00:00:00Z,", "`user` is missing"),
        (b",u,i,view,2025-01-01T00:00:00Z,", "`event_id` is missing"),
        (b"c,u,i,view,12000-01-01T00:00:00Z,", "`at` is"),
        (b"c,u,i,view,1960-01-01T00:00:00Z,", "1970 to 9999"),
        ("c,cafe\u{301},i,view,2025-01-01T00:00:00Z,".as_bytes(), "normal form C"),
        (b"a,u,j,view,2025-01-01T00:00:00Z,", "an event of this id and other content"),
    ] {
        check_row(header, good, bad, "events.csv", says);
        let tabs = |row: &[u8]| row.iter().map(|&b| if b == b',' { b'\t' } else { b }).collect();
        let (header, bad): (Vec<u8>, Vec<u8>) = (tabs(header.as_bytes()), tabs(bad));
        let good = good.map(|row| row.replace(',', "\t"));
        let good = [good[0].as_str(), good[1].as_str()];
        check_row(std::str::from_utf8(&header).unwrap(), good, &bad, "events.tsv", says);
    }
}

#[test]
fn bad_lines_of_json_are_told_by_line_and_column() {
    let good = [
        r#"{"event_id":"a","user":"u","target":"i","action":"view","at":"2025-01-01T00:00:00Z"}"#,
        r#"{"event_id":"b","user":"u","target":"i","action":"view","at":1735689600000,"value":3}"#,
    ];
    for (bad, says) in [
        (&b"{\"event_id\":"[..], "not a JSON object at column"),
        (b"[1,2]", "not a JSON object"),
        (b"{\"event_id\":\"\xff\"}", "not UTF-8"),
        (br#"{"event_id":"c","user":"u","target":"i","action":"view","at":"x"}"#, "`at` is"),
        (br#"{"event_id":"c","user":7}"#, "`user` is the number 7; give a text"),
        (br#"{"event_id":"c","shop":"s"}"#, "unknown field `shop`"),
        (br#"{"event_id":"c","user":"u","value":1e999}"#, "out of range"),
    ] {
        check_row("", good, bad, "events.jsonl", says);
    }
}

#[test]
fn bad_items_are_told_by_line_byte_and_field() {
    let deep = format!("{{\"id\":\"a\",\"attributes\":{}1{}}}", "[".repeat(9999), "]".repeat(9999));
    for (bad, says) in [
        (r#"{"id":7}"#, "`id` is the number 7; give a text"),
        (r#"{"id":""}"#, "`id` is missing"),
        (r#"{"id":"a","id":"b"}"#, "the key `id` is there twice"),
        (r#"{"id":"a","kind":"shop"}"#, "`kind` is `shop`; known here: item"),
        (r#"{"id":"a","kind":true}"#, "`kind` is true; give a text"),
        (r#"{"id":"a","shop":1}"#, "unknown field `shop`; known: id, kind, text"),
        (r#"{"id":"a","text":"words"}"#, "`text` is a text; give an object"),
        (r#"{"id":"a","text":{"title":7}}"#, "`text.title` is the number 7; give a text"),
        (r#"{"id":"a","text":{"title":"\ud800"}}"#, "not a JSON object"),
        (r#"{"id":"a","attributes":[1]}"#, "`attributes` is a list; give an object"),
        (r#"{"id":"a","attributes":{"a":{"b":1}}}"#, "must be a text, a number"),
        (r#"{"id":"a","attributes":{"a":[[1]]}}"#, "must be a text, a number"),
        (r#"{"id":"a","attributes":{"a":1e400}}"#, "number out of range"),
        (r#"{"id":"a","attributes":{"a":"x\u0007"}}"#, "has a control character"),
        (r#"{"id":"a","published_at":1.5}"#, "`published_at` is the number 1.5; give RFC 3339"),
        (r#"{"id":"a","published_at":"soon"}"#, "`published_at` is"),
        (&deep, "recursion limit exceeded"),
    ] {
        for (name, start, end) in [("i.jsonl", "", ""), ("i.json", "[", "]")] {
            let folder = Folder::new();
            let comma = if start.is_empty() { "" } else { "," };
            let good = r#"{"id":"g","text":{"title":"Good"},"published_at":1735689600000}"#;
            let text = format!("{start}{good}{comma}\n{bad}{comma}\n{good}{end}\n");
            let items = vec![folder.file(name, text)];
            let rejects = folder.0.path().join("rejects");
            let params = LoadParams { items, rejects, ..LoadParams::default() };
            let report = load(&memory(), None, &params, &mut |_| {}).unwrap();
            let counts = report.items;
            // Of a document that is there twice the last stays.
            assert_eq!((counts.read, counts.rejected), (3, 1), "{says}");
            let told = fs::read_to_string(&report.rejects[0]).unwrap();
            let told: serde_json::Value = serde_json::from_str(&told).unwrap();
            let (why, byte) = (&told["_reject"], good.len() + start.len() + comma.len() + 1);
            assert!(why["reason"].as_str().unwrap().contains(says), "{why} has no {says:?}");
            assert_eq!((why["line"].as_u64(), why["byte"].as_u64()), (Some(2), Some(byte as u64)));
        }
    }
}

#[test]
fn files_that_are_wrong_as_a_whole_are_told_by_name() {
    let folder = Folder::new();
    let store = memory();
    for (name, text, says) in [
        ("a.csv", "user,target\nu,i\n", "the header has no column `event_id`"),
        (
            "b.csv",
            "event_id,user,target,action,at,shop\n",
            "unknown column `shop`; known: event_id",
        ),
        ("c.csv", "event_id,user,user,target,action,at\n", "column `user` is there twice"),
        ("d.txt", "x", "the name tells no format; known: .csv"),
        ("e.parquet", "PAR1 and then nothing", "not a whole Parquet file"),
        ("f.csv.gz", "not gzip", "f.csv.gz"),
    ] {
        let error = folder.load(&store, folder.file(name, text), Mapping::default(), 9);
        let error = error.err().unwrap_or_else(|| panic!("{name} was read")).to_string();
        assert!(error.contains(says) && error.contains(name), "{error}");
    }
    let missing = folder.load(&store, folder.0.path().join("no.csv"), Mapping::default(), 9);
    assert!(missing.err().unwrap().to_string().contains("does not exist"));
    let within = folder.load(&store, folder.0.path().to_owned(), Mapping::default(), 9);
    assert!(within.err().unwrap().to_string().contains("is a folder"));
    assert_eq!(store.sequence().unwrap(), 0);
}

#[test]
fn a_mapping_renames_fills_in_and_makes_ids() {
    let folder = Folder::new();
    let mapping = folder.file(
        "m.toml",
        "[columns]\nuser = 'household'\ntarget = 'product'\nat = 'ts'\n[constants]\naction = 'buy'\n[times]\nat = 's'\n",
    );
    let mapping = Mapping::read(&mapping).unwrap();
    let rows =
        "household,store,product,ts\nh1,9,p1,1735689600\nh1,8,p1,1735689600\nh1,9,p2,1735689601\n";
    let store = memory();
    let report = folder.load(&store, folder.file("b.csv", rows), mapping.clone(), 0).unwrap();
    // The second row says nothing new: it is the event of the first.
    assert_eq!((report.events.applied, report.events.unchanged), (2, 1));
    let json = r#"{"household":"h1","product":"p1","ts":1735689600,"store":9}"#;
    let report = folder.load(&store, folder.file("b.jsonl", json), mapping, 0).unwrap();
    assert_eq!((report.events.applied, report.events.unchanged), (0, 1));
}

#[test]
fn bad_mappings_are_refused() {
    let folder = Folder::new();
    for (text, says) in [
        ("[columns]\nshop = 'x'", "`shop` is no column; known: event_id"),
        ("[constants]\nvalue = 'much'", "constants.value = \"much\"; give a finite number"),
        ("[times]\nat = 'days'", "known: at = \"s\" or \"ms\""),
        ("[other]", "unknown field"),
        ("columns", "expected"),
    ] {
        let error = Mapping::read(&folder.file("m.toml", text)).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// The rejects of `text` under `mapping`, changed by `repair`, load without a mapping and make the store that
/// `right` makes with it.
fn check_repair(mapping: &Mapping, name: &str, text: &str, right: &str, repair: [&str; 2]) {
    let folder = Folder::new();
    let store = memory();
    let report = folder.load(&store, folder.file(name, text), mapping.clone(), 9).unwrap();
    assert_eq!(report.events.rejected, 1, "{name}");
    let rejects = fs::read_to_string(&report.rejects[0]).unwrap();
    let repaired = folder.file("repaired.jsonl", rejects.replacen(repair[0], repair[1], 1));
    let report = folder.load(&store, repaired, Mapping::default(), 0).unwrap();
    assert_eq!(report.events.applied, 1, "{name}: {rejects}");
    let other = memory();
    folder.load(&other, folder.file(name, right), mapping.clone(), 0).unwrap();
    let hash = |store: &GraphStore| store.view().stats().unwrap().content_hash;
    assert_eq!(hash(&store), hash(&other), "{name}: {rejects}");
}

#[test]
fn refused_rows_of_mapped_files_load_again_without_the_mapping() {
    let folder = Folder::new();
    let columns = "[columns]\nevent_id = 'id'\nuser = 'household'\ntarget = 'product'\nat = 'ts'\nvalue = 'mark'\n\
                   [constants]\naction = 'rated'\n[times]\nat = 's'\n";
    let mapping = Mapping::read(&folder.file("m.toml", columns)).unwrap();
    let csv = |mark| format!("id,household,junk,product,ts,mark\ne1,h1,x,p1,1735689600,{mark}\n");
    let repair = ["\"value\":\"NaN\"", "\"value\":\"7\""];
    check_repair(&mapping, "b.csv", &csv("NaN"), &csv("7"), repair);
    let json = |mark| {
        format!(
            "{{\"id\":\"e1\",\"household\":\"h1\",\"junk\":[],\"product\":\"p1\",\"ts\":1735689600,\"mark\":{mark}}}"
        )
    };
    check_repair(&mapping, "b.jsonl", &json("\"NaN\""), &json("7"), repair);
    let array = |mark| format!("[{}]", json(mark));
    check_repair(
        &mapping,
        "b.json",
        &array("true"),
        &array("7"),
        ["\"value\":true", "\"value\":7"],
    );
}

#[test]
fn an_event_whose_id_is_taken_loads_under_another() {
    let rows = |id: &str| {
        format!(
            "event_id,user,target,action,at,value,session,text\n\
             a,u,i,rated,2025-01-01T00:00:00Z,7,s,good\n{id},u,i,reviewed,2025-01-02T00:00:00Z,3,t,\"bad, too\"\n"
        )
    };
    let repair = ["\"event_id\":\"a\"", "\"event_id\":\"b\""];
    check_repair(&Mapping::default(), "e.csv", &rows("a"), &rows("b"), repair);
}

#[test]
fn a_file_among_the_rejects_is_not_overwritten() {
    let folder = Folder::new();
    fs::create_dir(folder.0.path().join("rejects")).unwrap();
    let repaired = folder.file("rejects/events.jsonl", "");
    let error = folder.load(&memory(), repaired.clone(), Mapping::default(), 0).err().unwrap();
    assert!(error.to_string().contains("give another --rejects"), "{error}");
    assert!(repaired.exists());
}

#[test]
fn the_backlog_holds_what_another_text_vocabulary_or_extractor_made_stale() {
    let store = memory();
    let put = |json: &str| {
        let raw: crate::event::RawDocument = serde_json::from_str(json).unwrap();
        write_documents(&store, vec![raw.check().unwrap()]).unwrap();
    };
    let lexicon = by_name("lexicon", None).unwrap();
    let waiting = |extractor: &dyn Extractor| {
        Backlog::of(&store.view(), store.schema(), extractor).unwrap().waiting.len()
    };
    let work = || {
        let backlog = Backlog::of(&store.view(), store.schema(), &*lexicon).unwrap();
        extract_backlog(&store, &*lexicon, &backlog, &mut |_| {}).unwrap()
    };
    put(r#"{"id":"a","text":{"title":"Sony radio"},"attributes":{"brand":"Sony"}}"#);
    put(r#"{"id":"b","text":{"title":"Radio by sony"}}"#);
    put(r#"{"id":"c","attributes":{"brand":"Sony"}}"#);
    assert_eq!(waiting(&*lexicon), 2);
    let found = work();
    assert_eq!((found.documents, found.mentions), (2, 2));
    assert_eq!(waiting(&*lexicon), 0);
    put(r#"{"id":"b","text":{"title":"Radio by nobody"}}"#);
    assert_eq!(waiting(&*lexicon), 1);
    assert_eq!(work().mentions, 0);
    put(r#"{"id":"d","attributes":{"brand":"Nova"}}"#);
    assert_eq!(waiting(&*lexicon), 2, "a new word may stand in any text");
    work();
    // A text that is gone takes its mentions along.
    put(r#"{"id":"a","attributes":{"brand":"Sony"}}"#);
    assert_eq!(store.view().stats().unwrap().mentions, 0);
    assert_eq!(store.view().check().unwrap().told, Vec::<String>::new());
}
