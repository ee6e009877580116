//! Files checked, and their columns guessed, before anything is loaded.

use serde_json::Value;

use crate::program::{Folder, tiny, tiny_files};

/// The refused rows of a folder, in the order of their texts.
fn rejects(folder: &Folder, of: &str) -> Vec<String> {
    let text = folder.read(&format!("{of}/events.jsonl"));
    let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
    rows.sort();
    rows
}

#[test]
fn a_dry_run_refuses_what_a_load_refuses() {
    let folder = Folder::new();
    let rows = std::fs::read(tiny("bad.csv")).unwrap();
    let header = rows.split(|&byte| byte == b'\n').next().unwrap();
    let header = std::str::from_utf8(header).unwrap();
    let good = "good,ann,p1,item,viewed,2025-01-01T00:00:00Z,,,";
    assert_eq!(header.split(',').count(), good.split(',').count());
    // The id once more, with the same content and with other.
    let other = good.replace("p1", "p2");
    folder.put("more.csv", format!("{header}\n{good}\n{good}\n{other}\n"));
    folder.put("bad.csv", &rows);
    folder.put("items.jsonl", "{\"id\":\"a\"}\n{\"id\":\"\"}\n{\n");
    let files = "--items items.jsonl --events bad.csv more.csv --output json";
    let validated = folder.check(&format!("validate {files} --rejects dry"), 3);
    let validated: Value = serde_json::from_str(&validated.out).unwrap();
    for bulk in ["never", "always"] {
        let load = format!("load {files} --store {bulk} --extractor off --bulk {bulk}");
        let loaded: Value = serde_json::from_str(&folder.check(&load, 3).out).unwrap();
        for what in ["items", "events"] {
            assert_eq!(validated[what]["read"], loaded[what]["read"]);
            assert_eq!(validated[what]["valid"], loaded[what]["applied"]);
            assert_eq!(validated[what]["repeated"], loaded[what]["unchanged"]);
            assert_eq!(validated[what]["rejected"], loaded[what]["rejected"]);
        }
        assert_eq!(validated["rejected_by_class"], loaded["rejected_by_class"]);
        assert_eq!(rejects(&folder, "dry"), rejects(&folder, &format!("{bulk}.rejects")));
        let items = folder.read(&format!("{bulk}.rejects/items.jsonl"));
        assert_eq!(folder.read("dry/items.jsonl"), items);
    }
    // The other one is in `bad.csv`.
    assert_eq!(validated["rejected_by_class"]["duplicate"], 2);
    assert_eq!(validated["events"]["repeated"], 1);
    // The same exit codes, and no store.
    folder.refuses(&format!("validate {files} --max-errors 3"), 4, "more than 3 rows were refused");
    let of_class = format!("validate {files} --max-errors-of field=1");
    folder.refuses(&of_class, 4, "more than 1 rows of class `field` were refused");
    folder.check(&format!("validate {} --rejects none", tiny_files()), 0);
    assert!(!folder.path("none").exists());
    folder.refuses("validate --events no.csv", 1, "no.csv does not exist");
}

#[test]
fn a_guessed_mapping_loads_as_it_is() {
    let folder = Folder::new();
    folder.put(
        "ratings.csv",
        "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,1029,3.0,1260759179\n",
    );
    let mapping = folder.check("infer ratings.csv", 0).out;
    assert!(mapping.contains("action = \"rated\"  # the value is a mark"), "{mapping}");
    folder.put("ratings.toml", mapping);
    folder.check("validate --events ratings.csv --mapping ratings.toml", 0);
    let load = "load --store s --events ratings.csv --mapping ratings.toml --extractor off";
    folder.check(load, 0);
    let events = folder.json("stats --store s --output json")["events"].clone();
    assert_eq!(events, serde_json::json!({"rated": 2}));
    // What cannot be loaded yet is written all the same, and told.
    folder.put("strange.csv", "a,b\n1,2\n");
    let answer = folder.check("infer strange.csv", 1);
    assert!(answer.out.contains("# user = \"\"  # not found"), "{}", answer.out);
    assert!(answer.err.contains("no column was found for user, target, at"), "{}", answer.err);
    folder.refuses("infer no.csv", 1, "no.csv does not exist");
}
