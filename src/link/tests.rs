//! Linking, merging and finding duplicates on the smallest graphs that show them.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::event::{RawDocument, RawEvent};
use crate::extract::{Encode, Extraction, Mention, Method, Span, Term, Vocabulary};
use crate::ingest::{mutations, write_documents};
use crate::schema::{NodeKind, Timestamp};
use crate::store::{GraphStore, Memory, Merge};

/// An encoder that knows a few words, each by one direction, and counts what it is asked.
#[derive(Default)]
struct Words(AtomicUsize);

const SENSES: [&[&str]; 3] = [&["sony", "索尼"], &["phone", "handset"], &["tea"]];

impl Encode for Words {
    fn model(&self) -> &'static str {
        "words/1"
    }

    fn encode(&self, phrases: &[&str]) -> Result<Vec<Vec<f32>>, ExtractError> {
        self.0.fetch_add(phrases.len(), Ordering::Relaxed);
        let known = |phrase: &str, sense: &[&str]| sense.contains(&&*phrase.to_lowercase());
        let encoding = |phrase: &&str| {
            let mut row = vec![0.0; SENSES.len() + 256];
            let sense = SENSES.iter().position(|sense| known(phrase, sense));
            // Phrases that it does not know are each unlike the others.
            let other = SENSES.len() + usize::from(blake3::hash(phrase.as_bytes()).as_bytes()[0]);
            row[sense.unwrap_or(other)] = 1.0;
            row
        };
        Ok(phrases.iter().map(encoding).collect())
    }

    fn same(&self, _: bool) -> Option<f32> {
        Some(0.9)
    }

    fn reads(&self, phrase: &str) -> bool {
        phrase != "illegible"
    }
}

fn store() -> GraphStore {
    GraphStore::new(Box::new(Memory::default()), None).unwrap()
}

fn mention(entity_type: &str, surface: &str, confidence: f32) -> Mention {
    Mention {
        span: Span { byte_start: 0, byte_end: 1, char_start: 0, char_end: 1 },
        surface: surface.to_owned(),
        entity_type: entity_type.to_owned(),
        entity: None,
        confidence,
        method: Method::Model,
    }
}

fn vocabulary() -> Vocabulary {
    let term = |entity: &str, surfaces: &[&str]| Term {
        entity: entity.to_owned(),
        entity_type: entity.split_once(':').unwrap().0.to_owned(),
        surfaces: surfaces.iter().map(|&surface| surface.to_owned()).collect(),
        by_encoding: entity.starts_with("category"),
    };
    Vocabulary::new(vec![
        term("brand:sony", &["Sony", "索尼"]),
        term("brand:coca-cola", &["Coca-Cola"]),
        term("category:phone", &["Phone"]),
    ])
}

/// The mention with its entity and how it came by it.
fn check(mention: &Mention, entity: Option<&str>, link: Link) {
    let (store, vocabulary, encoder) = (store(), vocabulary(), Words::default());
    let mut linker = Linker::new(store.schema(), &vocabulary, &store, Some(&encoder));
    let found = Extraction { mentions: vec![mention.clone()], relations: vec![] };
    let linked = linker.link(&[found]).unwrap().remove(0).remove(0);
    assert_eq!((linked.mention.entity.as_deref(), linked.link), (entity, link), "{mention:?}");
}

#[test]
fn a_spelling_of_a_term_names_it() {
    for surface in ["Sony", "SONY", "ＳＯＮＹ", " sony ", "索尼", "Sóny"] {
        check(&mention("brand", surface, 0.9), Some("brand:sony"), Link::Alias);
    }
    check(&mention("brand", "coca cola", 0.9), Some("brand:coca-cola"), Link::Alias);
    // However unsure: what it costs is told by the confidence.
    check(&mention("brand", "sony", 0.1), Some("brand:sony"), Link::Alias);
    // A person is no brand.
    check(&mention("person", "Sony", 0.9), Some("person:sony"), Link::New);
}

#[test]
fn a_near_encoding_names_a_concept_but_a_name_only_across_scripts() {
    check(&mention("category", "handset", 0.9), Some("category:phone"), Link::Encoding);
    check(&mention("category", "tea", 0.9), Some("category:tea"), Link::New);
    let vocabulary = Vocabulary::new(vec![Term {
        entity: "brand:sony".to_owned(),
        entity_type: "brand".to_owned(),
        surfaces: vec!["Sony".to_owned()],
        by_encoding: false,
    }]);
    let (store, encoder) = (store(), Words::default());
    let mut linker = Linker::new(store.schema(), &vocabulary, &store, Some(&encoder));
    let mut link = |surface| {
        let mentions = vec![mention("brand", surface, 0.9)];
        let found = linker.link(&[Extraction { mentions, relations: vec![] }]).unwrap();
        found[0][0].link
    };
    assert_eq!(link("索尼"), Link::Encoding);
    assert_eq!(link("Sonny"), Link::New);
}

#[test]
fn what_nobody_named_becomes_an_entity_when_sure() {
    check(&mention("brand", "Nova-Tek", 0.6), Some("brand:nova tek"), Link::New);
    check(&mention("brand", "NOVA  TEK", 0.6), Some("brand:nova tek"), Link::New);
    check(&mention("brand", "한국", 0.6), Some("brand:한국"), Link::New);
    check(&mention("brand", "Nova", 0.59), None, Link::Nil);
    check(&mention("brand", "!?", 0.9), None, Link::Nil);
    check(&mention("brand", &"x".repeat(600), 0.9), None, Link::Nil);
    // Words of praise are no entities.
    check(&mention("opinion", "lovely", 0.9), None, Link::Nil);
}

#[test]
fn a_phrase_is_encoded_once_for_all_runs() {
    let (store, encoder) = (store(), Words::default());
    let one = encodings(&store, &encoder, &["sony", "tea"]).unwrap();
    assert_eq!(encoder.0.load(Ordering::Relaxed), 2);
    let other = encodings(&store, &encoder, &["tea", "phone", "sony"]).unwrap();
    assert_eq!(encoder.0.load(Ordering::Relaxed), 3);
    assert_eq!((&other[2], &other[0]), (&one[0], &one[1]));
    let before = store.view().stats().unwrap().content_hash;
    store.forget(["tea"].into_iter()).unwrap();
    encodings(&store, &encoder, &["tea", "sony"]).unwrap();
    assert_eq!(encoder.0.load(Ordering::Relaxed), 4);
    assert_eq!(store.view().stats().unwrap().content_hash, before, "a cache is no graph");
}

fn entity(name: &str) -> NodeKey {
    NodeKey::new(NodeKind::Entity, name).unwrap()
}

/// A graph of events on these entities, as often as each is named.
fn graph(names: &[&str]) -> GraphStore {
    let store = store();
    let event = |(number, name): (usize, &&str)| {
        let raw = RawEvent {
            event_id: format!("e{number}"),
            user: "alice".to_owned(),
            action: "followed".to_owned(),
            target: (*name).to_owned(),
            target_kind: Some("entity".to_owned()),
            at: format!("{number}"),
            ..RawEvent::default()
        };
        mutations::of_event(raw.check(store.schema()).unwrap())
    };
    store.apply(&names.iter().enumerate().map(event).collect::<Vec<_>>()).unwrap();
    store
}

fn record(from: &str, into: &str) -> Merge {
    Merge::new(entity(from), entity(into), Timestamp::MIN, "a test", "")
}

#[test]
fn what_cannot_be_merged_is_refused_and_says_why() {
    let store = graph(&["brand:a", "brand:b", "brand:c", "brand:d", "person:a"]);
    let before = store.view().stats().unwrap().content_hash;
    let refused = |from: &str, into: &str, says: &str| {
        let error = merge(&store, record(from, into)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    refused("brand:a", "brand:a", "cannot be merged into itself");
    refused("brand:a", "person:a", "are of different types");
    refused("brand:a", "brand:x", "unknown entity `brand:x`");
    refused("brand:x", "brand:a", "unknown entity `brand:x`");
    let mut user = record("brand:a", "brand:b");
    user.entity = NodeKey::new(NodeKind::User, "alice").unwrap();
    assert!(matches!(merge(&store, user), Err(LinkError::NotAnEntity { .. })));
    assert!(matches!(unmerge(&store, &entity("brand:a")), Err(LinkError::NotMerged { .. })));
    assert_eq!(store.view().stats().unwrap().content_hash, before);
    merge(&store, record("brand:a", "brand:b")).unwrap();
    refused("brand:a", "brand:c", "is merged into entity `brand:b` already");
    refused("brand:c", "brand:a", "is itself merged into entity `brand:b`");
    refused("brand:b", "brand:a", "is itself merged");
    refused("brand:b", "brand:c", "entity `brand:a` is merged into entity `brand:b`");
    // Two into one is no chain.
    merge(&store, record("brand:d", "brand:b")).unwrap();
    assert_eq!(store.view().check().unwrap().told, Vec::<String>::new());
    for name in ["brand:a", "brand:d"] {
        unmerge(&store, &entity(name)).unwrap();
    }
    assert_eq!(store.view().stats().unwrap().content_hash, before);
}

#[test]
fn a_merge_keeps_its_entities_until_it_is_lifted() {
    let store = graph(&["brand:a", "brand:b"]);
    merge(&store, record("brand:a", "brand:b")).unwrap();
    for id in ["e0", "e1"] {
        let fact = store.fact_of_event(id).unwrap().unwrap();
        store.apply(&[crate::store::Mutation::Remove(fact)]).unwrap();
    }
    assert_eq!(store.view().check().unwrap().told, Vec::<String>::new());
    assert_eq!(store.view().nodes().unwrap().count(), 2);
    unmerge(&store, &entity("brand:a")).unwrap();
    assert_eq!(store.view().nodes().unwrap().count(), 0);
    assert_eq!(store.view().check().unwrap().count, 0);
}

fn pairs(store: &GraphStore, encoder: Option<&dyn Encode>) -> Vec<(String, String, Rule)> {
    let params = DuplicateParams { types: vec![], k: 100 };
    let found = duplicates(store, encoder, &params).unwrap();
    assert!(!found.capped);
    found.pairs.into_iter().map(|p| (p.into.entity, p.entity.entity, p.rule)).collect()
}

#[test]
fn each_rule_finds_its_pairs_and_no_others() {
    let pair = |into: &str, entity: &str, rule| (into.to_owned(), entity.to_owned(), rule);
    let check = |names: &[&str], expected: &[(String, String, Rule)]| {
        assert_eq!(pairs(&graph(names), Some(&Words::default())), expected, "{names:?}");
    };
    check(&["brand:a-b", "brand:ab"], &[pair("brand:a-b", "brand:ab", Rule::SameSpelling)]);
    check(
        &["brand:samsung", "brand:samsng"],
        &[pair("brand:samsng", "brand:samsung", Rule::OneLetter)],
    );
    check(
        &["brand:samsung", "brand:samsugn"],
        &[pair("brand:samsugn", "brand:samsung", Rule::OneLetter)],
    );
    check(
        &["brand:sony", "brand:sony corp"],
        &[pair("brand:sony", "brand:sony corp", Rule::Words)],
    );
    check(&["brand:sony", "brand:索尼"], &[pair("brand:sony", "brand:索尼", Rule::Encoding)]);
    check(
        &["category:phone", "category:handset"],
        &[pair("category:handset", "category:phone", Rule::Encoding)],
    );
    // Other types, another number, too short to tell, names that mean alike.
    check(&["brand:samsung", "person:samsung"], &[]);
    check(&["brand:iphone 12", "brand:iphone 13"], &[]);
    check(&["brand:abc", "brand:abd"], &[]);
    check(&["brand:phone", "brand:handset"], &[]);
}

#[test]
fn the_pair_that_matters_most_comes_first_and_merged_ones_not_at_all() {
    let names = ["brand:rare one", "brand:rare-one", "brand:samsung", "brand:samsng"];
    let often = ["brand:samsung", "brand:samsng", "brand:samsng", "brand:samsung"];
    let store = graph(&[&names[..], &often[..]].concat());
    let found = pairs(&store, None);
    assert_eq!(
        found.iter().map(|(.., rule)| *rule).collect::<Vec<_>>(),
        [Rule::OneLetter, Rule::SameSpelling]
    );
    merge(&store, record("brand:samsng", "brand:samsung")).unwrap();
    assert_eq!(pairs(&store, None).len(), 1);
    let params = DuplicateParams { types: vec!["person".to_owned()], k: 9 };
    let none = duplicates(&store, None, &params).unwrap();
    assert!(none.pairs.is_empty() && none.merged.len() == 1);
}

#[test]
fn aliases_of_an_entity_are_spellings_and_not_edges() {
    let store = store();
    let raw = r#"{"id":"brand:Sony","kind":"entity","text":{"name":"Sony"},"attributes":{"aliases":["索尼"]}}"#;
    let document = serde_json::from_str::<RawDocument>(raw).unwrap().check().unwrap();
    write_documents(&store, vec![document]).unwrap();
    let view = store.view();
    assert_eq!(view.edges().unwrap().count(), 0);
    let catalogue = crate::ingest::Catalogue::of(&view).unwrap();
    let vocabulary = catalogue.vocabulary(store.schema());
    assert_eq!(vocabulary.terms()[0].surfaces, ["Sony", "索尼"]);
    assert_eq!(vocabulary.terms()[0].entity, "brand:sony");
    for (bad, says) in [
        (r#"{"id":"sony","kind":"entity"}"#, "type:name"),
        (
            r#"{"id":"brand:sony","kind":"entity","attributes":{"color":"red"}}"#,
            "no attribute of an entity",
        ),
    ] {
        let error = serde_json::from_str::<RawDocument>(bad).unwrap().check().unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
