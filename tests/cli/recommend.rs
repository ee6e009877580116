//! Recommendations under rules, what was shown, replay, and questions about everybody.

use std::fs;

use serde_json::Value;

use crate::program::Folder;

fn items(answer: &Value) -> Vec<&str> {
    let found = answer["recommendations"].as_array().unwrap();
    found.iter().map(|found| found["item"].as_str().unwrap()).collect()
}

#[test]
fn rules_are_told_beside_the_answer() {
    let folder = Folder::with_store();
    let ask = "query recommend --store store --user alice --output json";
    let plain = folder.json(ask);
    let filtered = folder.json(&format!("{ask} --filter NOT(brand:salomon)"));
    assert!(items(&plain).contains(&"boots-quest-4"));
    assert!(!items(&filtered).contains(&"boots-quest-4"));
    assert_eq!(filtered["effects"][1]["rule"], "filter");
    assert_eq!(filtered["effects"][1]["dropped"], 1);
    assert_eq!(plain.get("recommendation_id"), None);
    let error = "filter: unknown field `brnd`; known: kind, id, label";
    folder.refuses(&format!("{ask} --filter brnd=x"), 1, error);
    folder.refuses(&format!("{ask} --diversity 2"), 1, "diversity is 2; give a number from 0 to 1");
    let shown = format!("{ask} --experiment spring --arm b:1:popular");
    assert_eq!(folder.json(&shown)["arm"], "spring/b");
}

#[test]
fn what_was_shown_is_capped_and_replayed() {
    let folder = Folder::with_store();
    let ask = "query recommend --store store --user alice --k 2 --cap 1 --shown --output json";
    let first = folder.json(ask);
    let second = folder.json(ask);
    assert_eq!(items(&first).len(), 2);
    assert!(items(&second).iter().all(|item| !items(&first).contains(item)));
    folder.check("query recommend --store store --user ben --k 2 --shown", 0);
    assert!(folder.check("verify --store store", 0).out.starts_with("whole: "));
    let found = folder.json("replay --store store --output json");
    assert_eq!(
        (&found["all"]["requests"], &found["all"]["logged"]["value"]),
        (&3.into(), &0.0.into())
    );
    // The same by files, with a reward for the first item of the first answer.
    let days: Vec<_> = fs::read_dir(folder.path("store/served")).unwrap().collect();
    let log: Vec<String> =
        days.into_iter().map(|day| fs::read_to_string(day.unwrap().path()).unwrap()).collect();
    folder.put("log.jsonl", log.concat());
    let (id, item) = (&first["recommendation_id"], items(&first)[0]);
    let reward = format!("{{\"recommendation_id\": {id}, \"id\": \"{item}\", \"reward\": 1}}\n");
    folder.put("rewards.jsonl", reward);
    let found = folder.json("replay --log log.jsonl --rewards rewards.jsonl --output json");
    let value = found["all"]["ips"]["value"].as_f64().unwrap();
    assert!((value - 0.5 / 3.0).abs() < 1e-12, "{found:#}");
    let text = folder.check("replay --log log.jsonl --rewards rewards.jsonl", 0).out;
    assert!(text.starts_with("all: 3 answers, "), "{text}");
    folder.put("rewards.jsonl", "{}\n");
    folder.refuses("replay --log log.jsonl --rewards rewards.jsonl", 1, "rewards.jsonl: line 1");
}

#[test]
fn questions_about_everybody_are_answered() {
    let folder = Folder::with_store();
    let line = "query rank --store store --user alice --candidates item:boots-quest-4 item:x";
    let found = folder.json(&format!("{line} --output json"));
    assert_eq!(found["missing_ids"], serde_json::json!(["x"]));
    assert_eq!(found["results"][0]["item"], "boots-quest-4");
    let line = "query frequently-with --store store --items item:云尚2 --min-users 1";
    let found = folder.json(&format!("{line} --output json"));
    assert!(
        found["results"].as_array().unwrap().iter().any(|found| found["id"] == "kettle-titanium")
    );
    assert!(folder.check(line, 0).out.contains("who have 云尚2"));
    let line = "query trending --store store --window-days 14";
    let found = folder.json(&format!("{line} --output json"));
    assert_eq!((&found[0]["id"], &found[0]["events"]), (&"boots-quest-4".into(), &1.into()));
    assert!(folder.check(line, 0).out.contains("1 events, 0 in the time before"));
    let line = "query audience --store store --of entity:brand:sony";
    let found = folder.json(&format!("{line} --output json"));
    let users: Vec<_> =
        found["members"].as_array().unwrap().iter().map(|member| &member["user"]).collect();
    assert!(users.contains(&&Value::from("zoë")) && users.contains(&&Value::from("alice")));
    assert_eq!(found["reach"], users.len());
    folder.refuses("query audience --store store --of item:x", 1, "unknown item `x`");
}

#[test]
fn a_session_without_a_user_is_answered_by_its_items() {
    let folder = Folder::with_store();
    let hash = folder.json("stats --store store --output json")["content_hash"].clone();
    let ask = "query recommend --store store --output json --method item_item";
    let found = folder.json(&format!("{ask} --items wh-1000xm5,nothing"));
    assert_eq!((found.get("user"), found.get("fallback")), (None, None));
    assert_eq!(found["missing_ids"], serde_json::json!(["nothing"]));
    let first = &found["recommendations"][0];
    assert_eq!(first["because"][0]["target"], "wh-1000xm5", "{found:#}");
    let part = &first["contributions"][0];
    assert_eq!((&part["event_id"], &part["action"]), (&"session#1".into(), &"viewed".into()));
    assert_eq!(part["target"], "wh-1000xm5");
    assert!(!items(&found).contains(&"wh-1000xm5"));
    // Another item more speaks for more, and what it brings is its own.
    let both = folder.json(&format!("{ask} --items wh-1000xm5 云尚2"));
    assert!(
        items(&both).contains(&"kettle-titanium") && !items(&found).contains(&"kettle-titanium")
    );
    let masked = folder.json(&format!("{ask} --items wh-1000xm5,云尚2 --mask session#2"));
    assert_eq!(items(&masked).len(), items(&found).len());
    assert!(
        (masked["recommendations"][0]["score"].as_f64().unwrap()
            - first["score"].as_f64().unwrap())
        .abs()
            < 1e-6,
        "but for a millisecond's decay"
    );
    // A stronger action speaks louder; with a user, the session comes on top.
    let bought = folder.json(&format!("{ask} --items wh-1000xm5 --items-action bought"));
    let score = |found: &Value| found["recommendations"][0]["score"].as_f64().unwrap();
    assert!(score(&bought) > score(&found));
    let user = folder.json(&format!("{ask} --user zoë --items wh-1000xm5"));
    let events: Vec<&str> = user["recommendations"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|found| found["contributions"].as_array().unwrap())
        .filter_map(|part| part["event_id"].as_str())
        .collect();
    assert!(
        events.contains(&"session#1") && events.iter().any(|id| id.starts_with("tiny-")),
        "{user:#}"
    );
    // Every recommender takes a session.
    for method in ["blend", "ppr", "embedding"] {
        let line = format!(
            "query recommend --store store --items wh-1000xm5 --method {method} --output json"
        );
        assert!(!items(&folder.json(&line)).is_empty(), "{method}");
    }
    let text = folder.check("query recommend --store store --items wh-1000xm5", 0).out;
    assert!(text.starts_with("For the session, as of ") && text.contains("Because of "), "{text}");
    folder.refuses(&format!("{ask} --items wh-1000xm5 --cap 1"), 1, "cap goes by the user");
    let arms = "--experiment spring --arm b:1:popular";
    folder.refuses(&format!("{ask} --items wh-1000xm5 {arms}"), 1, "experiment goes by the user");
    let line = format!("{ask} --items wh-1000xm5 --items-action flown");
    folder.refuses(&line, 1, "event 1 of the session: unknown action `flown`");
    folder.check("query recommend --store store", 2);
    // Nothing of a session is stored.
    assert_eq!(folder.json("stats --store store --output json")["content_hash"], hash);
}

#[test]
fn who_is_not_known_is_shown_what_everybody_cares_for_and_why() {
    let folder = Folder::with_store();
    let popular =
        folder.json("query recommend --store store --user frank --method popular --output json");
    for (asked, fallback) in [
        ("--user nobody", "UNKNOWN_USER"),
        ("--user nobody --items nothing", "UNKNOWN_ITEMS"),
        ("--items nothing,neither", "UNKNOWN_ITEMS"),
    ] {
        let found = folder.json(&format!("query recommend --store store {asked} --output json"));
        assert_eq!(found["fallback"], fallback, "{asked}");
        assert_eq!(found["method"], "popular");
        assert!(items(&popular).iter().all(|item| items(&found).contains(item)), "{asked}");
    }
    let text = folder.check("query recommend --store store --user nobody", 0).out;
    assert!(text.contains("nobody is known by this id") && text.contains("Many people"), "{text}");
}

#[test]
fn rules_are_listed_and_bounded() {
    let folder = Folder::new();
    // Nine people have tea and cups, one of them a kettle, and one has cups alone; in two sittings each.
    let mut events = "event_id,user,action,target,at\n".to_owned();
    for user in 0..10 {
        let mut act = |item: &str, hour: i32| {
            events.push_str(&format!(
                "{user}{item},u{user},bought,{item},2025-01-01T{hour:02}:00:00Z\n"
            ));
        };
        act("cups", 9);
        if user < 9 {
            act("tea", if user < 6 { 9 } else { 15 });
        }
        if user < 1 {
            act("kettle", 9);
        }
    }
    folder.put("events.csv", events);
    folder.check("load --store store --events events.csv --extractor off", 0);
    let rules = |rest: &str| -> Vec<(String, String, u64, u64)> {
        let line = format!("query rules --store store --output json {rest}");
        let found = folder.json(&line);
        let text = |node: &Value| node["id"].as_str().unwrap().to_owned();
        let rule = |rule: &Value| {
            let held: Vec<String> =
                rule["antecedent"].as_array().unwrap().iter().map(text).collect();
            let counts = (rule["count"].as_u64().unwrap(), rule["of"].as_u64().unwrap());
            (held.join("+"), text(&rule["consequent"]), counts.0, counts.1)
        };
        found["rules"].as_array().unwrap().iter().map(rule).collect()
    };
    let of = |all: &[(String, String, u64, u64)], from: &str, to: &str| {
        let rule = all.iter().find(|rule| rule.0 == from && rule.1 == to);
        rule.map(|(_, _, count, of)| (*count, *of))
    };
    let users = rules("--min-lift 0");
    assert_eq!(of(&users, "cups", "tea"), Some((9, 10)));
    assert_eq!(of(&users, "tea", "cups"), Some((9, 9)));
    assert_eq!(of(&users, "cups+kettle", "tea"), Some((1, 1)));
    assert_eq!(of(&rules("--min-lift 0 --min-support 0.2"), "cups+kettle", "tea"), None);
    assert_eq!(of(&rules("--min-lift 0 --max-items 2"), "cups+kettle", "tea"), None);
    assert_eq!(of(&rules("--min-lift 1.05"), "cups", "tea"), None);
    assert_eq!(of(&rules("--min-confidence 0.95 --min-lift 0"), "cups", "tea"), None);
    // Three have their tea in another sitting.
    let sessions = rules("--min-lift 0 --baskets session --gap-minutes 60");
    assert_eq!(of(&sessions, "cups", "tea"), Some((6, 10)));
    let sessions = rules("--min-lift 0 --baskets session --gap-minutes 600");
    assert_eq!(of(&sessions, "cups", "tea"), Some((9, 10)));
    let text = folder.check("query rules --store store --min-support 0.5 --min-lift 0", 0).out;
    assert!(text.starts_with("2 rules of 10 baskets\n"), "{text}");
    assert!(
        text.contains("  cups -> tea: 9 of 10 (90 %), 1.0 times as likely as anybody"),
        "{text}"
    );
    folder.refuses("query rules --store store --min-support 0", 1, "min_support is 0");
    folder.refuses("query rules --store store --max-items 1", 1, "max_items is 1");
}
