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
    for model in
        ["deepwalk --param epochs=20", "node2vec --param epochs=20", "prone", "ials", "bpr"]
    {
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

/// A day's event as a line of the columns that `load` knows.
fn event(number: usize, user: &str, item: &str) -> String {
    format!("e{number},{user},bought,{item},2025-01-{:02}T00:00:00Z\n", 1 + number % 28)
}

/// A store of two groups of people, each with tastes of its own.
fn tastes(folder: &Folder) {
    let mut events = "event_id,user,action,target,at\n".to_owned();
    let mut number = 0;
    for user in 0..30 {
        for item in 0..8 {
            if (user * 5 + item * 3) % 4 != 0 {
                let group = if user % 2 == 0 { "tea" } else { "car" };
                events.push_str(&event(number, &format!("u{user}"), &format!("{group}{item}")));
                number += 1;
            }
        }
    }
    folder.put("events.csv", events);
    folder.check("load --store store --events events.csv --extractor off", 0);
}

#[test]
fn a_store_keeps_versions_and_answers_by_the_last() {
    let folder = Folder::new();
    tastes(&folder);
    folder.prints(
        "embedding versions --store store",
        "none yet: `predilect train embedding --store` keeps one",
    );
    folder.refuses("embedding drift --store store", 1, "keeps 0 versions");
    folder.refuses("embedding drift --store store --from 1 --to 2", 1, "known: none");
    let train = "train embedding --store store --dim 16 --param epochs=20 --output json";
    folder.refuses(&format!("{train} --warm-start"), 1, "keeps no version");
    let kept = &folder.json(&format!("{train} --seed 3"))["kept"];
    assert_eq!((&kept["version"], &kept["model"]), (&1.into(), &"node2vec".into()));
    assert_eq!((&kept["nodes"], &kept["seed"]), (&46.into(), &3.into()));
    folder.refuses(&format!("{train} --warm-start --dim 8"), 2, "cannot be used multiple times");
    let other = "train embedding --store store --dim 8 --warm-start";
    folder.refuses(other, 1, "version 1 has 16 numbers a row");
    let warm = &folder.json(&format!("{train} --seed 4 --warm-start"))["kept"];
    assert_eq!((&warm["version"], &warm["warm_start"]), (&2.into(), &1.into()));
    folder.json(&format!("{train} --seed 4"));
    let versions = folder.json("embedding versions --store store --output json");
    assert_eq!(versions.as_array().unwrap().len(), 3);
    assert_eq!(versions[1]["snapshot"], versions[0]["snapshot"]);
    // A warm start drifts less than a cold one.
    let cosine = |to: u32| {
        let line = format!("embedding drift --store store --from 1 --to {to} --k 2 --output json");
        let answer = folder.json(&line);
        assert_eq!(answer["drift"]["n_shared"], 46);
        assert_eq!(answer["drift"]["most_moved"].as_array().unwrap().len(), 2);
        answer["drift"]["mean_cosine"].as_f64().unwrap()
    };
    assert!(cosine(2) > cosine(3) && cosine(2) > 0.9, "{} {}", cosine(2), cosine(3));
    assert!(folder.check("embedding drift --store store", 0).out.contains("from version 2 to 3"));
    let similar = "query similar --store store --from item:tea1 --method embedding --k 5";
    let similar = folder.json(&format!("{similar} --output json"));
    let near = similar.as_array().unwrap();
    assert_eq!(near.len(), 5);
    assert!(near.iter().all(|node| node["id"].as_str().unwrap().starts_with("tea")), "{similar}");
    let answer =
        folder.json("query recommend --store store --user u0 --method embedding --output json");
    let first = &answer["recommendations"][0];
    assert!(first["item"].as_str().unwrap().starts_with("tea"), "{answer}");
    let parts: f64 = first["contributions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["value"].as_f64().unwrap())
        .sum();
    assert!((parts - first["score"].as_f64().unwrap()).abs() < 1e-9);
}

#[test]
fn who_came_after_the_training_has_a_row_at_once() {
    let folder = Folder::new();
    tastes(&folder);
    folder.check("train embedding --store store --dim 16 --param epochs=20 --seed 3", 0);
    folder.refuses("embedding row --store store --node user:new", 1, "unknown user `new`");
    let events = "event_id,user,action,target,at\n".to_owned()
        + &event(1_000, "new", "tea0")
        + &event(1_001, "new", "tea1")
        + &event(1_002, "odd", "odd");
    folder.put("more.csv", events);
    folder.check("load --store store --events more.csv --extractor off", 0);
    let row = folder.json("embedding row --store store --node user:new --output json");
    assert_eq!((&row["inductive"], &row["version"]), (&true.into(), &1.into()));
    assert_eq!(row["values"].as_array().unwrap().len(), 16);
    let known = folder.json("embedding row --store store --node user:u1 --output json");
    assert_eq!(known["inductive"], false);
    folder.refuses("embedding row --store store --node user:odd", 1, "train anew");
    let line = "query similar --store store --from user:new --method embedding --k 3 --output json";
    let similar = folder.json(line);
    let is_even = |node: &serde_json::Value| {
        node["id"].as_str().unwrap()[1..].parse::<u32>().unwrap() % 2 == 0
    };
    assert!(similar.as_array().unwrap().iter().all(is_even), "{similar}");
    let line = "query recommend --store store --user new --method embedding --k 3 --output json";
    let answer = folder.json(line);
    let items = answer["recommendations"].as_array().unwrap();
    assert!(
        items.len() == 3
            && items.iter().all(|item| item["item"].as_str().unwrap().starts_with("tea"))
    );
}

#[test]
fn a_killed_training_goes_on_to_the_same_bytes() {
    let folder = Folder::new();
    groups(&folder);
    let train =
        "train embedding --edges edges.txt --dim 32 --param epochs=150 --seed 3 --threads 1";
    folder.check(&format!("{train} --dest unbroken"), 0);
    let ended = format!("{train} --checkpoint steps --checkpoint-every 2 --dest ended");
    let mut running = folder.command(&ended).spawn().unwrap();
    // It is killed as soon as it has written something down, or later.
    while !folder.path("steps/embedding.steps").exists() {
        assert!(running.try_wait().unwrap().is_none(), "it ended before it wrote anything down");
        std::thread::yield_now();
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(!folder.path("ended/embedding.bin").exists(), "it was killed before its end");
    folder.refuses(
        &format!("{ended} --seed 4 --resume").replace("--seed 3 ", ""),
        1,
        "of another training",
    );
    folder.check(&format!("{ended} --resume"), 0);
    let bytes = |dest: &str| std::fs::read(folder.path(dest).join("embedding.bin")).unwrap();
    assert!(bytes("unbroken") == bytes("ended"));
    assert!(!folder.path("steps/embedding.steps").exists(), "nothing is left");
    let prone = "train embedding --edges edges.txt --model prone --checkpoint steps --dest rows";
    folder.refuses(prone, 1, "these do: deepwalk, node2vec");
}
