//! Entities that may be one: pairs of a type with a score, by which rule, and what merging is worth.
//!
//! Nothing here changes the graph. Candidates come from indices (spellings less one letter, words),
//! so that time grows with the number of candidates and not with the square of the entities; only
//! encodings are compared all with all, those of the most mentioned entities of each type.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::alias::normal_form;
use super::encoding::cosine;
use super::linker::is_latin;
use super::{LinkError, encodings};
use crate::extract::Encode;
use crate::schema::NodeKind;
use crate::store::{GraphStore, Merge, View};

/// Fewest letters of names that are compared by their letters.
const LEAST_LETTERS: usize = 5;
/// A word that so many names of a type hold tells nothing.
const MOST_PER_WORD: usize = 200;
/// Entities of a type whose encodings are compared all with all, the most mentioned first.
const MOST_ENCODED: usize = 4_000;
/// Below the cosine from which mentions are linked, by so much, two entities are candidates still.
const MARGIN: f32 = 0.05;

/// Why two entities may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Their names differ in spacing, hyphens, diacritics or width alone. Score 1.
    SameSpelling,
    /// One letter more, less, other, or two in turn; no digit. Score: 1 less 1 by the letters.
    OneLetter,
    /// All words of one are in the other. Score: words of the one by words of the other.
    Words,
    /// Their encodings are near. Score: their cosine.
    Encoding,
}

/// One of two entities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The entity's name.
    pub entity: String,
    /// Pieces of evidence on edges to it.
    pub mentions: u64,
    /// Is it in the graph only because texts name it?
    pub discovered: bool,
}

/// Two entities that may be one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Their type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// The one mentioned more often; of equals, the name that sorts first.
    pub into: Side,
    /// The other.
    pub entity: Side,
    /// How alike they are, in [0, 1].
    pub score: f32,
    /// By which rule; of several, the one of the highest score.
    pub rule: Rule,
    /// What merging is worth: the score times the mentions of the one mentioned less.
    pub value: f64,
}

/// Pairs, and what is merged already.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Duplicates {
    /// The most valuable first.
    pub pairs: Vec<Pair>,
    /// Was something not compared, or are there more pairs than asked for?
    pub capped: bool,
    /// Merges that are in force.
    pub merged: Vec<Merge>,
}

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct DuplicateParams {
    /// Types of entity; all when empty.
    pub types: Vec<String>,
    /// At most so many pairs.
    pub k: usize,
}

/// The entities of one type.
struct Group {
    sides: Vec<Side>,
    forms: Vec<String>,
}

/// Scored pairs of places in a group, the first place the lower.
type Found = BTreeMap<(usize, usize), (f32, Rule)>;

/// Lists entities that may be one; without an `encoder`, by their letters and words alone.
///
/// # Errors
/// [`LinkError::Store`] and [`LinkError::Extract`].
pub fn duplicates(
    store: &GraphStore,
    encoder: Option<&dyn Encode>,
    params: &DuplicateParams,
) -> Result<Duplicates, LinkError> {
    let view = store.view();
    let merged = view.merges()?.records().to_vec();
    let mut answer = Duplicates { merged, ..Duplicates::default() };
    for (entity_type, group) in groups(&view, &params.types)? {
        let mut found = Found::new();
        same_spelling(&group, &mut found);
        one_letter(&group, &mut found);
        answer.capped |= words(&group, &mut found);
        if let Some(encoder) = encoder {
            let names = !view.schema().by_encoding(&entity_type);
            answer.capped |= near(store, encoder, &group, names, &mut found)?;
        }
        let pairs =
            found.into_iter().map(|(places, found)| pair(&entity_type, &group, places, found));
        answer.pairs.extend(pairs);
    }
    answer.pairs.sort_by(|a, b| {
        let by_worth = b.value.total_cmp(&a.value).then(b.score.total_cmp(&a.score));
        by_worth.then_with(|| {
            (&a.into.entity, &a.entity.entity).cmp(&(&b.into.entity, &b.entity.entity))
        })
    });
    answer.capped |= answer.pairs.len() > params.k;
    answer.pairs.truncate(params.k);
    Ok(answer)
}

fn pair(entity_type: &str, group: &Group, (a, b): (usize, usize), found: (f32, Rule)) -> Pair {
    let (one, other) = (&group.sides[a], &group.sides[b]);
    let (into, entity) = if one.mentions >= other.mentions { (one, other) } else { (other, one) };
    let (score, rule) = found;
    Pair {
        entity_type: entity_type.to_owned(),
        value: f64::from(score) * entity.mentions as f64,
        into: into.clone(),
        entity: entity.clone(),
        score,
        rule,
    }
}

/// Entities by type, ascending by name; those that are merged are left out.
fn groups(view: &View<'_>, types: &[String]) -> Result<BTreeMap<String, Group>, LinkError> {
    let merges = view.merges()?;
    let schema = view.schema();
    let by_text = |relation| {
        relation == schema.mentions()
            || schema.reviews.as_ref().is_some_and(|r| [r.relation, r.action].contains(&relation))
    };
    let mut sides: BTreeMap<String, BTreeMap<String, Side>> = BTreeMap::new();
    for item in view.nodes()? {
        let (id, node) = item?;
        let entity_type = node.key.entity_type();
        let wanted = types.is_empty() || types.iter().any(|wanted| wanted == entity_type);
        if node.key.kind != NodeKind::Entity || !wanted || merges.is_merged(id) {
            continue;
        }
        let (mut mentions, mut discovered) = (0, node.document.is_none());
        for item in view.edges_in(id)? {
            let (key, edge) = item?;
            mentions += u64::from(edge.count);
            discovered &= by_text(key.relation);
        }
        let (entity_type, entity) = (entity_type.to_owned(), node.key.name);
        let side = Side { entity: entity.clone(), mentions, discovered };
        sides.entry(entity_type).or_default().insert(entity, side);
    }
    let form = |side: &Side| {
        normal_form(side.entity.split_once(':').map_or(side.entity.as_str(), |(_, name)| name))
    };
    Ok(sides
        .into_iter()
        .map(|(entity_type, sides)| {
            let sides: Vec<Side> = sides.into_values().collect();
            (entity_type, Group { forms: sides.iter().map(form).collect(), sides })
        })
        .collect())
}

fn put(found: &mut Found, a: usize, b: usize, score: f32, rule: Rule) {
    let kept = found.entry((a.min(b), a.max(b))).or_insert((score, rule));
    if score > kept.0 {
        *kept = (score, rule);
    }
}

fn same_spelling(group: &Group, found: &mut Found) {
    let mut by_form: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let squeezed: Vec<String> = group.forms.iter().map(|form| form.replace(' ', "")).collect();
    for (place, form) in squeezed.iter().enumerate().filter(|(_, form)| !form.is_empty()) {
        by_form.entry(form).or_default().push(place);
    }
    for places in by_form.values() {
        for (at, a) in places.iter().enumerate() {
            for b in &places[at + 1..] {
                put(found, *a, *b, 1.0, Rule::SameSpelling);
            }
        }
    }
}

/// Two names one letter apart share a spelling less one letter of theirs, or are one less of it.
fn one_letter(group: &Group, found: &mut Found) {
    let mut by_rest: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (place, form) in group.forms.iter().enumerate() {
        let letters: Vec<char> = form.chars().collect();
        if letters.len() < LEAST_LETTERS {
            continue;
        }
        by_rest.entry(form.clone()).or_default().insert(place);
        for skipped in 0..letters.len() {
            let rest = letters.iter().enumerate().filter(|(at, _)| *at != skipped);
            by_rest.entry(rest.map(|(_, letter)| letter).collect()).or_default().insert(place);
        }
    }
    for places in by_rest.values() {
        for a in places {
            for b in places.range(a + 1..) {
                let (one, other) = (&group.forms[*a], &group.forms[*b]);
                if is_one_letter(one, other) {
                    let letters = one.chars().count().max(other.chars().count());
                    put(found, *a, *b, 1.0 - 1.0 / letters as f32, Rule::OneLetter);
                }
            }
        }
    }
}

/// Are the two one insertion, replacement or swap apart, and no digit in it? Digits number things.
fn is_one_letter(one: &str, other: &str) -> bool {
    let (mut one, mut other): (Vec<char>, Vec<char>) =
        (one.chars().collect(), other.chars().collect());
    let start = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    one.drain(..start);
    other.drain(..start);
    while let (Some(a), Some(b)) = (one.last(), other.last())
        && a == b
    {
        one.pop();
        other.pop();
    }
    let swapped = one.len() == 2 && other.len() == 2 && one[0] == other[1] && one[1] == other[0];
    let single = one.len() <= 1 && other.len() <= 1 && one.len() + other.len() > 0;
    (swapped || single) && !one.iter().chain(&other).any(|letter| letter.is_numeric())
}

/// Says whether a word was too common to be looked at.
fn words(group: &Group, found: &mut Found) -> bool {
    let words: Vec<BTreeSet<&str>> = group
        .forms
        .iter()
        .map(|form| form.split(' ').filter(|word| !word.is_empty()).collect())
        .collect();
    let mut by_word: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, words) in words.iter().enumerate() {
        for word in words {
            by_word.entry(word).or_default().push(place);
        }
    }
    let mut capped = false;
    for (place, own) in words.iter().enumerate() {
        let rarest = own.iter().map(|word| &by_word[word]).min_by_key(|places| places.len());
        let Some(places) = rarest else { continue };
        if places.len() > MOST_PER_WORD {
            capped = true;
            continue;
        }
        for other in places.iter().filter(|other| **other != place) {
            if own.len() < words[*other].len() && own.is_subset(&words[*other]) {
                let score = own.len() as f32 / words[*other].len() as f32;
                put(found, place, *other, score, Rule::Words);
            }
        }
    }
    capped
}

/// Compares encodings; names only across scripts. Says whether some were left out.
fn near(
    store: &GraphStore,
    encoder: &dyn Encode,
    group: &Group,
    names: bool,
    found: &mut Found,
) -> Result<bool, LinkError> {
    let known =
        |place: &usize| !group.forms[*place].is_empty() && encoder.reads(&group.forms[*place]);
    let mut places: Vec<usize> = (0..group.sides.len()).filter(known).collect();
    places.sort_by_key(|place| (std::cmp::Reverse(group.sides[*place].mentions), *place));
    let capped = places.len() > MOST_ENCODED;
    places.truncate(MOST_ENCODED);
    let latin: Vec<bool> = places.iter().map(|place| is_latin(&group.forms[*place])).collect();
    if names && latin.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(capped);
    }
    let forms: Vec<&str> = places.iter().map(|place| group.forms[*place].as_str()).collect();
    let vectors = encodings(store, encoder, &forms)?;
    for a in 0..places.len() {
        for b in a + 1..places.len() {
            let across = latin[a] != latin[b];
            let Some(same) = encoder.same(across).filter(|_| across || !names) else { continue };
            let score = cosine(&vectors[a], &vectors[b]);
            if score >= same - MARGIN {
                put(found, places[a], places[b], score.min(1.0), Rule::Encoding);
            }
        }
    }
    Ok(capped)
}
