//! The built program on files that could make it wait, or take the machine's memory.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, DictionaryArray, Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use tempfile::TempDir;

use crate::case::{COLUMNS, Format, N_GOOD, Packing, good};

/// What the program may take with `--max-memory 64MB`, whatever it reads: the store's caches and buffers,
/// the sorter, and a few rows at the limit.
const MAX_RESIDENT_KB: u64 = 600 << 10;
/// Nothing here takes longer, unless it waits for what never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder in which the program loads files.
struct Folder(TempDir);

struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
    resident_kb: u64,
}

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Loads `events`, with `input` on standard input, and watches how much memory it takes.
    fn load(&self, events: &[&str], input: Option<Vec<u8>>) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_predilect"));
        let fixed = [
            "load",
            "--store",
            "s",
            "--extractor",
            "off",
            "--max-memory",
            "64MB",
            "--output",
            "json",
        ];
        command.args(fixed).arg("--events").args(events).current_dir(self.0.path());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        if let Some(input) = input {
            let mut to = child.stdin.take().unwrap();
            // A program that refuses its input does not read it.
            std::thread::spawn(move || drop(to.write_all(&input)));
        }
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read = |from: &mut dyn Read| {
            let mut text = String::new();
            from.read_to_string(&mut text).unwrap();
            text
        };
        let out = std::thread::spawn(move || read(&mut out));
        let err = std::thread::spawn(move || read(&mut err));
        let started = Instant::now();
        let mut resident_kb = 0;
        let status = loop {
            let told =
                fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let most = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let most = most.and_then(|most| most.trim().strip_suffix(" kB")?.parse().ok());
            resident_kb = resident_kb.max(most.unwrap_or(0));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("{events:?} still runs after {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let (out, err) = (out.join().unwrap(), err.join().unwrap());
        assert!(!err.contains("panicked"), "{events:?}: {err}");
        Answer { code: status.code(), out, err, resident_kb }
    }

    /// A load that must fail with one line that has `says`, and leave no store.
    fn refuses(&self, events: &[&str], says: &str) {
        let Answer { code, out, err, .. } = self.load(events, None);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{events:?}: {err}");
        assert!(err.contains(says), "{events:?}: {err}\nhas no {says:?}");
        assert_eq!(err.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{err}");
        assert!(!self.path("s").exists(), "{events:?} left a store");
    }

    /// A load that must end with this many events applied and refused, in bounded memory.
    fn applies(
        &self,
        events: &[&str],
        input: Option<Vec<u8>>,
        applied: u64,
        rejected: u64,
    ) -> Answer {
        let _ = fs::remove_dir_all(self.path("s"));
        let answer = self.load(events, input);
        let code = if rejected > 0 { 3 } else { 0 };
        assert_eq!(answer.code, Some(code), "{events:?}: {}", answer.err);
        let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
        assert_eq!(report["events"]["applied"], applied, "{events:?}: {}", answer.err);
        assert_eq!(report["events"]["rejected"], rejected, "{events:?}: {}", answer.err);
        answer.check_memory(events);
        answer
    }
}

impl Answer {
    fn check_memory(&self, what: &[&str]) {
        let Self { resident_kb, .. } = *self;
        assert!(resident_kb > 0, "nothing was measured");
        eprintln!("{what:?}: at most {resident_kb} kB resident");
        assert!(resident_kb < MAX_RESIDENT_KB, "{what:?} took {resident_kb} kB");
    }
}

fn file(format: Format) -> Vec<u8> {
    let rows: Vec<Vec<u8>> = (0..N_GOOD).map(|row| format.row(&good(row), "")).collect();
    format.file(&rows, "\n").0
}

#[test]
fn what_is_no_file_is_refused_and_never_waited_for() {
    let folder = Folder::new();
    fs::create_dir(folder.path("folder.csv")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path("pipe.csv")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(folder.path("socket.csv")).unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.path(name)).unwrap();
    link("/dev/zero", "zero.csv");
    link("pipe.csv", "to-pipe.csv");
    link("b.csv", "a.csv");
    link("a.csv", "b.csv");
    link("own.csv", "own.csv");
    link("nowhere.csv", "dangling.csv");
    let pipe = "is a pipe, a socket or a device, not a regular file; give `-`";
    for (name, says) in [
        ("folder.csv", "is a folder; name the files in it"),
        ("pipe.csv", pipe),
        ("socket.csv", pipe),
        ("zero.csv", pipe),
        ("/dev/null", pipe),
        ("/dev/zero", pipe),
        ("to-pipe.csv", pipe),
        ("a.csv", "is a symbolic link that leads back to itself"),
        ("own.csv", "is a symbolic link that leads back to itself"),
        ("dangling.csv", "does not exist; check the path"),
        ("missing.csv", "does not exist; check the path"),
        ("folder.csv/inner.csv", "does not exist; check the path"),
        ("nowhere/", "does not exist; check the path"),
    ] {
        folder.refuses(&[name], says);
        // A good file beside it does not help.
        fs::write(folder.path("good.csv"), file(Format::Csv)).unwrap();
        folder.refuses(&["good.csv", name], says);
    }
    fs::write(folder.path("secret.csv"), file(Format::Csv)).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    fs::set_permissions(folder.path("secret.csv"), closed).unwrap();
    // The superuser reads everything.
    if File::open(folder.path("secret.csv")).is_err() {
        folder.refuses(&["secret.csv"], "may not be read by this user; change its permissions");
    }
}

#[test]
fn patterns_that_no_shell_expanded() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("logs/deep")).unwrap();
    for (place, name) in
        ["logs/b.csv", "logs/a.csv.gz", "logs/deep/c.csv", ".d.csv"].iter().enumerate()
    {
        let row = Format::Csv.row(&good(place), "");
        let packing = if name.contains("gz") { Packing::Gzip } else { Packing::Plain };
        fs::write(folder.path(name), packing.pack(&Format::Csv.file(&[row], "\n").0)).unwrap();
    }
    folder.applies(&["logs/*.csv*"], None, 2, 0);
    folder.applies(&["l?gs/*/*.csv"], None, 1, 0);
    folder.applies(&["logs/?.csv", "logs/*/c.*"], None, 2, 0);
    fs::remove_dir_all(folder.path("s")).unwrap();
    folder.refuses(&["*.csv"], "*.csv matches no file; check the pattern");
    folder.refuses(&["logs/*.tsv"], "logs/*.tsv matches no file; check the pattern");
    folder.refuses(&["logs/*"], "is a folder; name the files in it");
}

#[test]
fn standard_input_is_read_in_every_text_format() {
    let folder = Folder::new();
    for format in Format::ALL {
        for packing in Packing::ALL {
            let input = packing.pack(&file(format));
            folder.applies(&["-", "--format", format.suffix()], Some(input), N_GOOD as u64, 0);
        }
    }
    let mut wrong = file(Format::Csv);
    wrong.extend_from_slice(b"x\n");
    let at = wrong.len() - 2;
    folder.applies(&["-", "--format", "csv"], Some(wrong), N_GOOD as u64, 1);
    let reject = fs::read_to_string(folder.path("s.rejects/events.jsonl")).unwrap();
    assert!(
        reject.contains(&format!("\"byte\":{at}")) && reject.contains("\"line\":6"),
        "{reject}"
    );
    fs::remove_dir_all(folder.path("s")).unwrap();
    folder.refuses(&["-"], "standard input has no name to tell its format; give --format");
    folder.refuses(&["-", "--format", "parquet"], "Parquet cannot be read from standard input");
    folder.refuses(&["-", "-", "--format", "csv"], "standard input can be read only once");
    folder
        .refuses(&["-", "--format", "csv", "--items", "-"], "standard input can be read only once");
    // Items likewise.
    let items = b"[{\"id\":\"i1\"},\n{\"id\":\"\"}]".to_vec();
    let answer =
        folder.load(&["/dev/null", "--items", "-", "--format", "json"], Some(items.clone()));
    assert_eq!(answer.code, Some(1), "{}", answer.err);
    fs::write(folder.path("none"), "").unwrap();
    let answer = folder.load(&["none", "--items", "-", "--format", "json"], Some(items));
    assert_eq!(answer.code, Some(3), "{}", answer.err);
    assert!(answer.err.contains("refused - line 2: `id` is missing"), "{}", answer.err);
}

/// Gigabytes that are small on disk.
fn bomb(to: &mut dyn Write, unit: &[u8], times: usize) {
    let block = unit.repeat((1 << 20) / unit.len());
    for _ in 0..times {
        to.write_all(&block).unwrap();
    }
}

fn gzip(folder: &Folder, name: &str, write: impl Fn(&mut dyn Write)) {
    let file = File::create(folder.path(name)).unwrap();
    let mut to = flate2::write::GzEncoder::new(BufWriter::new(file), flate2::Compression::fast());
    write(&mut to);
    to.finish().unwrap().flush().unwrap();
}

fn zstd(folder: &Folder, name: &str, write: impl Fn(&mut dyn Write)) {
    let file = File::create(folder.path(name)).unwrap();
    let mut to = zstd::Encoder::new(BufWriter::new(file), 1).unwrap();
    write(&mut to);
    to.finish().unwrap().flush().unwrap();
}

#[test]
fn a_line_of_a_gigabyte_is_one_refused_row_in_bounded_memory() {
    let folder = Folder::new();
    let row = |format: Format, number| format.row(&good(number), "");
    // A gigabyte of one letter, between two good rows.
    gzip(&folder, "line.csv.gz", |to| {
        to.write_all(&[Format::Csv.header(), row(Format::Csv, 0), Vec::new()].join(&b'\n'))
            .unwrap();
        bomb(to, b"x", 1024);
        to.write_all(b"\n").unwrap();
        to.write_all(&row(Format::Csv, 1)).unwrap();
    });
    let answer = folder.applies(&["line.csv.gz"], None, 2, 1);
    let says = "the row has more than 16777216 bytes (1073741824)";
    assert!(answer.err.contains("line 3: ") && answer.err.contains(says), "{}", answer.err);
    // A text in JSON that goes on for a gigabyte.
    zstd(&folder, "line.jsonl.zst", |to| {
        to.write_all(&[row(Format::Jsonl, 0), b"{\"text\":\"".to_vec()].join(&b'\n')).unwrap();
        bomb(to, b"x", 1024);
        to.write_all(b"\"}\n").unwrap();
        to.write_all(&row(Format::Jsonl, 1)).unwrap();
    });
    folder.applies(&["line.jsonl.zst"], None, 2, 1);
    // An array that opens and opens.
    gzip(&folder, "open.json.gz", |to| {
        to.write_all(b"[").unwrap();
        bomb(to, b"[", 512);
    });
    let answer = folder.load(&["open.json.gz"], None);
    assert_eq!(answer.code, Some(1), "{}", answer.err);
    assert!(answer.err.contains("the array is never closed"), "{}", answer.err);
    answer.check_memory(&["open.json.gz"]);
    // Nothing but lines.
    zstd(&folder, "lines.tsv.zst", |to| {
        to.write_all(&[Format::Tsv.header(), row(Format::Tsv, 0)].join(&b'\n')).unwrap();
        bomb(to, b"\n", 256);
    });
    folder.applies(&["lines.tsv.zst"], None, 1, 0);
}

#[test]
fn rows_that_are_large_one_by_one_are_taken_in_bounded_memory() {
    let folder = Folder::new();
    // Forty reviews of 8 MB each, which no batch may hold together.
    let texts = |to: &mut dyn Write, n_rows: usize| {
        to.write_all(&Format::Csv.header()).unwrap();
        for number in 0..n_rows {
            to.write_all(b"\n").unwrap();
            to.write_all(&Format::Csv.row(&good(number), "")).unwrap();
            bomb(to, b"great sound. ", 8);
        }
    };
    zstd(&folder, "texts.csv.zst", |to| texts(to, 40));
    folder.applies(&["texts.csv.zst", "--bulk", "never"], None, 40, 0);
    folder.applies(&["texts.csv.zst", "--bulk", "always"], None, 40, 0);
    // Rows of many small values.
    zstd(&folder, "values.jsonl.zst", |to| {
        for _ in 0..4 {
            to.write_all(b"{\"text\":[0").unwrap();
            bomb(to, b",0", 15);
            to.write_all(b"]}\n").unwrap();
        }
        for _ in 0..4 {
            to.write_all(b"{\"a\":1").unwrap();
            bomb(to, b",\"a\":{}", 15);
            to.write_all(b"}\n").unwrap();
        }
        to.write_all(&Format::Jsonl.row(&good(0), "")).unwrap();
    });
    folder.applies(&["values.jsonl.zst"], None, 1, 8);
    // A million separators in each row.
    zstd(&folder, "fields.csv.zst", |to| {
        to.write_all(&Format::Csv.header()).unwrap();
        for _ in 0..8 {
            to.write_all(b"\n").unwrap();
            bomb(to, b",", 15);
        }
    });
    folder.applies(&["fields.csv.zst"], None, 0, 8);
}

/// A Parquet file of `n_rows` rows whose texts are these.
fn parquet(folder: &Folder, name: &str, n_rows: usize, texts: &ArrayRef) {
    let columns = COLUMNS.into_iter().enumerate().map(|(place, name)| {
        let cells = (0..n_rows).map(|row| good(row)[place].clone());
        let column: ArrayRef = match name {
            "value" => {
                Arc::new(cells.map(|cell| cell.parse::<f64>().ok()).collect::<Float64Array>())
            }
            "text" => Arc::clone(texts),
            _ => Arc::new(cells.map(Some).collect::<StringArray>()),
        };
        (name.to_owned(), column)
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
        .set_dictionary_page_size_limit(64 << 20)
        .set_write_batch_size(1)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let file = File::create(folder.path(name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    assert!(fs::metadata(folder.path(name)).unwrap().len() < 1 << 20);
}

#[test]
fn parquet_that_unpacks_to_gigabytes_is_held_in_bounded_memory() {
    let folder = Folder::new();
    let dictionary = |n_rows: usize, text: String| -> ArrayRef {
        let values = Arc::new(StringArray::from(vec![text]));
        let keys = arrow_array::Int32Array::from(vec![0; n_rows]);
        Arc::new(DictionaryArray::try_new(keys, values).unwrap())
    };
    // One text of 17 MB, which is over the limit, and 2,000 rows that point to it: 34 GB as copies.
    parquet(&folder, "many.parquet", 2_000, &dictionary(2_000, "x".repeat(17 << 20)));
    let answer = folder.load(&["many.parquet", "--max-errors", "5"], None);
    assert_eq!(answer.code, Some(4), "{}", answer.err);
    let says = "`text` has 17825792 bytes; the limit is 16777216";
    assert!(answer.err.contains(says), "{}", answer.err);
    answer.check_memory(&["many.parquet"]);
    // A page of 300 MB, which is refused before it is unpacked.
    parquet(&folder, "page.parquet", 2, &dictionary(2, "x".repeat(300 << 20)));
    let answer = folder.load(&["page.parquet"], None);
    assert_eq!(answer.code, Some(1), "{}", answer.err);
    assert!(answer.err.contains("write the file anew with smaller pages"), "{}", answer.err);
    answer.check_memory(&["page.parquet"]);
    // Sixty texts of 4 MB, each of its own: no batch holds them all.
    let texts = (0..60).map(|row| Some(format!("{row}{}", "x".repeat(4 << 20))));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    parquet(&folder, "large.parquet", 60, &texts);
    folder.applies(&["large.parquet"], None, 60, 0);
}
