//! One bad file: what it holds, and what must become of it.

use std::fs;
use std::io::Write;
use std::path::Path;

use predilect::ingest::{self, BulkWhen, IngestError, InputParams, LoadParams, LoadReport};
use predilect::store::{GraphStore, Memory};
use serde_json::Value;

/// Bytes from which a row is too long here.
pub const MAX_ROW_BYTES: usize = 2 << 20;

/// The columns of an event.
pub const COLUMNS: [&str; 9] =
    ["event_id", "user", "target", "target_kind", "action", "at", "value", "session", "text"];

/// A row's fields as texts; an empty one is absent.
pub type Row = [String; 9];

/// The number of the row that a defect is put into.
pub const WRONG: usize = 9;
/// How many good rows stand around it.
pub const N_GOOD: usize = 4;

/// A row that loads.
pub fn good(number: usize) -> Row {
    let day = number % 28 + 1;
    let at = format!("2025-01-{day:02}T00:00:00Z");
    [
        format!("e{number}"),
        format!("u{number}"),
        format!("i{number}"),
        "item".into(),
        "rated".into(),
        at,
    ]
    .into_iter()
    .chain(["7.5".to_owned(), "s".to_owned(), String::new()])
    .collect::<Vec<_>>()
    .try_into()
    .unwrap()
}

/// A row with another text in one field.
pub fn with(mut row: Row, field: &str, text: &str) -> Row {
    row[COLUMNS.iter().position(|name| *name == field).unwrap()] = text.to_owned();
    row
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Csv,
    Tsv,
    Jsonl,
    Json,
}

impl Format {
    pub const ALL: [Self; 4] = [Self::Csv, Self::Tsv, Self::Jsonl, Self::Json];

    pub fn suffix(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
        }
    }

    pub fn header(self) -> Vec<u8> {
        match self {
            Self::Csv => COLUMNS.join(",").into(),
            Self::Tsv => COLUMNS.join("\t").into(),
            Self::Jsonl => Vec::new(),
            Self::Json => b"[".into(),
        }
    }

    /// A row in this format, with every field that is named in `kept` even if it is empty.
    pub fn row(self, row: &Row, kept: &str) -> Vec<u8> {
        match self {
            Self::Csv => row.join(",").into(),
            Self::Tsv => row.join("\t").into(),
            Self::Jsonl | Self::Json => {
                let fields = COLUMNS.into_iter().zip(row);
                let there = fields.filter(|(name, text)| !text.is_empty() || *name == kept);
                let object: serde_json::Map<String, Value> = there
                    .map(|(name, text)| match (name, text.parse::<f64>()) {
                        ("value", Ok(number)) if number.is_finite() => (name.into(), number.into()),
                        _ => (name.to_owned(), Value::from(text.as_str())),
                    })
                    .collect();
                serde_json::to_vec(&object).unwrap()
            }
        }
    }

    /// A file of these rows, and the line and byte at which each begins.
    pub fn file(self, rows: &[Vec<u8>], newline: &str) -> (Vec<u8>, Vec<(u64, u64)>) {
        let mut bytes = self.header();
        let mut line = 1;
        if !bytes.is_empty() {
            bytes.extend_from_slice(newline.as_bytes());
            line += 1;
        }
        let mut places = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            places.push((line, bytes.len() as u64));
            bytes.extend_from_slice(row);
            if self == Self::Json && number + 1 < rows.len() {
                bytes.push(b',');
            }
            bytes.extend_from_slice(newline.as_bytes());
            line += 1;
        }
        if self == Self::Json {
            bytes.push(b']');
        }
        (bytes, places)
    }
}

/// How a file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    pub const ALL: [Self; 3] = [Self::Plain, Self::Gzip, Self::Zstd];

    pub fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip => {
                let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                to.write_all(bytes).unwrap();
                to.finish().unwrap()
            }
            Self::Zstd => {
                let mut to = zstd::Encoder::new(Vec::new(), 1).unwrap();
                // As the command `zstd` does it: damage is found.
                to.include_checksum(true).unwrap();
                to.write_all(bytes).unwrap();
                to.finish().unwrap()
            }
        }
    }
}

/// A row that must be refused.
#[derive(Clone, Debug)]
pub struct Told {
    pub line: u64,
    pub byte: Option<u64>,
    pub says: String,
}

/// A bad file and what must become of it.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// What is wrong, for people.
    pub about: String,
    /// The file's name.
    pub name: String,
    pub bytes: Vec<u8>,
    /// Rows that load; where the file is refused, those that a load by batches keeps.
    pub good: Vec<Row>,
    pub rejects: Vec<Told>,
    /// Why the file is refused as a whole.
    pub error: Option<String>,
    /// The field that is to be repaired in the refused row, and the row that comes of it.
    pub repair: Option<(&'static str, Row)>,
}

impl Case {
    /// Writes the file and loads it, by batches and in bulk.
    pub fn check(&self) {
        for bulk in [BulkWhen::Never, BulkWhen::Always] {
            self.check_one(bulk);
        }
    }

    fn check_one(&self, bulk: BulkWhen) {
        let what = format!("{} ({}, bulk {bulk:?})", self.about, self.name);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(&self.name);
        fs::write(&path, &self.bytes).unwrap();
        let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
        let loaded = load(&store, folder.path(), &path, bulk);
        let mut kept = self.good.clone();
        match (&self.error, loaded) {
            (None, Ok(report)) => {
                assert_eq!(report.events.applied, self.good.len() as u64, "{what}");
                assert_eq!(report.events.rejected, self.rejects.len() as u64, "{what}");
                let read = report.events.applied + report.events.unchanged + report.events.rejected;
                assert_eq!(report.events.read, read, "{what}");
                self.check_rejects(&what, folder.path(), &report);
            }
            (Some(says), Err(error)) => {
                let error = error.to_string();
                assert!(error.contains(says.as_str()), "{what}: {error}\nhas no {says:?}");
                assert!(error.contains(&self.name), "{what}: {error}");
                assert!(error.len() < 1500, "{what}: {} bytes of error", error.len());
                if bulk == BulkWhen::Always {
                    kept.clear();
                }
            }
            (None, Err(error)) => panic!("{what}: {error}"),
            (Some(_), Ok(report)) => panic!("{what} was loaded: {report:?}"),
        }
        assert_eq!(hash(&store), hash(&store_of(&kept)), "{what}");
        if let Some((field, repaired)) = &self.repair {
            repair(folder.path(), field, repaired);
            let report = load(&store, folder.path(), &folder.path().join("repaired.jsonl"), bulk);
            let report = report.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!((report.events.applied, report.events.rejected), (1, 0), "{what}: repaired");
            kept.push(repaired.clone());
            assert_eq!(hash(&store), hash(&store_of(&kept)), "{what}: repaired");
        }
    }

    fn check_rejects(&self, what: &str, folder: &Path, report: &LoadReport) {
        let path = folder.join("rejects/events.jsonl");
        assert_eq!(report.rejects.len(), usize::from(!self.rejects.is_empty()), "{what}");
        let text = if path.exists() { fs::read_to_string(path).unwrap() } else { String::new() };
        let mut found: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["_reject"].take())
            .collect();
        found.sort_by_key(|why| why["line"].as_u64());
        assert_eq!(found.len(), self.rejects.len(), "{what}: {found:?}");
        for (why, told) in found.iter().zip(&self.rejects) {
            let reason = why["reason"].as_str().unwrap();
            assert!(reason.contains(&told.says), "{what}: {reason}\nhas no {:?}", told.says);
            assert!(reason.chars().count() < 600, "{what}: {reason}");
            assert_eq!(why["line"].as_u64(), Some(told.line), "{what}: line");
            assert_eq!(why["byte"].as_u64(), told.byte, "{what}: byte");
            assert!(why["file"].as_str().unwrap().ends_with(&self.name), "{what}");
        }
    }
}

pub fn load(
    store: &GraphStore,
    folder: &Path,
    events: &Path,
    bulk: BulkWhen,
) -> Result<LoadReport, IngestError> {
    let params = LoadParams {
        events: vec![events.to_owned()],
        input: InputParams { max_row_bytes: MAX_ROW_BYTES, ..InputParams::default() },
        rejects: folder.join("rejects"),
        bulk,
        max_memory: 4 << 20,
        ..LoadParams::default()
    };
    ingest::load(store, None, &params, &mut |_| {})
}

/// What a store holds; it must be whole.
pub fn hash(store: &GraphStore) -> String {
    let view = store.view();
    assert_eq!(view.check().unwrap().told, Vec::<String>::new());
    view.stats().unwrap().content_hash
}

/// A store of just these rows.
fn store_of(rows: &[Row]) -> GraphStore {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good.jsonl");
    let lines: Vec<Vec<u8>> = rows.iter().map(|row| Format::Jsonl.row(row, "")).collect();
    fs::write(&path, lines.join(&b'\n')).unwrap();
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    let report = load(&store, folder.path(), &path, BulkWhen::Never).unwrap();
    assert_eq!(report.events.applied, rows.len() as u64);
    store
}

/// Puts the right text into the field that was at fault, in the file of rejects as it is.
fn repair(folder: &Path, field: &str, row: &Row) {
    let rejects = folder.join("rejects/events.jsonl");
    let mut line: Value = serde_json::from_str(&fs::read_to_string(rejects).unwrap()).unwrap();
    assert_eq!(line["_reject"]["field"], field);
    let place = COLUMNS.iter().position(|name| *name == field).unwrap();
    line[field] = row[place].as_str().into();
    fs::write(folder.join("repaired.jsonl"), line.to_string()).unwrap();
}
