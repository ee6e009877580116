//! `--select`: files of any columns become events by SQL.

use std::io::Write;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::program::Folder;

/// What makes events of the ratings below, whatever format they come in.
const RATINGS: &str = "\
    SELECT concat('r', ratingId) AS event_id, userId AS user, movieId AS target, 'rated' AS action,
           CAST(timestamp AS BIGINT) * 1000 AS at, CAST(rating AS DOUBLE) * 2 AS value
    FROM input WHERE CAST(rating AS DOUBLE) > 1";

/// Rating, user, film, stars, seconds since 1970.
type Rating = (i64, String, String, f64, i64);

fn ratings() -> Vec<Rating> {
    let rating = |n: i64| {
        // Zeros in front must stay, and a name may hold what separates cells.
        let (user, film) = (format!("{:04}", n * 7 % 23), format!("tt{}, {}\"x\"", n % 17, n % 3));
        (n, user, film, (1 + n % 10) as f64 / 2.0, 1_700_000_000 + n * 3600)
    };
    (0..20_000).map(rating).collect()
}

fn separated(ratings: &[Rating], separator: char) -> String {
    let columns = ["ratingId", "userId", "movieId", "rating", "timestamp", "note"];
    let mut file = columns.join(&separator.to_string()) + "\n";
    for (id, user, film, stars, at) in ratings {
        let film = format!("\"{}\"", film.replace('"', "\"\""));
        let cells = [id.to_string(), user.clone(), film, stars.to_string(), at.to_string()];
        file += &(cells.join(&separator.to_string()) + &format!("{separator}not read\n"));
    }
    file
}

fn objects(ratings: &[Rating]) -> Vec<Value> {
    let object = |(id, user, film, stars, at): &Rating| {
        json!({"ratingId": id, "userId": user, "movieId": film, "rating": stars, "timestamp": at,
               "tags": ["not", "read"], "more": {"not": "read"}})
    };
    ratings.iter().map(object).collect()
}

fn canonical(ratings: &[Rating]) -> String {
    let mut file = String::from("event_id,user,target,action,at,value\n");
    for (id, user, film, stars, at) in ratings.iter().filter(|rating| rating.3 > 1.0) {
        let film = film.replace('"', "\"\"");
        file += &format!("r{id},{user},\"{film}\",rated,{},{}\n", at * 1000, stars * 2.0);
    }
    file
}

fn write_parquet(path: &Path, ratings: &[Rating]) {
    fn column<T>(ratings: &[Rating], cell: impl Fn(&Rating) -> T) -> Vec<T> {
        ratings.iter().map(cell).collect()
    }
    let columns: [(&str, ArrayRef); 6] = [
        ("note", Arc::new(StringArray::from(column(ratings, |_| "not read")))),
        ("timestamp", Arc::new(Int64Array::from(column(ratings, |rating| rating.4)))),
        ("ratingId", Arc::new(Int64Array::from(column(ratings, |rating| rating.0)))),
        ("userId", Arc::new(StringArray::from(column(ratings, |rating| rating.1.clone())))),
        ("rating", Arc::new(Float64Array::from(column(ratings, |rating| rating.3)))),
        ("movieId", Arc::new(StringArray::from(column(ratings, |rating| rating.2.clone())))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

/// Runs a command with `--select`; what it wrote.
fn run(folder: &Folder, line: &str, select: &str, code: i32) -> (String, String) {
    let Output { status, stdout, stderr } =
        folder.command(line).args(["--select", select]).output().unwrap();
    let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(code), "predilect {line} --select {select}\n{out}{err}");
    assert!(!err.contains("panicked"), "{err}");
    (out, err)
}

fn load(folder: &Folder, store: &str, file: &str, select: &str, code: i32) -> Value {
    let line =
        format!("load --store {store} --events {file} --extractor off --output json --bulk never");
    serde_json::from_str(&run(folder, &line, select, code).0).unwrap()
}

fn content_hash(folder: &Folder, store: &str) -> Value {
    folder.check(&format!("verify --store {store}"), 0);
    folder.json(&format!("stats --store {store} --output json"))["content_hash"].clone()
}

/// How many rows were refused.
fn rejected(report: &Value) -> u64 {
    report["events"]["rejected"].as_u64().unwrap()
}

#[test]
fn every_format_becomes_the_events_that_the_query_says() {
    let (folder, ratings) = (Folder::new(), ratings());
    folder.put("canonical.csv", canonical(&ratings));
    folder.check("load --store expected --events canonical.csv --extractor off", 0);
    let expected = content_hash(&folder, "expected");
    let csv = separated(&ratings, ',');
    let lines: String = objects(&ratings).iter().map(|object| format!("{object}\n")).collect();
    folder.put("1.csv", &csv);
    folder.put("2.csv.gz", gzip(&csv));
    folder.put("3.tsv", separated(&ratings, '\t'));
    folder.put("4.jsonl.zst", zstd::encode_all(lines.as_bytes(), 1).unwrap());
    folder.put("5.json", Value::from(objects(&ratings)).to_string());
    write_parquet(&folder.path("6.parquet"), &ratings);
    for file in ["1.csv", "2.csv.gz", "3.tsv", "4.jsonl.zst", "5.json", "6.parquet"] {
        let store = format!("of-{file}");
        let report = load(&folder, &store, file, RATINGS, 0);
        assert_eq!((report["events"]["read"].as_u64(), rejected(&report)), (Some(16_000), 0));
        assert_eq!(content_hash(&folder, &store), expected, "{file}");
    }
    // Taken in at once it is the same, and so are many files, each a table of its own.
    let line = "load --store bulk --events ?.* --extractor off --bulk always --jobs 2";
    run(&folder, line, RATINGS, 0);
    assert_eq!(content_hash(&folder, "bulk"), expected);
    // A load of the same rows changes nothing; of other SQL it reads the file again.
    let line = "load --store bulk --events 1.csv --extractor off --load-id more --output json";
    let again = |more: &str, select: &str| {
        let out = run(&folder, &format!("{line}{more}"), select, 0).0;
        let report: Value = serde_json::from_str(&out).unwrap();
        (report["events"]["read"].clone(), report["events"]["applied"].clone())
    };
    assert_eq!(again("", RATINGS), (json!(16_000), json!(0)));
    let one_more = RATINGS.replace("> 1", "< 1");
    assert_eq!(again(" --resume", &one_more), (json!(2_000), json!(2_000)));
}

#[test]
fn numbers_that_are_too_large_for_integers_are_not_rounded() {
    let folder = Folder::new();
    folder.put(
        "a.jsonl",
        "{\"id\":18446744073709551615,\"n\":1}\n{\"id\":7,\"n\":2.5}\n{\"n\":null,\"id\":\"x\"}\n",
    );
    let select =
        "SELECT concat('e', id) AS event_id, id AS user, 'i' AS target, 'viewed' AS action,
                  1000 AS at FROM input";
    load(&folder, "store", "a.jsonl", select, 0);
    let users = "event_id,user,target,action,at\ne18446744073709551615,18446744073709551615,i,viewed,1000\n\
                 e7,7,i,viewed,1000\nex,x,i,viewed,1000\n";
    folder.put("same.csv", users);
    folder.check("load --store same --events same.csv --extractor off", 0);
    assert_eq!(content_hash(&folder, "store"), content_hash(&folder, "same"));
}

#[test]
fn rows_are_refused_by_their_line_in_the_file_or_their_number_in_the_result() {
    let folder = Folder::new();
    folder.put(
        "a.csv",
        "who,what,how\nu1,i1,viewed\nu2,i2\nu3,i3,skipped\nu4,i4,viewed\n,i5,viewed\n",
    );
    let select = "SELECT concat(who, what) AS event_id, who AS user, what AS target, how AS action,
                  '2025-01-01T00:00:00Z' AS at FROM input";
    let report = load(&folder, "store", "a.csv", select, 3);
    assert_eq!((report["events"]["applied"].as_u64(), rejected(&report)), (Some(2), 3));
    let rejects = folder.read("store.rejects/events.jsonl");
    let told: Vec<_> = rejects
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let why = row["_reject"].clone();
            (why["line"].as_u64(), why["class"].as_str().unwrap().to_owned(), row["target"].clone())
        })
        .collect();
    let expected = [
        (Some(3), "syntax".to_owned(), Value::Null),
        (Some(2), "field".to_owned(), json!("i3")),
        (Some(4), "field".to_owned(), json!("i5")),
    ];
    assert_eq!(told, expected, "{rejects}");
    // The same file twice in a query: its rows are refused once.
    let joined = "SELECT concat(one.who, other.what) AS event_id, one.who AS user, other.what AS target,
                  'viewed' AS action, 1 AS at FROM input AS one JOIN input AS other ON one.how = other.how
                  WHERE one.who IS NOT NULL";
    let report = load(&folder, "joined", "a.csv", joined, 3);
    assert_eq!((report["events"]["applied"].as_u64(), rejected(&report)), (Some(7), 1));
    let out = run(&folder, "validate --events a.csv --output json --rejects r", select, 3).0;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(rejected(&report), 3, "{report}");
}

#[test]
fn a_mapping_and_functions_of_sql_work_on_the_result() {
    let folder = Folder::new();
    folder.put("a.tsv", "line\tday\nu1:i1|u1:i2\t2025-01-03\nu2:i1\t2025-01-04\n");
    folder.put(
        "m.toml",
        "[columns]\nuser = \"who\"\ntarget = \"what\"\nat = \"day\"\n[constants]\naction = \"viewed\"\n",
    );
    let select =
        "SELECT split_part(pair, ':', 1) AS who, split_part(pair, ':', 2) AS what, time AS day
                  FROM (SELECT unnest(string_to_array(line, '|')) AS pair,
                        to_timestamp(day) AS time FROM input) ORDER BY time";
    let line = "load --store store --events a.tsv --mapping m.toml --extractor off";
    run(&folder, line, select, 0);
    folder.put(
        "same.csv",
        "who,what,day\nu1,i1,1735862400000\nu1,i2,1735862400000\nu2,i1,1735948800000\n",
    );
    folder.check("load --store same --events same.csv --mapping m.toml --extractor off", 0);
    assert_eq!(content_hash(&folder, "store"), content_hash(&folder, "same"));
}

#[test]
fn rows_that_memory_does_not_hold_are_sorted_on_disk() {
    let (folder, ratings) = (Folder::new(), ratings());
    folder.put("a.csv", separated(&ratings, ','));
    let sorted = format!("{RATINGS} ORDER BY movieId, ratingId");
    let line = "load --events a.csv --extractor off --store";
    run(&folder, &format!("{line} large"), &sorted, 0);
    run(&folder, &format!("{line} small --max-memory 2MB"), &sorted, 0);
    assert_eq!(content_hash(&folder, "small"), content_hash(&folder, "large"));
}

#[test]
fn what_cannot_shape_rows_says_what_to_do() {
    let folder = Folder::new();
    folder.put("a.csv", "who,what,at\nu1,i1,soon\n");
    folder.put("twice.csv", "who,who\nu1,i1\n");
    let event = |at: &str| {
        format!(
            "SELECT who AS event_id, who AS user, what AS target, 'viewed' AS action, {at} AS at FROM input"
        )
    };
    let long = format!("SELECT {} FROM input", "(".repeat(20_000));
    for (file, select, says) in [
        ("a.csv", "SELEC who FROM input", "SELEC"),
        ("a.csv", "SELECT nothing FROM input", "who"),
        ("a.csv", "SELECT who FROM elsewhere", "elsewhere"),
        ("a.csv", "SELECT who FROM 'a.csv'", "a.csv"),
        ("a.csv", "SELECT who AS event_id FROM input", "no column `user`"),
        ("a.csv", "SELECT who AS event_id, who AS other FROM input", "no column `user`"),
        ("a.csv", &event("true"), "cast it to a timestamp"),
        ("a.csv", &event("CAST(at AS BIGINT)"), "TRY_CAST"),
        ("a.csv", &event("random()"), "random"),
        ("a.csv", &event("now()"), "now"),
        ("a.csv", "COPY (SELECT who FROM input) TO 'out.csv'", "not supported"),
        ("a.csv", "CREATE TABLE more AS SELECT who FROM input", "not supported"),
        ("a.csv", "INSERT INTO input VALUES ('a', 'b', 'c')", "--select"),
        ("a.csv", "SELECT 1; SELECT 2", "--select"),
        ("a.csv", "", "--select"),
        ("a.csv", &long, "--select"),
        ("twice.csv", "SELECT 1 FROM input", "column `who` is there twice"),
    ] {
        let line = format!("load --store store --events {file} --extractor off");
        let (out, err) = run(&folder, &line, select, 1);
        assert!(out.is_empty() && err.lines().count() == 1, "{select}: {out}{err}");
        assert!(err.contains(says), "{select}: {err}");
    }
    assert!(!folder.path("out.csv").exists());
    let line = "load --store new --events - --format csv --extractor off";
    let (_, err) = run(&folder, line, "SELECT who FROM input", 1);
    assert!(err.contains("save it to a file") && !folder.path("new").exists(), "{err}");
    folder.put("cut.csv.gz", &gzip(&separated(&ratings(), ','))[..5000]);
    let line = "load --store store --events cut.csv.gz --extractor off";
    let (_, err) = run(&folder, line, RATINGS, 1);
    assert!(err.contains("cut.csv.gz at byte 5000"), "{err}");
    let stats = folder.json("stats --store store --output json");
    assert_eq!((&stats["events"], &stats["nodes"]), (&json!({}), &json!({})));
}
