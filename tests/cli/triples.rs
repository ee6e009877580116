//! What a graph lacks, told from what it has.

use std::fmt::Write;

use serde_json::Value;

use crate::program::Folder;

/// Families of four: who is whose parent, child, spouse and sibling. Of every fifth family a marriage is
/// to be found, of the next one a marriage is laid aside.
fn families(folder: &Folder) {
    let [mut train, mut valid, mut test] = [const { String::new() }; 3];
    for family in 0..30 {
        for (parent, child) in [("ann", "cid"), ("ann", "dot"), ("bob", "cid"), ("bob", "dot")] {
            writeln!(train, "{parent}{family}\tparent of\t{child}{family}").unwrap();
            writeln!(train, "{child}{family}\tchild of\t{parent}{family}").unwrap();
        }
        writeln!(train, "cid{family}\tsibling of\tdot{family}").unwrap();
        writeln!(train, "bob{family}\tmarried to\tann{family}").unwrap();
        let file = match family % 5 {
            0 => &mut test,
            1 => &mut valid,
            _ => &mut train,
        };
        writeln!(file, "ann{family}\tmarried to\tbob{family}").unwrap();
    }
    folder.put("train.txt", train);
    folder.put("valid.txt", valid);
    folder.put("test.txt", test);
}

/// An answer without what differs from run to run.
fn untimed(mut answer: Value) -> Value {
    for name in ["fit_wall_s", "fit_cpu_s", "rank_cpu_s", "peak_mib"] {
        assert!(answer[name].take().is_number() || !cfg!(target_os = "linux"), "{name}");
    }
    answer
}

#[test]
fn every_model_finds_the_marriages() {
    let folder = Folder::new();
    families(&folder);
    let files = "--train train.txt --valid valid.txt --test test.txt";
    for model in ["best", "rules", "complex", "distmult", "rotate", "transe"] {
        let params = match model {
            "best" | "rules" => "",
            _ => "--param epochs=100 --param batch=64",
        };
        let found = folder.json(&format!(
            "evaluate triples {files} --model {model} {params} --dim 16 --output json"
        ));
        assert_eq!((&found["n_test"], &found["n_cases"]), (&6.into(), &12.into()));
        assert_eq!((&found["entities"], &found["tail"]["n_cases"]), (&120.into(), &6.into()));
        // One of 120 by chance: an MRR of .045.
        assert!(found["mrr"].as_f64() > Some(0.3), "{model}: {found}");
        assert_eq!(found["relations"]["married to"]["n_cases"], 12, "{model}");
    }
}

#[test]
fn threads_change_no_figure() {
    let folder = Folder::new();
    families(&folder);
    let evaluate = "evaluate triples --train train.txt --valid valid.txt --test test.txt --dim 8";
    for model in ["best", "rotate"] {
        let on = |threads: usize| {
            let arguments = format!("{evaluate} --model {model} --threads {threads} --output json");
            untimed(folder.json(&arguments))
        };
        assert_eq!(on(1), on(3), "{model}");
    }
}

#[test]
fn rules_say_why() {
    let folder = Folder::new();
    families(&folder);
    let found = folder.json(
        "evaluate triples --train train.txt --test test.txt --model rules --explain 1 --output json",
    );
    let explained = &found["explained"][0];
    assert_eq!(explained["triple"], "ann0 married to bob0");
    let reasons: Vec<&str> =
        explained["reasons"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(reasons[0].ends_with("path parent of cid0 child of bob0"), "{reasons:?}");
}

#[test]
fn rows_of_triples_are_written_and_threads_change_no_byte() {
    let folder = Folder::new();
    families(&folder);
    for model in ["complex", "rotate"] {
        let train = |files: &str, rest: &str| {
            format!("train embedding {files} train.txt --model {model} --dim 8 --seed 3 {rest}")
        };
        let trained = folder.json(&train("--triples", "--threads 1 --dest one --output json"));
        assert_eq!((&trained["entities"], &trained["relations"]), (&120.into(), &4.into()));
        // `--edges` names the file as well, to a model that learns triples.
        folder.check(&train("--edges", "--threads 3 --dest two"), 0);
        for file in ["embedding.bin", "relations.bin"] {
            let bytes = |dest: &str| std::fs::read(folder.path(dest).join(file)).unwrap();
            assert!(bytes("one") == bytes("two"), "{model} {file}");
        }
    }
    folder.put("labels.txt", (0..30).fold(String::new(), |lines, family| {
        format!("{lines}ann{family} grown\nbob{family} grown\ncid{family} young\ndot{family} young\n")
    }));
    let scores =
        folder.json("evaluate embedding --embedding one --labels labels.txt --output json");
    assert_eq!((&scores["nodes"], &scores["without_row"]), (&120.into(), &0.into()));
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = Folder::new();
    families(&folder);
    folder.put("pairs.txt", "a b\n");
    folder.put("gap.txt", "a\t\tb\n");
    folder.put("empty.txt", "\n");
    let refused = |arguments: &str, says: &str| {
        let error = folder.check(arguments, 1).err;
        assert!(error.contains(says), "{arguments}: {error}");
    };
    let evaluate = |rest: &str| format!("evaluate triples --test test.txt {rest}");
    refused(&evaluate("--train pairs.txt --model rules"), "pairs.txt line 1");
    refused(&evaluate("--train gap.txt --model rules"), "a field is empty");
    refused(&evaluate("--train empty.txt --model rules"), "empty.txt has no triples");
    refused(&evaluate("--train none.txt --model rules"), "none.txt cannot be read");
    refused(&evaluate("--train train.txt --valid valid.txt --among rules,x"), "unknown model `x`");
    refused(&evaluate("--train train.txt --model transh"), "known: rules, complex");
    refused(&evaluate("--train train.txt --model complex --dim 5"), "even number");
    refused(&evaluate("--train train.txt --model complex --param depth=1"), "no parameter `depth`");
    let best = evaluate("--train train.txt --valid valid.txt --param epochs=1");
    refused(&best, "leave --param out");
    folder.check(&evaluate("--train train.txt --model best"), 2);
    let train = |rest: &str| format!("train embedding --dest rows {rest}");
    refused(&train("--triples train.txt --model rules"), "no rows to write");
    refused(&train("--triples train.txt --model prone"), "known: rules, complex");
    refused(&train("--edges pairs.txt --model complex"), "pairs.txt line 1");
    folder.check(&train("--triples train.txt --edges train.txt"), 2);
    assert!(!folder.path("rows").exists());
}
