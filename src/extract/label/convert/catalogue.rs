//! `catalogue`: the values of items' attributes label the items' own texts (distant supervision).
//!
//! Every text field of an item becomes one text, and is labelled by
//!
//! 1. the item's own values, whatever they are;
//! 2. values of other items that the catalogue itself vouches for: at least [`MIN_ITEMS`] items
//!    have the value, all under one type, and of the items whose texts hold it and that have any
//!    value of that type, at least [`MIN_AGREEMENT`] have this one. A maker called "Free" labels
//!    its own titles, but not "gluten free": most texts with the word are of other makers. Items
//!    without a value of the type say nothing, so a catalogue with gaps still labels.
//!
//! The longest value wins, an item's own before another's, then the earlier. A value is matched as
//! the extractor `lexicon` matches names: letter case, width, accents and hyphens do not matter,
//! and it neither begins nor ends inside a longer word. Its type is that of the schema for the
//! field, or else the field's name. Not taken are values of one character or without a letter, and
//! a value that an item has under two types.
//!
//! Such labels are noisy by nature: what the catalogue does not list is still named, in other words
//! or in part ("Quest" for "Quest 4"). So every text is marked as not complete: what is unlabelled
//! is no negative. Texts in which nothing was found are left out, as nothing can be learnt there.
//!
//! Source: Mintz, Bills, Snow & Jurafsky, "Distant supervision for relation extraction without
//! labeled data", ACL 2009; the second rule stands for their aggregation over sentences.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Converted, Dropped, Fault, LabelError, Labelled, Problem, Source, chars_before};
use super::{rows, text_of};
use crate::event::{Document, RawDocument, Value};
use crate::extract::normalize::{is_word, normalize};
use crate::extract::surface::{Match, resolve};
use crate::extract::{Lexicon, Term, Vocabulary};
use crate::schema::Schema;

/// So many items must have a value before it labels the texts of others.
const MIN_ITEMS: u32 = 2;
/// The share of the items that could have a value, as their texts hold it, and do; in [0, 1].
const MIN_AGREEMENT: f64 = 0.5;

/// An item's texts, and the types of its values by their normalised form.
struct Item {
    texts: Vec<String>,
    types: BTreeMap<String, BTreeSet<String>>,
}

/// What the whole catalogue knows of a value.
#[derive(Default)]
struct Known {
    types: BTreeSet<String>,
    surfaces: BTreeSet<String>,
    /// Items that have it.
    n_items: u32,
    /// Items whose texts hold it, and that have some value of its type.
    n_held: u32,
    /// Those of them that have this value.
    n_agreed: u32,
}

type Values = BTreeMap<String, Known>;

pub(super) fn convert(source: &Source<'_>) -> Result<Converted, LabelError> {
    let text = text_of(source.path)?;
    let mut converted = Converted::default();
    let mut values = Values::new();
    let mut items = Vec::new();
    for (line, row) in rows(&text) {
        let document = document(row).map_err(|problem| Fault { line, problem }.of(source.path))?;
        items.push(item(document, source.schema, &mut values, &mut converted.dropped));
    }
    let vocabulary = vocabulary(&values);
    let lexicon = Lexicon::default();
    let matcher = lexicon.matcher(&vocabulary)?;
    let hits = |text: &String| matcher.hits(text);
    let hits: Vec<Vec<Vec<Match>>> =
        items.iter().map(|item| item.texts.iter().map(hits).collect()).collect();
    let form = |found: &Match| vocabulary.terms()[found.term].entity.as_str();
    for (item, hits) in items.iter().zip(&hits) {
        count(item, &hits.iter().flatten().map(form).collect(), &mut values);
    }
    for (item, hits) in items.iter().zip(hits) {
        for (text, hits) in item.texts.iter().zip(hits) {
            let found = hits.into_iter().filter_map(|found| {
                let (entity_type, own) = type_of(form(&found), item, &values)?;
                Some((found.start, found.end, own, entity_type))
            });
            match labelled(text, found.collect()) {
                Some(labelled) => converted.texts.push(labelled),
                None => converted.dropped.count("text that holds no value"),
            }
        }
    }
    Ok(converted)
}

fn document(row: &str) -> Result<Document, Problem> {
    let raw: RawDocument = serde_json::from_str(row)?;
    Ok(raw.check()?.1)
}

/// Takes what labels from a document, and tells the catalogue of its values.
fn item(document: Document, schema: &Schema, values: &mut Values, dropped: &mut Dropped) -> Item {
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (field, list) in document.attributes {
        let entity_type = schema.attribute(&field).entity_type;
        for value in list {
            let Value::Text(surface) = value else { continue };
            let form = normalize(&surface);
            let n_word = form.chars().filter(|&c| is_word(c)).count();
            if n_word < 2 || !form.chars().any(char::is_alphabetic) {
                dropped.count("value of one character or without a letter");
                continue;
            }
            types.entry(form.clone()).or_default().insert(entity_type.clone());
            values.entry(form).or_default().surfaces.insert(surface);
        }
    }
    for (form, of_item) in &types {
        if of_item.len() > 1 {
            dropped.count("value of two types of one item");
        }
        let known = values.entry(form.clone()).or_default();
        known.types.extend(of_item.iter().cloned());
        known.n_items += 1;
    }
    Item { texts: document.text.into_values().collect(), types }
}

/// Tells the catalogue which values an item's texts hold.
fn count(item: &Item, held: &BTreeSet<&str>, values: &mut Values) {
    let filled: BTreeSet<&String> = item.types.values().flatten().collect();
    for &form in held {
        let Some(known) = values.get_mut(form) else { continue };
        if known.types.iter().any(|entity_type| filled.contains(entity_type)) {
            known.n_held += 1;
            known.n_agreed += u32::from(item.types.contains_key(form));
        }
    }
}

/// One term per form; its types are looked up once it is found.
fn vocabulary(values: &Values) -> Vocabulary {
    let terms = values.iter().map(|(form, known)| Term {
        entity: form.clone(),
        entity_type: String::new(),
        surfaces: known.surfaces.iter().cloned().collect(),
        by_encoding: false,
    });
    Vocabulary::new(terms.collect())
}

/// The type that a value has in a text of `item`, and whether the item itself says so.
fn type_of<'a>(form: &str, item: &'a Item, values: &'a Values) -> Option<(&'a str, bool)> {
    let only = |types: &'a BTreeSet<String>| types.first().filter(|_| types.len() == 1);
    if let Some(types) = item.types.get(form) {
        return only(types).map(|entity_type| (entity_type.as_str(), true));
    }
    let known = values.get(form)?;
    let agreement = f64::from(known.n_agreed) / f64::from(known.n_held.max(1));
    let vouched = known.n_items >= MIN_ITEMS && agreement >= MIN_AGREEMENT;
    only(&known.types).filter(|_| vouched).map(|entity_type| (entity_type.as_str(), false))
}

/// The text with its labels: start and end in bytes, whether the item's own, and the type.
fn labelled(text: &str, found: Vec<(usize, usize, bool, &str)>) -> Option<Labelled> {
    let rank = |&(start, end, own, entity_type): &(usize, usize, bool, &'_ str)| {
        (Reverse(end - start), Reverse(own), start, entity_type.to_owned())
    };
    let kept = resolve(found, |&(start, end, ..)| (start, end), |a, b| rank(a).cmp(&rank(b)));
    if kept.is_empty() {
        return None;
    }
    let mut labelled = Labelled { complete: false, ..Labelled::new(text) };
    for (start, end, _, entity_type) in kept {
        let (start, end) = (chars_before(text, start), chars_before(text, end));
        labelled.add_entity(start, end, entity_type);
    }
    Some(labelled)
}
