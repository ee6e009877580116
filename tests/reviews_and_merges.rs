//! What extractors that find more than the catalogue names bring into the graph, and entities that
//! are read as others: through the engine, from events and documents to answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use predilect::engine::{Engine, Moment};
use predilect::event::{NodeKey, RawDocument, RawEvent};
use predilect::export::{self, ExportParams};
use predilect::extract::{
    ExtractError, Extraction, Extractor, Mention, Method, ReadFirst, RelationMention, Sought, Span,
    Vocabulary,
};
use predilect::ingest::{LoadParams, Mapping};
use predilect::interest::Interest;
use predilect::schema::{NodeKind, Timestamp};
use predilect::store::{Evidence, GraphStore, Memory, Merge};

/// Reads `[type words]` as a mention; `[aspect words]+` and `[aspect words]-` as an opinion that the
/// sign itself gives.
struct Marked {
    version: &'static str,
    /// Texts that the model read.
    read: Arc<AtomicUsize>,
}

fn span(text: &str, start: usize, end: usize) -> Span {
    let chars = |end: usize| text[..end].chars().count() as u32;
    Span {
        byte_start: start as u32,
        byte_end: end as u32,
        char_start: chars(start),
        char_end: chars(end),
    }
}

fn mention(text: &str, (start, end): (usize, usize), entity_type: &str) -> Mention {
    Mention {
        span: span(text, start, end),
        surface: text[start..end].to_owned(),
        entity_type: entity_type.to_owned(),
        entity: None,
        confidence: 0.75,
        method: Method::Model,
    }
}

fn marked(text: &str) -> Extraction {
    let mut found = Extraction::default();
    for (start, _) in text.match_indices('[') {
        let end = start + text[start..].find(']').unwrap();
        let (entity_type, words) = text[start + 1..end].split_once(' ').unwrap();
        found.mentions.push(mention(text, (end - words.len(), end), entity_type));
        let polarity = match text[end + 1..].chars().next() {
            Some('+') => "positive",
            Some('-') => "negative",
            Some('=') => "neutral",
            _ => continue,
        };
        found.mentions.push(mention(text, (end + 1, end + 2), "opinion"));
        let (head, tail) = (found.mentions.len() - 2, found.mentions.len() - 1);
        let relation = polarity.to_owned();
        found.relations.push(RelationMention { head, tail, relation, confidence: 0.5 });
    }
    found
}

impl Extractor for Marked {
    fn version(&self) -> &str {
        self.version
    }

    fn extract(
        &self,
        texts: &[&str],
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Extraction>, ExtractError> {
        self.complete(texts, self.read(texts, vocabulary.sought())?, vocabulary)
    }

    fn finds_relations(&self) -> bool {
        true
    }

    fn read_first(&self, _: &Vocabulary) -> Option<&dyn ReadFirst> {
        Some(self)
    }
}

impl ReadFirst for Marked {
    fn read(&self, texts: &[&str], _: &[Sought]) -> Result<Vec<Extraction>, ExtractError> {
        self.read.fetch_add(texts.len(), Ordering::Relaxed);
        Ok(texts.iter().map(|text| marked(text)).collect())
    }

    fn complete(
        &self,
        _: &[&str],
        mut readings: Vec<Extraction>,
        _: &Vocabulary,
    ) -> Result<Vec<Extraction>, ExtractError> {
        if self.version == "blind" {
            readings.iter_mut().for_each(|reading| *reading = Extraction::default());
        }
        Ok(readings)
    }
}

/// An engine, and how many texts its model read.
fn engine_of(version: &'static str) -> (Engine, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    let extractor = Marked { version, read: Arc::clone(&read) };
    (Engine::new(store, Some(Box::new(extractor))).unwrap(), read)
}

fn engine() -> Engine {
    engine_of("marked/1").0
}

fn upsert(engine: &Engine, json: &str) {
    let raw: RawDocument = serde_json::from_str(json).unwrap();
    engine.upsert(vec![raw.check().unwrap()]).unwrap();
}

/// `alice reviewed camera 2025-01-01 the text`; the id of the event is `id`.
fn write(engine: &Engine, id: &str, line: &str) {
    let words: Vec<&str> = line.splitn(5, ' ').collect();
    let raw = RawEvent {
        event_id: id.to_owned(),
        user: words[0].to_owned(),
        action: words[1].to_owned(),
        target: words[2].to_owned(),
        target_kind: words[2].contains(':').then(|| "entity".to_owned()),
        at: format!("{}T00:00:00Z", words[3]),
        text: words.get(4).map(|text| (*text).to_owned()),
        ..RawEvent::default()
    };
    engine.write_events(vec![raw.check(engine.schema()).unwrap()]).unwrap();
}

fn key(kind: NodeKind, name: &str) -> NodeKey {
    NodeKey::new(kind, name).unwrap()
}

fn entity(name: &str) -> NodeKey {
    key(NodeKind::Entity, name)
}

fn interests(engine: &Engine, user: &str) -> Vec<Interest> {
    let user = key(NodeKind::User, user);
    engine.interests(&user, &Moment::default(), vec![], 1000).unwrap().1
}

fn strengths(engine: &Engine, user: &str) -> BTreeMap<String, f64> {
    interests(engine, user).into_iter().map(|found| (found.entity, found.strength)).collect()
}

fn hash(engine: &Engine) -> String {
    assert_eq!(engine.verify().unwrap().told, Vec::<String>::new());
    engine.stats().unwrap().content_hash
}

fn label(engine: &Engine, name: &str) -> String {
    let snapshot = engine.snapshot();
    snapshot.names().label(snapshot.find(&entity(name)).unwrap()).to_owned()
}

#[test]
fn spellings_of_what_no_catalogue_names_meet_in_one_entity() {
    let texts =
        ["a [brand SONY] set", "a [brand Sony] set", "a [brand ＳＯＮＹ] set", "[brand Sony]"];
    let mut hashes = Vec::new();
    for turn in 0..texts.len() {
        let engine = engine();
        for place in 0..texts.len() {
            let place = (place + turn) % texts.len();
            upsert(
                &engine,
                &format!(r#"{{"id":"i{place}","text":{{"title":"{}"}}}}"#, texts[place]),
            );
        }
        let edges = engine.edges(&entity("brand:sony"), petgraph::Incoming).unwrap();
        assert_eq!(edges.len(), 4);
        let item = key(NodeKind::Item, "i0");
        let mentions = engine.schema().mentions();
        let (_, why) = engine.evidence(&item, mentions, &entity("brand:sony")).unwrap().remove(0);
        assert!(matches!(why, Evidence::Mention { method, .. } if method == "model:new"));
        hashes.push(hash(&engine));
        // Called as most texts write it, once the base is built.
        reload(&engine);
        assert_eq!(label(&engine, "brand:sony"), "Sony");
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1);
}

/// Works off the backlog and builds the snapshot anew.
fn reload(engine: &Engine) {
    let rejects = tempfile::tempdir().unwrap();
    let params = LoadParams {
        items: vec![],
        events: vec![],
        mapping: Mapping::default(),
        max_errors: 0,
        rejects: rejects.path().to_owned(),
        ..LoadParams::default()
    };
    engine.load(&params, &mut |_| {}).unwrap();
}

#[test]
fn an_alias_joins_what_two_scripts_write() {
    let engine = engine();
    upsert(
        &engine,
        r#"{"id":"a","text":{"title":"[brand 索尼] 耳机"},"attributes":{"brand":"Nova"}}"#,
    );
    upsert(&engine, r#"{"id":"b","attributes":{"brand":"Sony"}}"#);
    reload(&engine);
    let before = hash(&engine);
    assert!(engine.node(&entity("brand:索尼")).is_ok());
    upsert(&engine, r#"{"id":"brand:sony","kind":"entity","attributes":{"aliases":["索尼"]}}"#);
    assert_eq!(engine.backlog().unwrap(), 1);
    reload(&engine);
    assert!(engine.node(&entity("brand:索尼")).is_err());
    let edges = engine.edges(&entity("brand:sony"), petgraph::Incoming).unwrap();
    assert_eq!(edges.len(), 2);
    assert_eq!(label(&engine, "brand:sony"), "Sony");
    assert!(engine.retract_document(&entity("brand:sony")).unwrap());
    reload(&engine);
    assert_eq!(hash(&engine), before);
}

const SHOP: [(&str, &str); 4] = [
    ("e1", "alice viewed camera 2025-01-01"),
    ("e2", "alice followed brand:ONE 2025-02-01"),
    ("e3", "alice followed brand:TWO 2025-03-01"),
    ("e4", "bob dismissed brand:ONE 2025-03-02"),
];

/// The shop with these names in place of `ONE` and `TWO`.
fn shop(one: &str, two: &str) -> Engine {
    let engine = engine();
    let camera = r#"{"id":"camera","text":{"title":"by [brand TWO]"},"attributes":{"brand":"ONE","genre":"x"}}"#;
    let phone = r#"{"id":"phone","attributes":{"brand":["TWO","other"]}}"#;
    let named = |text: &str| text.replace("ONE", one).replace("TWO", two);
    for document in [camera, phone] {
        upsert(&engine, &named(document));
    }
    for (id, line) in SHOP {
        write(&engine, id, &named(line));
    }
    reload(&engine);
    engine
}

fn answers(engine: &Engine) -> String {
    let user = |name| key(NodeKind::User, name);
    let moments = [None, Timestamp::parse("2025-02-15T00:00:00Z")];
    let mut told = String::new();
    for as_of in moments {
        let moment = Moment { as_of, ..Moment::default() };
        let (snapshot, found) = engine.interests(&user("alice"), &moment, vec![], 100).unwrap();
        told += &serde_json::to_string(&found).unwrap();
        told += &snapshot.graph().node_count().to_string();
    }
    told
}

#[test]
fn a_merge_answers_as_if_events_had_named_one_entity_and_leaves_no_trace() {
    let one = shop("sony", "sony");
    let two = shop("sony", "nova");
    let (before, told) = (hash(&two), answers(&two));
    assert_ne!(told, answers(&one));
    let at = Timestamp::parse("2025-05-05T00:00:00Z").unwrap();
    two.merge(Merge::new(entity("brand:nova"), entity("brand:sony"), at, "me", "why")).unwrap();
    // `nova` sorts before `sony`, so labels differ where spellings are as frequent, and so do the
    // texts: the numbers and the nodes are those of one entity.
    let without_labels = |told: &str| {
        told.replace("\"label\":\"nova\"", "\"label\":\"sony\"")
            .replace("[brand nova]", "[brand sony]")
    };
    assert_eq!(without_labels(&answers(&two)), without_labels(&answers(&one)));
    assert_ne!(hash(&two), before);
    // Either name leads to the one.
    for name in ["brand:sony", "brand:nova"] {
        let alice = key(NodeKind::User, "alice");
        let found = two.explain_interest(&alice, &entity(name), &Moment::default()).unwrap().1;
        assert_eq!(found.interest.entity, "brand:sony");
        assert!(found.evidence.iter().any(|span| span.surface == "nova"));
        let edges = two.edges(&entity(name), petgraph::Incoming).unwrap();
        assert_eq!(
            edges.len(),
            one.edges(&entity("brand:sony"), petgraph::Incoming).unwrap().len()
        );
    }
    // Evidence stays with the entity that it was written to.
    let fact = two.text_of_event("e3").unwrap();
    assert_eq!(fact, None);
    let (lifted, _) = two.unmerge(&entity("brand:nova")).unwrap();
    assert_eq!((lifted.by.as_str(), lifted.reason.as_str(), lifted.at), ("me", "why", at));
    assert_eq!(hash(&two), before);
    assert_eq!(answers(&two), told);
}

#[test]
fn writes_after_a_merge_are_read_by_it_at_once() {
    let engine = shop("sony", "nova");
    let at = Timestamp::MIN;
    engine.merge(Merge::new(entity("brand:nova"), entity("brand:sony"), at, "", "")).unwrap();
    write(&engine, "e5", "alice followed brand:nova 2025-04-01");
    write(&engine, "e6", "bob followed brand:nova 2025-04-01");
    let now = interests(&engine, "alice");
    let snapshot = engine.snapshot();
    let edges = |snapshot: &predilect::snapshot::Snapshot| {
        let sony = snapshot.find(&entity("brand:sony")).unwrap();
        let users = snapshot.neighbors(sony, petgraph::Incoming, NodeKind::User);
        let mut edges: Vec<_> = users.map(|(user, data)| (user, data.relation, data.sum)).collect();
        edges.sort_by_key(|(user, relation, _)| (*user, *relation));
        edges
    };
    let laid_over = edges(&snapshot);
    reload(&engine);
    assert_eq!(laid_over, edges(&engine.snapshot()));
    let strength = |found: &[Interest]| {
        found.iter().find(|found| found.entity == "brand:sony").unwrap().strength
    };
    assert_eq!(strength(&now), strength(&interests(&engine, "alice")));
    assert!(engine.retract_event("e5").unwrap());
    assert!(strength(&interests(&engine, "alice")) < strength(&now));
    assert_eq!(engine.verify().unwrap().count, 0);
}

#[test]
fn an_export_of_merged_entities_is_one_of_the_united_graph() {
    let folder = tempfile::tempdir().unwrap();
    let store = GraphStore::open(&folder.path().join("store"), true, None).unwrap();
    let engine = Engine::new(store, None).unwrap();
    for (id, line) in
        [("a", "u followed brand:a 2025-01-01"), ("b", "u followed brand:b 2025-01-02")]
    {
        write(&engine, id, line);
    }
    engine.merge(Merge::new(entity("brand:a"), entity("brand:b"), Timestamp::MIN, "", "")).unwrap();
    drop(engine);
    let store = GraphStore::open(&folder.path().join("store"), false, None).unwrap();
    for format in ["parquet", "graphml"] {
        let to = folder.path().join(format);
        let params = ExportParams { evidence: true, ..ExportParams::default() };
        let manifest = export::write(&store.view(), format, Path::new(&to), &params).unwrap();
        assert_eq!(manifest.nodes["entity"], 1);
        assert_eq!(manifest.edges["followed"], 1);
    }
}

const BAD: &str =
    "The [aspect battery life]- is short. [aspect Screen]+ fine, [aspect box]= a box.";

fn reviewed() -> Engine {
    let engine = engine();
    upsert(&engine, r#"{"id":"phone","text":{"title":"Nova One"},"attributes":{"brand":"Nova"}}"#);
    upsert(&engine, r#"{"id":"other","attributes":{"brand":"Other"}}"#);
    write(&engine, "e0", "alice viewed phone 2025-01-01");
    engine
}

#[test]
fn opinions_of_a_review_speak_for_and_against() {
    let engine = reviewed();
    let before = hash(&engine);
    write(&engine, "r1", &format!("alice reviewed phone 2025-01-02 {BAD}"));
    let found = strengths(&engine, "alice");
    // Half sure, weight 3.
    assert_eq!(found.get("aspect:screen"), Some(&1.5));
    assert!(!found.contains_key("aspect:battery life") && !found.contains_key("aspect:box"));
    let against = engine.edges(&entity("aspect:battery life"), petgraph::Incoming).unwrap();
    let told: Vec<_> = against
        .iter()
        .map(|(edge, data)| (engine.schema().relation_name(edge.relation), data.sum))
        .collect();
    assert_eq!(told, [("opined", -1.5), ("has_aspect", 0.5)]);
    let neutral = engine.edges(&entity("aspect:box"), petgraph::Incoming).unwrap();
    assert_eq!(neutral[0].1.sum, 0.0);
    // It fades with the review.
    write(&engine, "later", "alice viewed other 2025-07-01");
    let half = strengths(&engine, "alice")["aspect:screen"];
    assert!((half - 0.75).abs() < 1e-9, "{half}");
    assert!(engine.retract_event("later").unwrap());
    // Masked with the review, explained by it.
    let alice = key(NodeKind::User, "alice");
    let masked = Moment { masked: ["r1".to_owned()].into(), ..Moment::default() };
    let without = engine.interests(&alice, &masked, vec![], 100).unwrap().1;
    assert!(!without.iter().any(|found| found.entity == "aspect:screen"));
    let screen = entity("aspect:screen");
    let (_, why) = engine.explain_interest(&alice, &screen, &Moment::default()).unwrap();
    let span = &why.evidence[0];
    assert_eq!((span.surface.as_str(), span.event_id.as_deref()), ("Screen", Some("r1")));
    assert_eq!((span.document.name.as_str(), span.method.as_str()), ("phone", "model:positive"));
    assert_eq!(span.span.slice(BAD), "Screen");
    // Retracted with it.
    assert!(engine.retract_event("r1").unwrap());
    assert_eq!(hash(&engine), before);
    assert!(engine.node(&screen).is_err());
}

#[test]
fn others_opinions_are_no_interest_of_mine() {
    let engine = reviewed();
    write(&engine, "r1", &format!("bob reviewed phone 2025-01-02 {BAD}"));
    assert!(!strengths(&engine, "alice").keys().any(|name| name.starts_with("aspect:")));
    assert!(strengths(&engine, "bob").contains_key("aspect:screen"));
}

#[test]
fn a_document_that_is_retracted_leaves_reviews_of_it_whole() {
    let engine = reviewed();
    write(&engine, "r1", &format!("alice reviewed phone 2025-01-02 {BAD}"));
    assert!(engine.retract_document(&key(NodeKind::Item, "phone")).unwrap());
    hash(&engine);
    assert!(engine.node(&entity("aspect:screen")).is_ok());
    upsert(&engine, r#"{"id":"phone","text":{"title":"Nova One"},"attributes":{"brand":"Nova"}}"#);
    let whole = reviewed();
    write(&whole, "r1", &format!("alice reviewed phone 2025-01-02 {BAD}"));
    // Each text is read by the words of the whole catalogue.
    reload(&engine);
    reload(&whole);
    assert_eq!(hash(&engine), hash(&whole));
}

#[test]
fn another_version_leaves_nothing_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let open = |version| {
        let read = Arc::new(AtomicUsize::new(0));
        let extractor = Marked { version, read: Arc::clone(&read) };
        (Engine::open(&path, true, None, Some(Box::new(extractor))).unwrap(), read)
    };
    let (engine, read) = open("marked/1");
    upsert(&engine, r#"{"id":"phone","text":{"title":"[brand Nova] One"}}"#);
    write(&engine, "r1", &format!("alice reviewed phone 2025-01-02 {BAD}"));
    assert_eq!(read.load(Ordering::Relaxed), 2);
    let first = hash(&engine);
    // A new word in the catalogue: documents are linked anew, no text is read again, no review waits.
    upsert(&engine, r#"{"id":"new","attributes":{"brand":"Neu"}}"#);
    assert_eq!(engine.backlog().unwrap(), 1);
    reload(&engine);
    assert_eq!((engine.backlog().unwrap(), read.load(Ordering::Relaxed)), (0, 2));
    assert!(engine.retract_document(&key(NodeKind::Item, "new")).unwrap());
    reload(&engine);
    assert_eq!(hash(&engine), first);
    drop(engine);
    let (engine, read) = open("blind");
    assert_eq!(engine.backlog().unwrap(), 2);
    reload(&engine);
    assert_eq!(read.load(Ordering::Relaxed), 2);
    assert!(strengths(&engine, "alice").is_empty());
    assert!(engine.node(&entity("aspect:screen")).is_err());
    drop(engine);
    let (engine, read) = open("marked/1");
    reload(&engine);
    assert_eq!(hash(&engine), first);
    assert_eq!(read.load(Ordering::Relaxed), 0, "what it read is kept by text and version");
    drop(engine);
    // An extractor that finds no relations takes opinions away.
    let lexicon = predilect::extract::by_name("lexicon", None).unwrap();
    let engine = Engine::open(&path, false, None, Some(lexicon)).unwrap();
    reload(&engine);
    hash(&engine);
    assert!(engine.node(&entity("aspect:screen")).is_err());
}

#[test]
fn a_text_is_read_once_however_many_have_it() {
    let (engine, read) = engine_of("marked/1");
    let documents = (0..5).map(|number| {
        let raw = format!(r#"{{"id":"i{number}","text":{{"title":"a [brand Nova] thing"}}}}"#);
        serde_json::from_str::<RawDocument>(&raw).unwrap().check().unwrap()
    });
    engine.upsert(documents.collect()).unwrap();
    upsert(&engine, r#"{"id":"late","text":{"title":"a [brand Nova] thing"}}"#);
    assert_eq!(read.load(Ordering::Relaxed), 1);
    assert_eq!(engine.edges(&entity("brand:nova"), petgraph::Incoming).unwrap().len(), 6);
    // Whoever takes a text back takes what was read in it along.
    assert!(engine.retract_document(&key(NodeKind::Item, "late")).unwrap());
    upsert(&engine, r#"{"id":"late","text":{"title":"a [brand Nova] thing"}}"#);
    assert_eq!(read.load(Ordering::Relaxed), 2);
}
