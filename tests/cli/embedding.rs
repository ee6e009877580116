//! Rows of numbers for nodes: trained, and measured by labels.

use crate::program::Folder;

/// Two groups of which all know each other, joined by one edge; as pairs, and who is in which group.
fn groups(folder: &Folder) {
    let (mut edges, mut labels) = ("a0 b0\n".to_owned(), String::new());
    for group in ["a", "b"] {
        for one in 0..30 {
            labels.push_str(&format!("{group}{one} {group}\n"));
            for other in 0..one {
                edges.push_str(&format!("{group}{one} {group}{other}\n"));
            }
        }
    }
    folder.put("edges.txt", edges);
    folder.put("labels.txt", labels);
}

#[test]
fn rows_tell_labels_and_threads_change_no_byte() {
    let folder = Folder::new();
    groups(&folder);
    for model in ["deepwalk --param epochs=20", "node2vec --param epochs=20", "prone"] {
        let train = format!("train embedding --edges edges.txt --model {model} --dim 16 --seed 3");
        let trained = folder.json(&format!("{train} --threads 1 --dest one --output json"));
        assert_eq!((&trained["nodes"], &trained["edges"]), (&60.into(), &871.into()));
        folder.check(&format!("{train} --threads 2 --dest two"), 0);
        let bytes = |dest: &str| std::fs::read(folder.path(dest).join("embedding.bin")).unwrap();
        assert!(bytes("one") == bytes("two"), "{model}");
        let evaluate = "evaluate embedding --embedding one --labels labels.txt --output json";
        let scores = folder.json(evaluate);
        assert!(scores["macro_f1"].as_f64() > Some(0.9), "{model}: {scores}");
        assert_eq!((&scores["nodes"], &scores["labels"]), (&60.into(), &2.into()));
    }
}

#[test]
fn the_formats_of_edges_say_the_same() {
    let folder = Folder::new();
    folder.put("pairs.txt", "a b\nb c\na c\na b\n");
    folder.put("lists.txt", "a b c\n\nb c\n");
    folder.put("triples.txt", "a\tis near\tb\nb\tis near\tc\na\tis near\tc\n");
    for (file, format) in [("pairs", "pairs"), ("lists", "adjacency"), ("triples", "triples")] {
        let train = format!(
            "train embedding --edges {file}.txt --format {format} --model prone --dim 2 --dest \
             {file} --output json"
        );
        let trained = folder.json(&train);
        assert_eq!((&trained["nodes"], &trained["edges"]), (&3.into(), &3.into()), "{format}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = Folder::new();
    groups(&folder);
    folder.put("three.txt", "a b c\n");
    folder.put("strangers.txt", "x one\ny two\n");
    folder.put("empty.txt", "\n");
    let refused = |arguments: &str, says: &str| {
        let error = folder.check(arguments, 1).err;
        assert!(error.contains(says), "{arguments}: {error}");
    };
    let train = |rest: &str| format!("train embedding --dest rows {rest}");
    refused(&train("--edges three.txt"), "three.txt line 1");
    refused(&train("--edges three.txt"), "--format");
    refused(&train("--edges empty.txt"), "no edges");
    refused(&train("--edges none.txt"), "none.txt cannot be read");
    refused(&train("--edges edges.txt --model word2vec"), "known: deepwalk, node2vec, prone");
    refused(&train("--edges edges.txt --dim 0"), "dim is 0");
    refused(&train("--edges edges.txt --param window=0"), "window is 0");
    refused(&train("--edges edges.txt --param depth=1"), "has no parameter `depth`");
    folder.check(&train("--seed 1"), 2);
    folder.check(&train("--edges edges.txt --model prone --dim 8"), 0);
    let evaluate = |rest: &str| format!("evaluate embedding --embedding rows {rest}");
    refused(&evaluate("--labels strangers.txt"), "too few");
    refused(&evaluate("--labels labels.txt --train-share 1"), "--train-share");
    folder.put("rows/embedding.bin", "predilect embed\u{1} and something else");
    refused(&evaluate("--labels labels.txt"), "damaged");
}
