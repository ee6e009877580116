//! Labelled text from other formats.

use crate::program::{Folder, tiny};

#[test]
fn marked_text_becomes_labels() {
    let folder = Folder::new();
    folder.put(
        "m.txt",
        "# ours\nThe {case|aspect:a} is {sturdy|opinion:b}. ## a>b positive\nFine.\n",
    );
    folder.prints(
        "convert --from marked --input m.txt --dest labels.jsonl",
        "texts      2\nentities   2\n  aspect: 1\n  opinion: 1\nrelations  1\n  positive: 1",
    );
    let labels = folder.read("labels.jsonl");
    let expected = "{\"text\":\"The case is sturdy.\",\"entities\":[{\"start\":4,\"end\":8,\"type\":\
                    \"aspect\"},{\"start\":12,\"end\":18,\"type\":\"opinion\"}],\"relations\":[{\"head\":0,\
                    \"tail\":1,\"type\":\"positive\"}]}\n{\"text\":\"Fine.\",\"entities\":[],\"relations\":[]}\n";
    assert_eq!(labels, expected);
}

#[test]
fn a_catalogue_becomes_labels() {
    let folder = Folder::new();
    let items = tiny("items.jsonl");
    let line = format!("convert --from catalogue --input {} --dest l.jsonl", items.display());
    let summary = folder.json(&format!("{line} --output json"));
    let n_lines = folder.read("l.jsonl").lines().count();
    assert_eq!(summary["texts"], n_lines);
    assert!(folder.read("l.jsonl").lines().all(|line| line.ends_with("\"complete\":false}")));
    assert!(summary["entities"]["brand"].as_u64() >= Some(5), "{summary}");
    folder.put("schema.toml", "x");
    folder.refuses(&format!("{line} --schema schema.toml"), 1, "the schema cannot be read");
}

#[test]
fn bad_input_is_refused_and_leaves_nothing() {
    let folder = Folder::new();
    folder.put("m.txt", "{a|x}\n{b|\n");
    let line = "convert --from marked --input m.txt --dest l.jsonl";
    folder.refuses(line, 1, "m.txt line 2: column 1: `{` is not closed");
    folder.put("b.txt", b"a O\n\xff O\n");
    folder.refuses(
        "convert --from conll --input b.txt --dest l.jsonl",
        1,
        "b.txt line 2: not UTF-8; convert the file to UTF-8",
    );
    folder.refuses("convert --from conll --input no.txt --dest l.jsonl", 1, "no.txt");
    assert!(!folder.path("l.jsonl").exists());
    folder.put("m.txt", "fine\n");
    folder.refuses(
        "convert --from marked --input m.txt --dest ./m.txt",
        1,
        "m.txt would be written over itself",
    );
    folder.refuses("convert --from marked --input m.txt --dest no/l.jsonl", 1, "check the path");
    let answer = folder.check("convert --from nosuch --input m.txt --dest l.jsonl", 2);
    assert!(answer.err.contains("conll04"), "{}", answer.err);
}
