//! `predilect bench`: what it measures is right, however long it took.

use std::fs::File;
use std::sync::Arc;

use arrow_array::{Float32Array, RecordBatch, UInt8Array, UInt32Array};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::program::Folder;

#[test]
fn bench_measures_the_encoder() {
    let folder = Folder::new();
    std::fs::write(folder.path("titles.txt"), "green tea\nhiking boots, brown\n\n").unwrap();
    std::fs::write(folder.path("empty.txt"), "").unwrap();
    let vectors = |dest: &str| -> Vec<Vec<f32>> {
        let lines = std::fs::read_to_string(folder.path(dest)).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let bench = "bench extract --input titles.txt --threads 2 --rounds 2 --output json";
    let report = folder.json(&format!("{bench} --dest full.jsonl"));
    assert_eq!(report["rounds"].as_array().unwrap().len(), 2);
    assert_eq!((&report["titles"], &report["tokens"]), (&3.into(), &12.into()));
    assert_eq!((&report["precision"], &report["threads"]), (&"f32".into(), &2.into()));
    folder.json(&format!("{bench} --dest order.jsonl --buckets off --batch 2"));
    assert_eq!(vectors("full.jsonl"), vectors("order.jsonl"));
    let report = folder.json(&format!("{bench} --dest bytes.jsonl --precision int8"));
    assert_eq!(report["precision"], "int8");
    for (full, bytes) in vectors("full.jsonl").iter().zip(vectors("bytes.jsonl")) {
        let cosine: f32 = full.iter().zip(bytes).map(|(a, b)| a * b).sum();
        assert!(cosine > 0.99 && cosine < 0.999_999, "{cosine}");
    }
    assert!(folder.check("bench extract --input empty.txt", 1).err.contains("has no texts"));
    assert!(folder.check("bench extract --input none.txt", 1).err.contains("cannot be read"));
    folder.check("bench extract --input titles.txt --precision int4", 2);
    folder.check("bench extract --input titles.txt --threads 0", 2);
}

/// Users 0, 1 and 2, items 3 and 4, and the entity 5.
const EDGES: &str = "\
src,dst,rel,weight,ts
2,4,0,1.5,1600000000
0,3,0,1,1600000000
1,3,0,1,1600000060
1,4,0,2,1600000000
4,5,1,1,1600000000
";

/// The lines of a benchmark, of each the task and the check.
fn checks(folder: &Folder, line: &str) -> Vec<(String, u64)> {
    let out = folder.check(&format!("bench {line} --output json"), 0).out;
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let checks = lines.map(|line| {
        assert!(line["rate"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["wall_s"].as_f64().unwrap() > 0.0, "{line}");
        (line["task"].as_str().unwrap().to_owned(), line["check"].as_u64().unwrap())
    });
    checks.collect()
}

#[test]
fn bench_builds_and_walks_graphs() {
    let folder = Folder::new();
    folder.put("edges.csv", EDGES);
    folder.put("queries.txt", "0\n4\n");
    let named = |task: &str, check| (task.to_owned(), check);
    let csr = checks(&folder, "csr --edges edges.csv --rounds 2");
    assert_eq!(csr, [named("csr", 5), named("csr", 5)]);
    for threads in [1, 2, 9] {
        // Around 0 are 3 and 1; around 4 are 1, 2, 5 and 3.
        let line = format!("khop --edges edges.csv --queries queries.txt --threads {threads}");
        assert_eq!(checks(&folder, &line), [named("khop2", 6), named("khop2cap", 6)]);
        let line = format!("ppr --edges edges.csv --queries queries.txt --threads {threads}");
        assert_eq!(checks(&folder, &line), [(); 4].map(|()| named("ppr", 12)));
    }
    for walk in ["walk --edges edges.csv --length 7", "walk --edges edges.csv --p 0.5 --q 2"] {
        let one = checks(&folder, walk);
        assert_eq!(one, checks(&folder, &format!("{walk} --threads 2")));
        assert_ne!(one, checks(&folder, &format!("{walk} --seed 2")));
    }
    assert_eq!(checks(&folder, "load --edges edges.csv --store loaded"), [named("load", 5)]);
    folder.refuses("bench load --edges edges.csv --store loaded", 1, "is there already");
    let text = folder.check("bench csr --edges edges.csv", 0).out;
    assert_eq!(text.lines().filter(|line| line.starts_with("csr ")).count(), 3, "{text}");
}

#[test]
fn bench_finds_the_nearest_rows() {
    let folder = Folder::new();
    let near = "nearest --rows 900 --lookups 20 --dim 12 --k 5 --effort 900,6";
    let found = checks(&folder, near);
    let tasks: Vec<&str> = found.iter().map(|(task, _)| task.as_str()).collect();
    assert_eq!(tasks, ["all", "all_together", "link", "linked", "linked"]);
    // All ways find the same, if the walk may go wherever links lead.
    assert_eq!((found[0].1, found[0].1), (found[1].1, found[3].1));
    assert_eq!(checks(&folder, near), found);
    let row = |values: &[f32]| -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    };
    let put = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path(name), bytes).unwrap();
    put("rows.f32", row(&[1.0, 0.0, 3.0, 4.0, 0.0, 2.0]));
    put("asked.f32", row(&[0.0, 9.0]));
    let files = "nearest --vectors rows.f32 --queries asked.f32 --dim 2 --k 1 --effort 3";
    // The place of the third row.
    assert_eq!(checks(&folder, files)[0], ("all".to_owned(), 2));
    folder.refuses(&format!("bench {files} --dim 4"), 2, "--dim");
    put("asked.f32", row(&[0.0, 9.0, 1.0]));
    folder.refuses(&format!("bench {files}"), 1, "not whole rows of 2");
    put("asked.f32", row(&[0.0, f32::NAN]));
    folder.refuses(&format!("bench {files}"), 1, "no finite numbers");
    put("asked.f32", Vec::new());
    folder.refuses(&format!("bench {files}"), 1, "at least one row");
}

#[test]
fn bench_reads_edges_from_parquet() {
    let folder = Folder::new();
    let sources = UInt32Array::from(vec![2, 0, 1, 1, 4]);
    let targets = UInt32Array::from(vec![4, 3, 3, 4, 5]);
    let batch = RecordBatch::try_from_iter([
        ("src", Arc::new(sources) as _),
        ("dst", Arc::new(targets) as _),
        ("rel", Arc::new(UInt8Array::from(vec![0, 0, 0, 0, 1])) as _),
        ("weight", Arc::new(Float32Array::from(vec![1.0; 5])) as _),
        ("ts", Arc::new(UInt32Array::from(vec![1_600_000_000; 5])) as _),
    ])
    .unwrap();
    let file = File::create(folder.path("edges.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    folder.put("edges.csv", EDGES);
    let walk = |file| checks(&folder, &format!("walk --edges {file}"));
    assert_eq!(walk("edges.parquet"), walk("edges.csv"));
}

#[test]
fn bench_refuses_edges_that_are_none() {
    let folder = Folder::new();
    let refuses = |edges: &str, expected: &str| {
        folder.put("bad.csv", edges);
        folder.refuses("bench csr --edges bad.csv", 1, expected);
    };
    refuses("", "has no edges");
    refuses("src,dst,rel,weight,ts\n", "has no edges");
    refuses("src,dst\n1,2\n", "missing field `rel`");
    refuses("src,dst,rel,weight,ts\n1,x,0,1,1\n", "line: 2");
    refuses("src,dst,rel,weight,ts\n1,2,0,1,-5\n", "`ts` -5 is no time");
    refuses("src,dst,rel,weight,ts\n1,2,0,1,1\n1,2,0,3,9\n", "is given twice");
    folder.refuses("bench csr --edges none.parquet", 1, "none.parquet cannot be read");
    folder.refuses("bench csr --edges edges.txt", 1, "neither .parquet nor .csv");
    folder.put("edges.csv", EDGES);
    folder.put("queries.txt", "0\n9\n");
    let ask = "bench khop --edges edges.csv --queries queries.txt";
    folder.refuses(ask, 1, "queries.txt line 2: the graph has 6 nodes");
    folder.put("queries.txt", "");
    folder.refuses(ask, 1, "has no queries");
    folder.check("bench walk --edges edges.csv --walks 0", 2);
    folder.refuses("bench walk --edges edges.csv --p 0", 1, "p is 0");
    folder.refuses("bench walk --edges edges.csv --length 1", 1, "two nodes or more");
}

#[test]
fn generated_graphs_can_be_walked() {
    let folder = Folder::new();
    let make = |seed, dest: &str| {
        let sizes = "--users 200 --items 50 --entities 20 --events 2000";
        folder.json(&format!("generate {sizes} --seed {seed} --dest {dest} --output json"))
    };
    let counts = make(7, "g");
    assert_eq!(counts["nodes"], 270);
    let n = |name: &str| counts[name].as_u64().unwrap();
    assert!((1000..=2000).contains(&n("user_item")), "{counts}");
    assert!((50..=350).contains(&n("item_entity")), "{counts}");
    assert_eq!(make(7, "again"), counts);
    let bytes = |dest: &str, name| std::fs::read(folder.path(dest).join(name)).unwrap();
    for name in ["edges.parquet", "queries.txt"] {
        assert_eq!(bytes("g", name), bytes("again", name));
    }
    make(8, "other");
    assert_ne!(bytes("g", "edges.parquet"), bytes("other", "edges.parquet"));
    // Each pair is there once, or the graph would be refused.
    let edges = n("user_item") + n("item_entity");
    let csr = checks(&folder, "csr --edges g/edges.parquet --rounds 1");
    assert_eq!(csr, [("csr".to_owned(), edges)]);
    let khop = checks(&folder, "khop --edges g/edges.parquet --queries g/queries.txt");
    assert!(khop[0].1 > khop[1].1 && khop[1].1 > 0, "{khop:?}");
    folder.check("generate --users 1 --items 1 --entities 0 --events 1 --dest d", 2);
    let many = "generate --users 4000000000 --items 300000000 --entities 1 --events 1 --dest d";
    folder.refuses(many, 1, "are more than");
}
