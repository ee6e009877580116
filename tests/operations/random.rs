//! Random names, events, documents and what is read in texts. Names are few, so that everything meets.

use predilect::event::{Document, NodeKey, RawDocument, RawEvent};
use predilect::ingest::mutations;
use predilect::schema::{NodeKind, Schema, Timestamp};
use predilect::store::{Evidence, ExtractionState, Fact, Merge, Mutation, Phrase};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::model::Model;

const USERS: u32 = 40;
const ITEMS: u32 = 60;
const WORDS: [&str; 8] = ["sand", "worm", "Spice", "sea", "Sea", "moon", "tide", "SAND"];
const ACTIONS: [&str; 7] =
    ["viewed", "clicked", "bought", "rated", "reviewed", "dismissed", "searched"];
/// 2024-01-01.
const START: i64 = 1_704_067_200_000;
const HOUR: i64 = 3_600_000;

#[derive(Default)]
pub struct Names {
    n_events: u64,
}

fn entity(of: &str, word: &str) -> NodeKey {
    NodeKey::new(NodeKind::Entity, format!("{of}:{}", word.to_lowercase())).unwrap()
}

fn word(random: &mut ChaCha8Rng) -> &'static str {
    WORDS.choose(random).unwrap()
}

pub fn fact_of(schema: &Schema, raw: RawEvent) -> Fact {
    match mutations::of_event(raw.check(schema).unwrap()) {
        Mutation::Add(fact) => fact,
        other => panic!("{other:?}"),
    }
}

impl Names {
    /// A time on the hour, so that many are the same.
    pub fn millis(random: &mut ChaCha8Rng) -> i64 {
        START + random.random_range(0..9_000) * HOUR
    }

    /// An event under a new id, or under one that is known.
    pub fn new_event(
        &mut self,
        random: &mut ChaCha8Rng,
        event_id: Option<&str>,
    ) -> (String, RawEvent) {
        let event_id = event_id.map_or_else(
            || {
                self.n_events += 1;
                format!("e{}", self.n_events)
            },
            str::to_owned,
        );
        let action = *ACTIONS.choose(random).unwrap();
        let (kind, target) = if action == "searched" {
            ("entity", entity("tag", word(random)).name)
        } else {
            ("item", format!("i{}", random.random_range(0..ITEMS)))
        };
        let text = (action == "reviewed" && random.random_bool(0.7))
            .then(|| format!("the {} is {}", word(random), word(random)));
        let value = (action == "rated").then(|| f64::from(random.random_range(0..=10)));
        let raw = RawEvent {
            event_id: event_id.clone(),
            user: format!("u{}", random.random_range(0..USERS)),
            target,
            target_kind: Some(kind.to_owned()),
            action: action.to_owned(),
            at: Self::millis(random).to_string(),
            value,
            text,
            ..RawEvent::default()
        };
        (event_id, raw)
    }

    /// An event that is there.
    pub fn event(&mut self, random: &mut ChaCha8Rng, model: &Model) -> Option<(String, Fact)> {
        let from = self.any_event_id(random);
        let after = model.events.range(from..).next();
        after.or_else(|| model.events.iter().next()).map(|(id, fact)| (id.clone(), fact.clone()))
    }

    /// The id of an event that is there, was, or will be.
    pub fn any_event_id(&mut self, random: &mut ChaCha8Rng) -> String {
        format!("e{}", random.random_range(0..self.n_events + 2))
    }

    pub fn node(random: &mut ChaCha8Rng) -> NodeKey {
        match random.random_range(0..4) {
            0 => {
                NodeKey::new(NodeKind::User, format!("u{}", random.random_range(0..USERS))).unwrap()
            }
            1 => entity(["tag", "brand", "aspect"].choose(random).unwrap(), word(random)),
            _ => {
                NodeKey::new(NodeKind::Item, format!("i{}", random.random_range(0..ITEMS))).unwrap()
            }
        }
    }

    pub fn document(random: &mut ChaCha8Rng) -> (NodeKey, Document) {
        let mut document = json!({ "id": format!("i{}", random.random_range(0..ITEMS)) });
        if random.random_bool(0.6) {
            document["text"] = json!({ "title": format!("{} and {}", word(random), word(random)) });
        }
        let mut attributes = json!({});
        if random.random_bool(0.7) {
            attributes["brand"] = json!(word(random));
        }
        let tags: Vec<_> = (0..random.random_range(0..4)).map(|_| word(random)).collect();
        attributes["tag"] = json!(tags);
        if random.random_bool(0.5) {
            attributes["price"] = json!(random.random_range(1..100));
        }
        document["attributes"] = attributes;
        serde_json::from_value::<RawDocument>(document).unwrap().check().unwrap()
    }

    /// What an extractor might find in a document.
    pub fn mentions(
        random: &mut ChaCha8Rng,
        schema: &Schema,
        key: &NodeKey,
    ) -> (Vec<Fact>, ExtractionState) {
        let mut said: Vec<Fact> = Vec::new();
        for start in 0..random.random_range(0..4_u32) {
            let surface = word(random);
            said.push(Fact {
                source: key.clone(),
                relation: schema.mentions(),
                target: entity("tag", surface),
                at: Timestamp::MIN,
                evidence: Evidence::Mention {
                    field: "title".to_owned(),
                    bytes: (start, start + 3),
                    chars: (start, start + 3),
                    surface: surface.to_owned(),
                    confidence: random.random_range(0.5..1.0),
                    method: "surface".to_owned(),
                },
            });
        }
        (said, Self::state(random))
    }

    /// What an extractor might read in a review.
    pub fn opinions(
        random: &mut ChaCha8Rng,
        schema: &Schema,
        event_id: &str,
        review: &Fact,
    ) -> (Vec<Fact>, ExtractionState) {
        let rules = schema.reviews.as_ref().unwrap();
        let mut said = Vec::new();
        for start in 0..random.random_range(0..3_u32) {
            let surface = word(random);
            let phrase = |surface: &str| Phrase {
                bytes: (start, start + 3),
                chars: (start, start + 3),
                surface: surface.to_owned(),
            };
            let confidence = random.random_range(0.5_f32..1.0);
            let ends =
                [(&review.source, rules.action, -3.0), (&review.target, rules.relation, 1.0)];
            for (source, relation, weight) in ends {
                said.push(Fact {
                    source: source.clone(),
                    relation,
                    target: entity("aspect", surface),
                    at: review.at,
                    evidence: Evidence::Opinion {
                        event_id: event_id.to_owned(),
                        strength: weight * f64::from(confidence),
                        polarity: "negative".to_owned(),
                        confidence,
                        aspect: phrase(surface),
                        opinion: phrase("poor"),
                    },
                });
            }
        }
        (said, Self::state(random))
    }

    fn state(random: &mut ChaCha8Rng) -> ExtractionState {
        let byte = random.random_range(0..3_u8);
        ExtractionState { text: [byte; 32], vocabulary: [1; 32], version: "v".to_owned() }
    }

    pub fn merge(random: &mut ChaCha8Rng) -> Merge {
        let of = *["tag", "brand", "aspect"].choose(random).unwrap();
        let (entity_key, into) = (entity(of, word(random)), entity(of, word(random)));
        let at = Timestamp::from_millis(Self::millis(random)).unwrap();
        Merge::new(entity_key, into, at, "test", "")
    }
}
