//! Exports of the tiny graph, value by value.
//!
//! Tables are compared as JSON lines, so that a new version of the Parquet crate may lay out its
//! bytes in another way. To accept a change: `PREDILECT_GOLDEN=write cargo test --release`.

use std::fs;
use std::path::{Path, PathBuf};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use predilect::export::{self, ExportParams, FORMATS};
use predilect::extract;
use predilect::ingest::{self, LoadParams, Mapping};
use predilect::schema::Timestamp;
use predilect::store::{GraphStore, Memory};
use serde_json::{Map, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tiny graph, with what the lexicon finds in its texts.
fn tiny(reversed: bool) -> GraphStore {
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(root().join("graph-data/tiny/events.jsonl")).unwrap();
    let mut rows: Vec<&str> = text.lines().collect();
    if reversed {
        rows.reverse();
    }
    let events = folder.path().join("events.jsonl");
    fs::write(&events, rows.join("\n")).unwrap();
    let params = LoadParams {
        items: vec![root().join("graph-data/tiny/items.jsonl")],
        events: vec![events],
        mapping: Mapping::default(),
        max_errors: 0,
        rejects: folder.path().join("rejects"),
        ..LoadParams::default()
    };
    let lexicon = extract::by_name("lexicon", None).unwrap();
    ingest::load(&store, Some(&*lexicon), &params, &mut |_| {}).unwrap();
    store
}

/// Compares with a golden file, or writes it where that is asked for.
fn check(name: &str, found: &str) {
    let path = root().join("tests/golden").join(name);
    if std::env::var_os("PREDILECT_GOLDEN").is_some_and(|wish| wish == "write") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (place, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{name} line {}", place + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
}

/// The rows of a table as JSON lines.
fn rows(path: &Path) -> String {
    let file = fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.map(|batch| lines(&batch.unwrap())).collect()
}

fn lines(batch: &RecordBatch) -> String {
    let options = FormatOptions::default();
    let schema = batch.schema();
    // Times as milliseconds: to print them, arrow would need a table of time zones.
    let plain = |column: &ArrayRef| match column.data_type() {
        DataType::Timestamp(..) => arrow_cast::cast(column, &DataType::Int64).unwrap(),
        _ => column.clone(),
    };
    let cells: Vec<ArrayRef> = batch.columns().iter().map(plain).collect();
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .zip(&cells)
        .map(|(field, column)| (field, column, ArrayFormatter::try_new(column, &options).unwrap()))
        .collect();
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        let there = columns.iter().filter(|(_, column, _)| column.is_valid(row));
        let row: Map<String, Value> = there
            .map(|(field, _, cells)| (field.name().clone(), cells.value(row).to_string().into()))
            .collect();
        text.push_str(&Value::Object(row).to_string());
        text.push('\n');
    }
    text
}

fn tables(folder: &Path) -> Vec<PathBuf> {
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).unwrap()).unwrap();
    let files = manifest["files"].as_array().unwrap().iter();
    files.map(|file| file["path"].as_str().unwrap().into()).collect()
}

#[test]
fn parquet_tables_hold_the_graph() {
    let store = tiny(false);
    let folder = tempfile::tempdir().unwrap();
    let params = ExportParams { evidence: true, ..ExportParams::default() };
    let manifest =
        export::write(&store.view(), "parquet", &folder.path().join("x"), &params).unwrap();
    let mut text = String::new();
    for table in tables(&folder.path().join("x")) {
        text += &format!("# {}\n", table.display());
        text.push_str(&rows(&folder.path().join("x").join(table)));
    }
    check("tiny.parquet.txt", &text);
    let stats = store.view().stats().unwrap();
    assert_eq!((manifest.nodes, manifest.edges), (stats.nodes, stats.edges));
}

#[test]
fn graphml_holds_the_graph() {
    let store = tiny(false);
    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("x");
    export::write(&store.view(), "graphml", &dest, &ExportParams::default()).unwrap();
    let text = fs::read_to_string(dest.join("graph.graphml")).unwrap();
    check("tiny.graphml", &text);
    let mut reader = quick_xml::Reader::from_str(&text);
    reader.config_mut().check_end_names = true;
    let mut nodes = 0;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(tag)
                if tag.name() == quick_xml::name::QName("node") =>
            {
                nodes += 1;
            }
            _ => {}
        }
    }
    assert_eq!(nodes, store.view().stats().unwrap().nodes.values().sum::<u64>());
}

#[test]
fn the_same_graph_gives_the_same_bytes() {
    let (one, other) = (tiny(false), tiny(true));
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let write = |store: &GraphStore, name: &str| {
            let dest = folder.path().join(format!("{}-{name}", format.name));
            export::write(&store.view(), format.name, &dest, &ExportParams::default()).unwrap()
        };
        assert_eq!(write(&one, "a").files, write(&other, "b").files, "{}", format.name);
    }
}

#[test]
fn hashes_and_sizes_are_those_of_the_files() {
    let store = tiny(false);
    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("x");
    let manifest =
        export::write(&store.view(), "parquet", &dest, &ExportParams::default()).unwrap();
    for file in &manifest.files {
        let bytes = fs::read(dest.join(&file.path)).unwrap();
        assert_eq!(file.bytes, bytes.len() as u64, "{}", file.path);
        assert_eq!(file.blake3, blake3::hash(&bytes).to_hex().to_string(), "{}", file.path);
    }
}

#[test]
fn later_events_are_left_out() {
    let store = tiny(false);
    let folder = tempfile::tempdir().unwrap();
    let count = |as_of: &str| {
        let as_of = Timestamp::parse(as_of);
        let params = ExportParams { as_of, ..ExportParams::default() };
        let dest = folder.path().join("x");
        let edges = export::write(&store.view(), "parquet", &dest, &params).unwrap().edges;
        let actions = ["viewed", "clicked", "carted", "bought", "rated", "reviewed", "searched"];
        let of = |name: &str| edges.get(name).copied().unwrap_or_default();
        (actions.into_iter().map(of).sum::<u64>(), of("has_brand"))
    };
    assert_eq!(count("2025-01-11T18:03:10Z"), (2, 10));
    assert_eq!(count("2025-12-30T22:10:00Z"), (24, 10));
    assert_eq!(count("2024-01-01T00:00:00Z"), (0, 10));
}

#[test]
fn an_unknown_format_names_the_known() {
    let error = export::write(&tiny(false).view(), "csv", Path::new("x"), &ExportParams::default());
    assert_eq!(error.unwrap_err().to_string(), "unknown format `csv`; known: parquet, graphml");
}
