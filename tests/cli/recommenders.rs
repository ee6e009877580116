//! Measuring recommenders by the protocols of published tables, and choosing one for a store.

use serde_json::Value;

use crate::program::Folder;

/// Users of two groups: each does the items of its group in an order of its own, the last one last.
fn sequences() -> Vec<(usize, Vec<usize>)> {
    let items =
        |user: usize| (0..6).map(move |at| user % 2 * 8 + (user / 2 + at * 3) % 8).collect();
    (0..40).map(|user| (user, items(user))).collect()
}

fn line(user: usize, items: &[usize]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("{user} {}\n", items.join(" "))
}

/// Lists to fit to and to find, and the same as sequences.
fn files(folder: &Folder) {
    let all = sequences();
    let part = |of: fn(&[usize]) -> &[usize]| -> String {
        all.iter().map(|(user, items)| line(*user, of(items))).collect()
    };
    folder.put("train.txt", part(|items| &items[..5]));
    folder.put("test.txt", part(|items| &items[5..]));
    folder.put("sequences.txt", part(|items| items));
}

const SPLIT: &str = "evaluate recommend --protocol split --train train.txt --test test.txt --k 3";

fn recall(answer: &Value) -> f64 {
    answer["recall"].as_f64().unwrap()
}

#[test]
fn a_split_is_measured_with_floors_beside_it() {
    let folder = Folder::new();
    files(&folder);
    let answer = folder.json(&format!("{SPLIT} --method ease --output json"));
    for name in [
        "recall",
        "precision",
        "hr",
        "ndcg",
        "ndcg_uncut",
        "map",
        "mrr",
        "coverage",
        "novelty",
        "fit_cpu_s",
        "users_per_cpu_s",
        "explained",
    ] {
        assert!(answer[name].is_number(), "{name}: {answer}");
    }
    assert!(answer["within"]["recall"].is_number() && answer["params"]["l2"].is_number());
    // An item of the other group would be wrong; three are left of one's own.
    assert_eq!(recall(&answer), 1.0, "{answer}");
    assert!(answer["explained"].as_f64() > Some(0.999), "{answer}");
    let beside: Vec<&str> = answer["beside"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["method"].as_str().unwrap())
        .collect();
    assert_eq!(beside, ["popular", "item_cosine", "rp3beta"]);
    assert!(recall(&answer["beside"][0]) < 1.0, "{answer}");
}

#[test]
fn every_method_answers_the_same_on_any_number_of_threads() {
    let folder = Folder::new();
    files(&folder);
    let figures = |method: &str, threads: &str| {
        let line = format!("{SPLIT} --method {method} --beside none --output json --seed 5");
        let output = folder.command(&line).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(output.status.success(), "{method}: {}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        ["recall", "ndcg", "coverage", "params"].map(|name| answer[name].clone())
    };
    let applying = predilect::model::MODELS.iter().map(|entry| entry.name).filter(|name| {
        let line = format!("{SPLIT} --method {name} --beside none");
        folder.command(&line).output().unwrap().status.success()
    });
    let methods: Vec<&str> = applying.chain(["best"]).collect();
    assert!(methods.len() > 5, "{methods:?}");
    for method in methods {
        assert_eq!(figures(method, "1"), figures(method, "3"), "{method}");
    }
}

#[test]
fn a_last_item_is_found_and_packed_files_are_read() {
    let folder = Folder::new();
    files(&folder);
    let leave = "evaluate recommend --protocol leave-one-out --k 3 --method rp3beta --beside none --output json";
    let plain = folder.json(&format!("{leave} --sequences sequences.txt"));
    assert_eq!((plain["n_cases"].as_u64(), recall(&plain)), (Some(40), 1.0));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, folder.read("sequences.txt").as_bytes()).unwrap();
    folder.put("sequences.txt.gz", packed.finish().unwrap());
    let packed = folder.json(&format!("{leave} --sequences sequences.txt.gz"));
    assert_eq!(packed["ndcg"], plain["ndcg"]);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let folder = Folder::new();
    files(&folder);
    folder.put("empty.txt", "");
    let refuses =
        |line: &str, expected| folder.refuses(&format!("evaluate recommend {line}"), 1, expected);
    refuses("--protocol split --train train.txt", "--test");
    refuses("--protocol split --train train.txt --test empty.txt", "no case");
    refuses("--protocol split --train none.txt --test test.txt", "none.txt");
    refuses(
        "--protocol split --train train.txt --test test.txt --method mystery",
        "known: popular",
    );
    refuses(
        "--protocol split --train train.txt --test test.txt --method ease --param size=3",
        "it has: l2",
    );
    refuses("--protocol split --train train.txt --test test.txt --k 0", "--k");
}

/// Sixty users of two towns who did three items of their town's ten, one of which is to be found, and one
/// that everybody did; friends live in one town.
fn towns(folder: &Folder) {
    let (mut train, mut test, mut friends) = (String::new(), String::new(), String::new());
    for user in 0..60 {
        let item = |at: usize| user % 2 * 10 + (user / 2 + at * 3) % 10;
        train += &format!("u{user}\tall\nu{user}\t{}\n", item(0));
        test += &format!("u{user}\t{}\nu{user}\t{}\n", item(1), item(2));
        for step in [2, 8, 14] {
            friends += &format!("u{user}\tu{}\n", (user + step) % 60);
        }
    }
    folder.put("towns.tsv", train);
    folder.put("found.tsv", test);
    folder.put("friends.tsv", friends);
}

const TOWNS: &str = "evaluate recommend --protocol split --train towns.tsv --test found.tsv --k 5";

#[test]
fn friends_make_a_ranking_among_drawn_items_better() {
    let folder = Folder::new();
    towns(&folder);
    let line = format!("{TOWNS} --friends friends.tsv --negatives 12 --draws 2 --output json");
    for method in ["best --among friends,popular", "social"] {
        let answer = folder.json(&format!("{line} --method {method} --beside popular"));
        assert_eq!(answer["n_cases"], 120, "{answer}");
        assert!(answer["recall_capped"].is_number(), "{answer}");
        let without = &answer["beside"][0];
        assert_eq!(without["method"], "without friends");
        let (with, without) = (answer["ndcg"].as_f64(), without["ndcg"].as_f64());
        assert!(with.unwrap() > without.unwrap() + 0.05, "{method}: {answer}");
    }
}

#[test]
fn friends_and_negatives_that_cannot_be_used_are_refused() {
    let folder = Folder::new();
    towns(&folder);
    folder.put("alone.tsv", "u1\n");
    folder.put("strangers.tsv", "x\ty\n");
    let refuses = |line: &str, expected| folder.refuses(&format!("{TOWNS} {line}"), 1, expected);
    refuses("--friends none.tsv", "none.tsv");
    refuses("--friends alone.tsv", "line 1: expected a user and a friend");
    refuses("--friends strangers.tsv", "names two users");
    refuses("--method friends", "--friends");
    refuses("--negatives 0", "--negatives");
    folder.put("given.tsv", "u1\t3\t4 5 6\n");
    let given = TOWNS.replace("found.tsv", "given.tsv");
    folder.refuses(&format!("{given} --negatives 5"), 1, "leave `--negatives` out");
}

#[test]
fn a_store_gets_a_recommender_and_answers_by_it() {
    let folder = Folder::new();
    let mut events = String::from("event_id,user,target,action,at\n");
    for (user, items) in sequences() {
        for (at, item) in items.iter().enumerate() {
            let millis = 1_700_000_000_000_u64 + (at * 40 + user) as u64 * 3_600_000;
            events.push_str(&format!("e{user}-{at},u{user},i{item},bought,{millis}\n"));
        }
    }
    folder.put("events.csv", events);
    folder.check("load --store store --events events.csv --extractor off", 0);
    let temporal = folder.json(
        "evaluate recommend --protocol temporal --store store --method ease --k 3 --beside popular --output json",
    );
    assert_eq!(recall(&temporal), 1.0, "{temporal}");
    assert!(temporal["n_cases"].as_u64() > Some(10), "{temporal}");
    let trained = folder.json("train recommender --store store --k 3 --output json");
    let recipe = trained["recipe"].as_array().unwrap();
    assert!(!recipe.is_empty() && recipe[0]["method"].is_string(), "{trained}");
    assert!(folder.path("store/recommender.json").is_file());
    let answer =
        folder.json("query recommend --store store --method fitted --user u0 --output json");
    let results = answer["recommendations"].as_array().unwrap_or_else(|| panic!("{answer}"));
    for result in results.iter().take(2) {
        let item: usize = result["item"].as_str().unwrap()[1..].parse().unwrap();
        assert!(item < 8, "{result}");
        let parts = result["contributions"].as_array().unwrap();
        let sum: f64 = parts.iter().map(|part| part["value"].as_f64().unwrap()).sum();
        assert!((sum - result["score"].as_f64().unwrap()).abs() < 1e-6, "{result}");
    }
    folder.put("store/recommender.json", "[{\"method\": 3}]");
    folder.refuses("query recommend --store store --user u0", 1, "train recommender");
}
