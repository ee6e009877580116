//! What was shown is known, whatever was torn and however old it is.

use super::super::Pruned;
use super::*;

fn record(id: &str, user: &str, day: i64, items: &[&str]) -> ServedRecord {
    let item = |id: &&str| ServedItem {
        kind: "item".to_owned(),
        id: (*id).to_owned(),
        score: 0.5,
        propensity: 0.9,
        instead_of: None,
    };
    ServedRecord {
        id: id.to_owned(),
        at: Timestamp::from_millis(day * DAY_MS + 5).unwrap(),
        user: user.to_owned(),
        request_id: String::new(),
        method: "blend".to_owned(),
        policy: "greedy".to_owned(),
        exploration: 0.0,
        seed: 1,
        arm: String::new(),
        snapshot: 7,
        items: items.iter().map(item).collect(),
    }
}

fn node(kind: NodeKind, name: &str) -> NodeId {
    NodeId::of(&NodeKey::new(kind, name).unwrap())
}

fn times(log: &mut ServedLog, user: &str, item: &str, day: i64, days: i64) -> usize {
    let now = Timestamp::from_millis(day * DAY_MS + 5).unwrap();
    let (times, _) = log.times(node(NodeKind::User, user), now, days * DAY_MS, "").unwrap();
    times.get(&node(NodeKind::Item, item)).copied().unwrap_or(0)
}

fn all(store: &Path) -> Vec<ServedRecord> {
    let mut all = Vec::new();
    read_served(store, |record| all.push(record)).unwrap();
    all
}

#[test]
fn what_was_shown_is_known_before_and_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = ServedLog::new(Some(folder.path()));
    let records = [
        record("r1", "ann", 100, &["a", "b"]),
        record("r2", "ann", 101, &["a"]),
        record("r3", "bob", 101, &["a"]),
    ];
    records.iter().for_each(|record| log.append(record).unwrap());
    for log in [&mut log, &mut ServedLog::new(Some(folder.path()))] {
        assert_eq!(times(log, "ann", "a", 101, 30), 2);
        assert_eq!(times(log, "ann", "a", 101, 1), 1, "the window ends just before");
        assert_eq!(times(log, "ann", "b", 101, 30), 1);
        assert_eq!(times(log, "bob", "b", 101, 30), 0);
        let viewers = log.viewers(node(NodeKind::Item, "a")).unwrap();
        assert_eq!(viewers.len(), 2);
        let (user, now) = (node(NodeKind::User, "ann"), records[1].at);
        let (but, known) = log.times(user, now, 30 * DAY_MS, "r2").unwrap();
        assert_eq!((but[&node(NodeKind::Item, "a")], known), (1, true));
    }
    assert_eq!(all(folder.path()), records);
}

#[test]
fn a_torn_line_is_cut_off_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = ServedLog::new(Some(folder.path()));
    log.append(&record("r1", "ann", 100, &["a"])).unwrap();
    drop(log);
    let path = folder.path().join("served/1970-04-11.jsonl");
    let whole = fs::read(&path).unwrap();
    for cut in [1, 10, whole.len() - 1] {
        fs::write(&path, [&whole[..], &whole[..cut]].concat()).unwrap();
        assert_eq!(all(folder.path()).len(), 1, "a torn line is no record");
        ServedLog::new(Some(folder.path())).append(&record("r2", "bob", 100, &["b"])).unwrap();
        let ids: Vec<String> = all(folder.path()).into_iter().map(|found| found.id).collect();
        assert_eq!(ids, ["r1", "r2"], "cut at {cut}");
    }
}

#[test]
fn old_days_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = ServedLog::new(Some(folder.path()));
    for day in [100, 110, 130, 131] {
        log.append(&record(&format!("r{day}"), "ann", day, &["a"])).unwrap();
    }
    let ids: Vec<String> = all(folder.path()).into_iter().map(|found| found.id).collect();
    assert_eq!(ids, ["r110", "r130", "r131"]);
    assert_eq!(times(&mut log, "ann", "a", 131, 30), 3);
}

#[test]
fn a_foreign_line_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("served")).unwrap();
    fs::write(folder.path().join("served/1970-04-11.jsonl"), "{}\n").unwrap();
    let error = read_served(folder.path(), |_| {}).unwrap_err().to_string();
    assert!(error.contains("line 1 is no record"), "{error}");
}

#[test]
fn without_a_folder_it_is_in_memory() {
    let mut log = ServedLog::new(None);
    log.append(&record("r1", "ann", 100, &["a"])).unwrap();
    assert_eq!(times(&mut log, "ann", "a", 100, 1), 1);
}

#[test]
fn who_is_forgotten_is_in_no_line_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = ServedLog::new(Some(folder.path()));
    for (id, user, day, items) in [
        ("r1", "ann", 100, &["a"][..]),
        ("r2", "bob", 100, &["a", "b"]),
        ("r3", "ann", 101, &["b"]),
        ("r4", "annabel", 101, &["b"]),
    ] {
        log.append(&record(id, user, day, items)).unwrap();
    }
    let mut about = record("r5", "bob", 101, &["ann"]);
    about.items[0].kind = "user".to_owned();
    log.append(&about).unwrap();
    assert_eq!(times(&mut log, "ann", "a", 101, 30), 1);
    assert_eq!(log.viewers(node(NodeKind::Item, "a")).unwrap().len(), 2);
    assert_eq!(log.forget("ann", Pruned::Counted).unwrap(), 3);
    assert_eq!(log.forget("ann", Pruned::Gone).unwrap(), 3);
    assert_eq!(log.forget("ann", Pruned::Gone).unwrap(), 0);
    let ids: Vec<String> = all(folder.path()).into_iter().map(|found| found.id).collect();
    assert_eq!(ids, ["r2", "r4"]);
    assert_eq!(times(&mut log, "ann", "a", 101, 30), 0);
    assert_eq!(log.viewers(node(NodeKind::Item, "a")).unwrap().len(), 1);
    for file in files(&folder.path().join("served")).unwrap() {
        assert!(!fs::read_to_string(file).unwrap().contains("\"ann\""));
    }
    // It goes on being written, and a torn line of the one who is forgotten goes, too.
    log.append(&record("r6", "bob", 101, &["a"])).unwrap();
    drop(log);
    let path = folder.path().join("served/1970-04-12.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.clone() + "{\"id\":\"r7\",\"user\":\"ann").unwrap();
    assert_eq!(ServedLog::new(Some(folder.path())).forget("ann", Pruned::Gone).unwrap(), 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    let mut memory = ServedLog::new(None);
    memory.append(&record("r1", "ann", 100, &["a"])).unwrap();
    assert_eq!(
        (memory.forget("ann", Pruned::Gone).unwrap(), times(&mut memory, "ann", "a", 100, 1)),
        (1, 0)
    );
}
