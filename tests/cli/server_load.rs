//! Loads through a server make the stores that loads without one make, whoever is killed on the way.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Folder, tiny_files};

/// A server on a store, until it is dropped: then it is killed.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// On a new store of this name.
    fn on_new(folder: &Folder, store: &str, extractor: &str) -> Self {
        folder.put("none.jsonl", "");
        folder.check(&format!("load --store {store} --items none.jsonl --extractor off"), 0);
        Self::on(folder, store, extractor, "127.0.0.1:0")
    }

    fn on(folder: &Folder, store: &str, extractor: &str, listen: &str) -> Self {
        let line = format!("serve --store {store} --listen {listen} --extractor {extractor}");
        let mut child = folder.command(&line).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = told.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        std::thread::spawn(move || told.for_each(drop));
        Self { child, address: address.unwrap() }
    }

    /// SIGKILL: nothing is put away.
    fn kill(&mut self) {
        // One that has ended needs no end.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn stats(folder: &Folder, store: &str) -> Value {
    folder.check(&format!("verify --store {store}"), 0);
    folder.json(&format!("stats --store {store} --output json"))
}

/// What a report and a load's files of refused rows say.
fn told(folder: &Folder, line: &str, rejects: &str, code: i32) -> (Vec<Value>, [String; 2]) {
    let report: Value = serde_json::from_str(&folder.check(line, code).out).unwrap();
    let fields = ["items", "events", "rejected_by_class"].map(|field| report[field].clone());
    let read = |name| std::fs::read_to_string(folder.path(rejects).join(name)).unwrap_or_default();
    (fields.into(), ["items.jsonl", "events.jsonl"].map(read))
}

/// Loads `files` twice without a server and twice with one, and asserts that all is the same.
fn check_same(files: &str, extractor: &str, code: i32) -> (Vec<Value>, [String; 2]) {
    let folder = Folder::new();
    check_same_in(&folder, files, extractor, code)
}

fn check_same_in(
    folder: &Folder,
    files: &str,
    extractor: &str,
    code: i32,
) -> (Vec<Value>, [String; 2]) {
    let load = format!("load {files} --output json");
    let mut server = Server::on_new(folder, "served", extractor);
    let with = format!("--server {}", server.address);
    let mut first = None;
    for _ in 0..2 {
        let line = format!("{load} --store plain --extractor {extractor} --bulk never");
        let plain = told(folder, &line, "plain.rejects", code);
        let served = told(folder, &format!("{load} {with}"), "server.rejects", code);
        assert_eq!(served, plain, "{files}");
        first = first.or(Some(served));
    }
    server.kill();
    assert_eq!(stats(folder, "served"), stats(folder, "plain"), "{files}");
    first.unwrap()
}

#[test]
fn a_server_is_loaded_as_a_store_is() {
    let (counts, _) = check_same(&tiny_files(), "off", 0);
    assert_eq!(counts[1]["applied"], 27);
    // A server's extractor reads what it is sent.
    check_same(&tiny_files(), "lexicon", 0);

    let folder = Folder::new();
    folder.check("generate --users 200 --items 100 --events 5000 --dest data", 0);
    let files = "--items data/items.jsonl --events data/events.csv";
    let (counts, _) = check_same_in(&folder, files, "off", 0);
    assert_eq!((&counts[0]["applied"], &counts[1]["applied"]), (&100.into(), &5000.into()));
}

#[test]
fn a_server_reads_texts_as_they_come_and_extract_reads_the_rest() {
    // Of more than one call, whose first texts name what later ones are from.
    let folder = Folder::new();
    let (mut items, mut events) = (String::new(), String::new());
    for n in 0..1_500 {
        let later = (n + 1_000) % 1_500;
        let text = format!("{{\"body\":\"better than Brand{later} beside it\"}}");
        let brand = format!("{{\"brand\":\"Brand{n}\"}}");
        writeln!(items, "{{\"id\":\"i{n}\",\"text\":{text},\"attributes\":{brand}}}").unwrap();
    }
    events += "event_id,user,target,action,at,value,text\n";
    for n in 0..100 {
        writeln!(events, "e{n},u,i{n},reviewed,1740823200000,8,great sound but poor Brand7")
            .unwrap();
    }
    folder.put("items.jsonl", items);
    folder.put("events.csv", events);
    let files = "--items items.jsonl --events events.csv";
    folder.check(&format!("load --store plain {files} --extractor lexicon"), 0);
    let mut server = Server::on_new(&folder, "served", "lexicon");
    folder.check(&format!("load --server {} {files}", server.address), 0);
    server.kill();
    let plain = stats(&folder, "plain");
    assert_ne!(stats(&folder, "served")["mentions"], plain["mentions"]);
    folder.check("extract --store served --extractor lexicon", 0);
    assert_eq!(stats(&folder, "served"), plain);
}

#[test]
fn bad_rows_are_refused_as_by_a_store() {
    let folder = Folder::new();
    folder.put(
        "bad.csv",
        "event_id,user,target,target_kind,action,at,value,session,text\n\
         good,ann,i1,,view,2025-01-01T00:00:00Z,,,\n\
         ,ann,i1,,viewed,2025-01-01T00:00:00Z,,,\n\
         no-user,,i1,,viewed,2025-01-01T00:00:00Z,,,\n\
         no-target,ann,,,viewed,2025-01-01T00:00:00Z,,,\n\
         kind,ann,i1,shop,viewed,2025-01-01T00:00:00Z,,,\n\
         kind-later,,i1,shop,viewed,2025-01-01T00:00:00Z,,,\n\
         kind-first,ann,,shop,ate,soon,,,\n\
         unreached,ann,u1,user,viewed,2025-01-01T00:00:00Z,,,\n\
         action,ann,i1,,ate,2025-01-01T00:00:00Z,,,\n\
         time,ann,i1,,viewed,soon,,,\n\
         time-first,ann,i1,,rated,12000-01-01T00:00:00Z,99,,\n\
         time-later,ann,i1,,ate,soon,,,\n\
         time-unreached,ann,u1,user,viewed,soon,,,\n\
         number,ann,i1,,rated,2025-01-01T00:00:00Z,NaN,,\n\
         scale,ann,i1,,rated,2025-01-01T00:00:00Z,11,,\n\
         session,ann,i1,,viewed,2025-01-01T00:00:00Z,,a\u{7}b,\n\
         short,ann\n\
         good,ann,i1,,view,2025-01-01T00:00:00.000Z,,,\n\
         review,ann,i1,item,reviewed,1735689600000,8,s1,\"great, sound\"\n\
         review,ann,i1,item,reviewed,1735689600000,7,s1,\"great, sound\"\n\
         good,bob,i1,,viewed,2025-01-01T01:00:00+01:00,,,\n\
         entity,ann,Brand:Sony,entity,followed,2025-01-01T00:00:00Z,,,\n\
         entity,ann,Brand:Bose,entity,followed,2025-01-01T00:00:00Z,,,\n\
         last,ann,i2,,viewed,2025-01-01T00:00:00Z,,,\n",
    );
    folder.put(
        "bad.jsonl",
        "{\"id\":\"i1\",\"text\":{\"title\":\"One\"}}\n\
         {\"text\":{\"title\":\"no id\"}}\n\
         {\"id\":\"i2\",\"kind\":\"user\"}\n\
         {\"id\":\"i3\"\n\
         {\"id\":\"i4\",\"attributes\":{\"brand\":{\"a\":1}}}\n\
         {\"id\":\"i1\",\"text\":{\"title\":\"One, again\"},\"attributes\":{\"n\":[1.5,true,\"x\"]}}\n\
         {\"id\":\"i5\",\"published_at\":\"soon\"}\n",
    );
    let files = "--items bad.jsonl --events bad.csv";
    let (counts, rejects) = check_same_in(&folder, files, "off", 3);
    assert_eq!((&counts[0]["rejected"], &counts[0]["applied"]), (&5.into(), &1.into()));
    assert_eq!((&counts[1]["applied"], &counts[1]["rejected"]), (&4.into(), &19.into()));
    assert_eq!(counts[2]["duplicate"], 3);
    for field in ["event_id", "user", "target", "target_kind", "action", "at", "value", "session"] {
        assert!(rejects[1].contains(&format!("\"field\":\"{field}\"")), "{field}: {}", rejects[1]);
    }

    // The budgets are those of a load, and so are the exit codes.
    let server = Server::on(&folder, "served", "off", "127.0.0.1:0");
    for place in ["--store plain --extractor off", &format!("--server {}", server.address)] {
        let load = format!("load {files} {place}");
        folder.refuses(&format!("{load} --max-errors 20"), 4, "more than 20 rows were refused");
        let of = "more than 2 rows of class `duplicate` were refused";
        folder.refuses(&format!("{load} --max-errors-of duplicate=2"), 4, of);
        folder.check(&format!("{load} --max-errors 24"), 3);
    }
}

#[test]
fn calls_fit_into_messages() {
    // Together these are longer than a message, and so would the answer to all of them be.
    let folder = Folder::new();
    let mut rows = String::from("event_id,user,target,action,at,value,text\n");
    for n in 0..9_000 {
        let action = "x".repeat(700);
        writeln!(rows, "r{n},u{},i{},{action},1740823200000,,", n % 7, n % 11).unwrap();
    }
    let text = "great ".repeat(100_000);
    for n in 0..40 {
        writeln!(rows, "t{n},u{n},i1,reviewed,1740823200000,8,{text}").unwrap();
    }
    folder.put("events.csv", rows);
    let (counts, _) = check_same_in(&folder, "--events events.csv --max-errors 9000", "off", 3);
    assert_eq!((&counts[1]["applied"], &counts[1]["rejected"]), (&40.into(), &9000.into()));

    // A row that makes no message is refused by itself.
    let long = "x".repeat(9 << 20);
    folder.put(
        "items.jsonl",
        format!(
            "{{\"id\":\"a\"}}\n{{\"id\":\"b\",\"text\":{{\"one\":\"{long}\",\"two\":\"{long}\"}}}}\n\
             {{\"id\":\"c\"}}\n"
        ),
    );
    let server = Server::on(&folder, "served", "off", "127.0.0.1:0");
    let load = format!("load --server {} --items items.jsonl --max-row 40MB", server.address);
    let answer = folder.check(&load, 3);
    assert!(answer.out.contains("items     3 read, 2 applied, 0 unchanged, 1 refused"));
    assert!(answer.err.contains("refused items.jsonl line 2: `text` makes a message of"));
}

const MAKE: &str = "generate --users 200 --items 100 --events 30000 --seed 3 --dest data";
const FILES: &str = "--items data/items.jsonl --events data/events.csv";

/// A folder with files, and a store that was loaded from them without a server, whose stats are given.
fn with_files() -> (Folder, Value) {
    let folder = Folder::new();
    folder.check(MAKE, 0);
    folder.check(&format!("load --store plain {FILES} --extractor off"), 0);
    let plain = stats(&folder, "plain");
    (folder, plain)
}

fn start(folder: &Folder, server: &Server) -> Child {
    let line = format!("load --server {} {FILES}", server.address);
    folder.command(&line).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_killed_client_is_run_again_to_the_same_store() {
    let (folder, plain) = with_files();
    let mut killed = 0;
    let mut undisturbed = Duration::ZERO;
    for (round, part) in [1.0, 0.05, 0.2, 0.4, 0.6, 0.8].into_iter().enumerate() {
        let store = format!("s{round}");
        let mut server = Server::on_new(&folder, &store, "off");
        let mut client = start(&folder, &server);
        if round == 0 {
            let started = Instant::now();
            assert!(client.wait().unwrap().success());
            undisturbed = started.elapsed();
        } else {
            std::thread::sleep(undisturbed.mul_f64(part));
            killed += usize::from(client.try_wait().unwrap().is_none());
            client.kill().unwrap();
            client.wait().unwrap();
        }
        folder.check(&format!("load --server {} {FILES}", server.address), 0);
        server.kill();
        assert_eq!(stats(&folder, &store), plain, "killed after {part} of {undisturbed:?}");
    }
    assert!(killed >= 2, "only {killed} were killed before they had ended");
}

#[test]
fn a_killed_server_is_started_again_and_takes_the_rest() {
    let (folder, plain) = with_files();
    let mut went_on = 0;
    for wait in [30, 100, 200, 400] {
        let store = format!("s{wait}");
        let mut server = Server::on_new(&folder, &store, "off");
        let mut client = start(&folder, &server);
        std::thread::sleep(Duration::from_millis(wait));
        server.kill();
        let ended = client.try_wait().unwrap().is_some();
        let mut server = Server::on(&folder, &store, "off", &server.address);
        // It goes on by itself, unless it had not connected yet.
        let status = client.wait().unwrap();
        went_on += usize::from(!ended && status.success());
        folder.check(&format!("load --server {} {FILES}", server.address), 0);
        server.kill();
        assert_eq!(stats(&folder, &store), plain, "killed after {wait} ms");
    }
    assert!(went_on > 0, "no client outlived its server");
}

#[test]
fn a_gone_server_is_told_with_what_it_acknowledged() {
    let (folder, plain) = with_files();
    let mut server = Server::on_new(&folder, "s", "off");
    let line = format!("load --server {} {FILES}", server.address);
    let mut client =
        folder.command(&line).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut told = BufReader::new(client.stderr.take().unwrap()).lines().map(Result::unwrap);
    told.find(|line| line == "committed 10000 events").unwrap();
    server.kill();
    let told: Vec<String> = told.collect();
    assert_eq!(client.wait().unwrap().code(), Some(1), "{told:?}");
    assert!(told.iter().any(|line| line.ends_with("trying again in 4s")), "{told:?}");
    let last = told.last().unwrap();
    let acknowledged = last.strip_prefix("error: 100 items and ").unwrap();
    let (n, rest) = acknowledged.split_once(" events were acknowledged, then: ").unwrap();
    assert!(rest.ends_with("what is sent again changes nothing twice"), "{last}");
    let n: u64 = n.parse().unwrap();
    assert!((10_000..30_000).contains(&n), "{last}");
    // What was acknowledged is there, and the same again brings the rest.
    let events = stats(&folder, "s")["events"].clone();
    let found: u64 = events.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert!(found >= n, "{found} events, {n} were acknowledged");
    let mut server = Server::on(&folder, "s", "off", "127.0.0.1:0");
    folder.check(&format!("load --server {} {FILES}", server.address), 0);
    server.kill();
    assert_eq!(stats(&folder, "s"), plain);
}

#[test]
fn what_a_server_cannot_be_asked_is_refused() {
    let folder = Folder::new();
    folder.put("events.csv", "event_id,user,target,action,at\ne,u,i,viewed,1740823200000\n");
    let load = "load --server 127.0.0.1:1 --events events.csv";
    for flag in ["--load-id may", "--resume"] {
        let answer = folder.check(&format!("{load} {flag}"), 2).err;
        let expected = format!("error: {} is for --store", flag.split(' ').next().unwrap());
        assert!(answer.starts_with(&expected), "{answer}");
        assert!(answer.contains("changes nothing twice"), "{answer}");
    }
    for flag in [
        "--store s",
        "--schema s.toml",
        "--bulk never",
        "--max-memory 1GB",
        "--extractor off",
        "--model en",
    ] {
        let answer = folder.check(&format!("{load} {flag}"), 2).err;
        assert!(answer.contains("cannot be used with"), "{flag}: {answer}");
    }
    assert!(folder.check("load --events events.csv", 2).err.contains("--store"));
    // Nobody is there, and a file that is not there is told first.
    folder.refuses(load, 1, "no server answers at 127.0.0.1:1");
    folder.refuses("load --server 127.0.0.1:1 --events none.csv", 1, "none.csv");
}

#[test]
fn a_server_answers_every_question_as_the_store_does() {
    let folder = Folder::new();
    folder.check(&format!("load --store served {} --extractor off", tiny_files()), 0);
    let questions = [
        "rank --user alice --candidates item:boots-quest-4 item:kettle-titanium item:x",
        "frequently-with --items item:云尚2 --min-users 1",
        "trending --window-days 60",
        "rules --min-support 0.1 --k 5",
        "rules --min-support 0.05 --baskets session --gap-minutes 90 --max-items 2",
        "audience --of entity:brand:sony --k 2",
        "similar --from item:wh-1000xm5 --k 4",
        "similar --from item:wh-1000xm5 --method embedding --k 4",
        "recommend --items wh-1000xm5,x",
        "recommend --user nobody",
    ];
    let ask = |whom: &str| -> Vec<Value> {
        let answer = |question| folder.json(&format!("query {question} {whom} --output json"));
        questions.into_iter().map(answer).collect()
    };
    let of_store = ask("--store served");
    let server = Server::on(&folder, "served", "off", "127.0.0.1:0");
    let told = ask(&format!("--server {}", server.address));
    for ((told, mut found), question) in told.into_iter().zip(of_store).zip(questions) {
        if let Some(answer) = found.as_object_mut() {
            // A server does not tell of which time it answers.
            answer.remove("as_of");
        }
        assert_eq!(told, found, "{question}");
    }
}

#[test]
fn a_server_forgets_who_is_erased() {
    let folder = Folder::new();
    folder.check(&format!("load --store served {} --extractor off", tiny_files()), 0);
    let mut server = Server::on(&folder, "served", "off", "127.0.0.1:0");
    let whom = format!("--server {} --output json", server.address);
    let ask = format!("query recommend {whom} --user chen");
    assert_eq!(folder.json(&format!("{ask} --shown")).get("fallback"), None);
    let erase = format!("erase {whom} --user chen");
    let counted = folder.json(&format!("{erase} --dry-run"));
    assert_eq!((&counted["events"], &counted["served"]), (&4.into(), &1.into()), "{counted}");
    assert_eq!(folder.json(&erase), counted);
    assert_eq!(folder.json(&ask)["fallback"], "UNKNOWN_USER");
    assert_eq!(folder.json(&erase)["events"], 0);
    server.kill();
    folder.check("verify --store served", 0);
    assert_eq!(
        folder.json("query recommend --store served --user chen --output json")["fallback"],
        "UNKNOWN_USER"
    );
}
