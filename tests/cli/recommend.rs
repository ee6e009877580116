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
