//! Input of every kind, and above all wrong input.

use std::fs;
use std::io::Write;

use serde_json::Value;

use crate::program::{Folder, tiny, tiny_files};

/// Lines of `bad.csv` that must be refused.
const BAD: [u64; 15] = [3, 5, 6, 8, 9, 10, 12, 13, 15, 16, 17, 19, 20, 21, 22];

#[test]
fn bad_rows_are_refused_by_line_and_good_ones_loaded() {
    let folder = Folder::new();
    let bad = tiny("bad.csv");
    let line = format!("load --store s --events {} --max-errors 15 --output json", bad.display());
    let answer = folder.check(&format!("{line} --extractor off"), 3);
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(report["events"]["rejected"], 15);
    assert_eq!(report["events"]["applied"], 7);
    for number in BAD {
        assert!(answer.err.contains(&format!("line {number}: ")), "{number}\n{}", answer.err);
    }
    let rejects = folder.read("s.rejects/events.jsonl");
    let mut lines: Vec<u64> = rejects
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap()["_reject"]["line"].as_u64().unwrap())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, BAD);
}

#[test]
fn refused_rows_load_again_once_repaired() {
    let folder = Folder::new();
    folder.put(
        "events.csv",
        "event_id,user,target,target_kind,action,at,value,session,text\n\
         e1,ann,p1,item,viewed,2025-01-01T00:00:00Z,,,\n\
         e2,ann,p2,item,teleported,2025-01-02T00:00:00Z,,,\n",
    );
    folder.check("load --store s --events events.csv --max-errors 1 --extractor off", 3);
    let repaired = folder.read("s.rejects/events.jsonl").replace("\"teleported\"", "\"viewed\"");
    folder.put("repaired.jsonl", repaired);
    let line = "load --store s --events repaired.jsonl --extractor off --output json";
    assert_eq!(folder.json(line)["events"]["applied"], 1);
    let from = format!("load --store s --events {} --extractor off", "s.rejects/events.jsonl");
    folder.put("s.rejects/events.jsonl", "");
    folder.refuses(&from, 1, "give another --rejects");
}

#[test]
fn a_spent_budget_ends_the_load() {
    let folder = Folder::new();
    let bad = tiny("bad.csv");
    let line = format!("load --store s --events {} --max-errors 3 --extractor off", bad.display());
    folder.refuses(&line, 4, "more than 3 rows were refused");
    let events = folder.json("stats --store s --output json")["events"].clone();
    assert_eq!(events, serde_json::json!({}));
}

#[test]
fn order_and_repeats_of_events_leave_no_trace() {
    let folder = Folder::with_store();
    let text = fs::read_to_string(tiny("events.csv")).unwrap();
    let mut rows: Vec<&str> = text.lines().skip(1).collect();
    rows.extend(rows.clone());
    // Seven is prime to the number of rows, so every row comes once.
    let shuffled = (0..rows.len()).map(|place| rows[place * 7 % rows.len()]);
    let header = text.lines().next().unwrap();
    let all: Vec<&str> = std::iter::once(header).chain(shuffled).collect();
    folder.put("shuffled.csv", all.join("\n") + "\n");
    let items = tiny("items.jsonl");
    folder.check("load --store other --events shuffled.csv --extractor off", 0);
    let line = format!("load --store other --items {} --extractor off", items.display());
    folder.check(&line, 0);
    let stats = |store: &str| folder.check(&format!("stats --store {store} --output json"), 0).out;
    assert_eq!(stats("store"), stats("other"));
}

#[test]
fn files_of_every_format_make_the_same_graph() {
    let folder = Folder::with_store();
    let expected = folder.json("stats --store store --output json");
    let csv = fs::read(tiny("events.csv")).unwrap();
    let gz = fs::File::create(folder.path("e.csv.gz")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(gz, flate2::Compression::fast());
    gz.write_all(&csv).unwrap();
    gz.finish().unwrap();
    folder.put("e.csv.zst", zstd::encode_all(csv.as_slice(), 1).unwrap());
    folder.put("e.tsv", tabs(&csv));
    fs::copy(tiny("events.jsonl"), folder.path("e.jsonl")).unwrap();
    parquet_of(&folder, &csv, "e.parquet");
    for name in ["e.csv.gz", "e.csv.zst", "e.tsv", "e.jsonl", "e.parquet"] {
        let store = format!("store-{name}");
        let items = tiny("items.jsonl");
        let line = format!(
            "load --store {store} --items {} --events {name} --extractor off",
            items.display()
        );
        folder.check(&line, 0);
        assert_eq!(
            expected,
            folder.json(&format!("stats --store {store} --output json")),
            "{name}"
        );
    }
}

fn tabs(rows: &[u8]) -> Vec<u8> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(rows);
    let mut writer = csv::WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
    for record in reader.records() {
        writer.write_record(&record.unwrap()).unwrap();
    }
    writer.into_inner().unwrap()
}

fn parquet_of(folder: &Folder, rows: &[u8], name: &str) {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};

    let mut reader = csv::Reader::from_reader(rows);
    let header = reader.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let columns = header.iter().enumerate().map(|(place, name)| {
        let cells = records.iter().map(|row| Some(&row[place]).filter(|cell| !cell.is_empty()));
        let column: ArrayRef = match name {
            "value" => Arc::new(
                cells.map(|c| c.map(|c| c.parse::<f64>().unwrap())).collect::<Float64Array>(),
            ),
            _ => Arc::new(cells.collect::<StringArray>()),
        };
        (name.to_owned(), column)
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = fs::File::create(folder.path(name)).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_mapping_reads_foreign_columns() {
    let folder = Folder::new();
    folder
        .put("foreign.csv", "household,product,ts,junk\nh1,p1,1735689600,x\nh1,p2,1735776000,y\n");
    folder.put(
        "mapping.toml",
        "[columns]\nuser = \"household\"\ntarget = \"product\"\nat = \"ts\"\n\
         [constants]\naction = \"bought\"\n[times]\nat = \"s\"\n",
    );
    let line = "load --store s --events foreign.csv --mapping mapping.toml --extractor off";
    folder.check(line, 0);
    let stats = folder.json("stats --store s --output json");
    assert_eq!(stats["events"]["bought"], 2);
    folder.put("bad.toml", "[columns]\nhousehold = \"user\"\n");
    let line = "load --store s --events foreign.csv --mapping bad.toml --extractor off";
    folder.refuses(line, 1, "`household` is no column");
}

#[test]
fn files_that_are_none_are_refused() {
    let folder = Folder::new();
    folder.put("empty.csv", "");
    folder.put("header.csv", "event_id,user,target,target_kind,action,at,value,session,text\n");
    folder.put("notes.doc", "x");
    folder.put("broken.parquet", "x");
    let load = |file: &str| format!("load --store s --events {file} --extractor off");
    folder.refuses(&load("nowhere.csv"), 1, "nowhere.csv does not exist");
    folder.refuses(&load("."), 1, "is a folder; name the files in it");
    assert!(!folder.path("s").exists(), "nothing is made for a load that cannot be");
    folder.refuses(&load("notes.doc"), 1, "the name tells no format");
    folder.refuses(&load("broken.parquet"), 1, "broken.parquet");
    folder.refuses(&load("empty.csv"), 1, "is empty; its first line must name the columns");
    let report = folder.json(&format!("{} --output json", load("header.csv")));
    assert_eq!(report["events"]["read"], 0);
}

#[test]
fn a_schema_is_read_or_refused() {
    let folder = Folder::new();
    let load =
        |schema: &str| format!("load --store s {} --extractor off --schema {schema}", tiny_files());
    folder.refuses(&load("nowhere.toml"), 1, "schema nowhere.toml cannot be read");
    folder.put("bad.toml", "version = \"x\"");
    folder.check(&load("bad.toml"), 1);
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/interest.toml");
    folder.put(
        "other.toml",
        fs::read_to_string(shipped).unwrap().replace("weight = 5.0", "weight = 6.0"),
    );
    folder.check(&load("other.toml"), 0);
    folder.refuses(&load(shipped), 1, "the store was made with another schema");
}

#[test]
fn what_is_not_there_is_told() {
    let folder = Folder::with_store();
    folder.refuses("query interests --store store --user nobody", 1, "unknown user `nobody`");
    folder.refuses("query similar --store store --from item:none", 1, "unknown item `none`");
    let line = "query paths --store store --from user:alice --to item:none";
    folder.refuses(line, 1, "unknown item `none`");
    for line in ["stats", "verify", "query interests --user alice", "export --dest x"] {
        folder.refuses(&format!("{line} --store nowhere"), 1, "no store at nowhere");
        assert!(!folder.path("nowhere").exists(), "{line}");
    }
    folder.put("file", "x");
    folder.refuses("stats --store file", 1, "file is not a store: it is a file");
    fs::create_dir(folder.path("things")).unwrap();
    folder.put("things/notes.txt", "x");
    let line = format!("load --store things {} --extractor off", tiny_files());
    folder.refuses(&line, 1, "the folder holds other things");
}

#[test]
fn an_empty_store_is_one() {
    let folder = Folder::new();
    folder.put("header.csv", "event_id,user,target,target_kind,action,at,value,session,text\n");
    folder.check("load --store s --events header.csv --extractor off", 0);
    folder.prints("verify --store s", "whole: 0 nodes, 0 edges, 0 events");
    folder.refuses("query interests --store s --user alice", 1, "unknown user `alice`");
    for format in ["parquet", "graphml"] {
        folder.check(&format!("export --store s --format {format} --dest {format}"), 0);
    }
    let stats = folder.json("stats --store s --output json");
    assert_eq!(stats["nodes"], serde_json::json!({}));
}

#[cfg(not(feature = "sql"))]
#[test]
fn without_its_feature_sql_says_how_to_get_it() {
    let folder = Folder::new();
    folder.put("a.csv", "event_id,user,target,action,at\n");
    for line in ["load --store s", "load --server http://127.0.0.1:9", "validate"] {
        let line = format!("{line} --events a.csv --select SELECT");
        folder.refuses(&line, 1, "build it with `cargo build --release --features sql`");
    }
    assert!(!folder.path("s").exists());
}
