//! The formats that labelled text comes in, one file each.
//!
//! What a format has and labelled text has no place for is counted in [`Dropped`], never cut in
//! silence. A text is put together so that every offset slices back to the surface.

mod acos;
mod aste;
mod catalogue;
mod cluener;
mod conll;
mod conll04;
mod crossre;
mod duie;
mod joined;
mod marked;
mod oa_mine;
mod semeval;
mod snips;
mod tags;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Fault;
use super::file::{rows, text_of};
use super::{LabelError, Labelled, Problem};
use crate::schema::Schema;
use tags::Scheme;

/// What to convert.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file; a folder where the format is one of several files.
    pub path: &'a Path,
    /// What the fields of a catalogue are called; other formats have their own types.
    pub schema: &'a Schema,
}

/// Turns a source into labelled texts.
pub type Convert = fn(&Source<'_>) -> Result<Converted, LabelError>;

/// One row of [`CONVERTERS`].
#[derive(Clone, Copy, Debug)]
pub struct Converter {
    /// What the user types.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// How to convert.
    pub convert: Convert,
}

/// Every format, in the order the help lists them.
pub const CONVERTERS: &[Converter] = &[
    Converter {
        name: "conll",
        about: "a token and its BIO tag a line, an empty line between sentences (CrossNER, WNUT 2017, \
                MIT Movie and Restaurant, MusicRecoNER, Youku, e-commerce titles)",
        convert: |source| source.parse(|text| conll::parse(text, Scheme::Bio)),
    },
    Converter {
        name: "bieos",
        about: "the same with BIOES, BILOU or BMES tags",
        convert: |source| source.parse(|text| conll::parse(text, Scheme::Bieos)),
    },
    Converter {
        name: "conll04",
        about: "a JSON array of sentences with BILOU tags and relations (CoNLL04)",
        convert: |source| source.parse(conll04::parse),
    },
    Converter {
        name: "crossre",
        about: "JSON lines of tokens, entities and relations by token (CrossRE)",
        convert: |source| source.parse(crossre::parse),
    },
    Converter {
        name: "aste",
        about: "reviews with triplets of aspect, opinion and polarity (ASTE-Data-V2)",
        convert: |source| source.parse(aste::parse),
    },
    Converter {
        name: "acos",
        about: "reviews with quadruples of aspect, category, sentiment and opinion (ACOS)",
        convert: |source| source.parse(acos::parse),
    },
    Converter {
        name: "oa-mine",
        about: "JSON lines of product titles with the values of their attributes (OA-Mine)",
        convert: |source| source.parse(oa_mine::parse),
    },
    Converter {
        name: "snips",
        about: "a folder with seq.in and seq.out, tokens and BIO tags by line (SNIPS)",
        convert: snips::convert,
    },
    Converter {
        name: "cluener",
        about: "JSON lines of Chinese texts with spans by type and surface (CLUENER2020)",
        convert: |source| source.parse(cluener::parse),
    },
    Converter {
        name: "duie",
        about: "JSON lines of Chinese texts with triples by surface (DuIE 2.0)",
        convert: |source| source.parse(duie::parse),
    },
    Converter {
        name: "semeval",
        about: "a relation and a sentence with <e1> and <e2> a line (SemEval-2010 Task 8)",
        convert: |source| source.parse(semeval::parse),
    },
    Converter {
        name: "marked",
        about: "texts marked up by hand: {Sony|brand:s} makes {it|product:p} ## s>p makes",
        convert: |source| source.parse(marked::parse),
    },
    Converter {
        name: "catalogue",
        about: "items as `load` takes them; the values of their attributes are found in their texts",
        convert: catalogue::convert,
    },
];

/// The converter of this name.
///
/// # Errors
/// [`LabelError::UnknownFormat`], which lists the known ones.
pub fn by_name(name: &str) -> Result<&'static Converter, LabelError> {
    CONVERTERS.iter().find(|converter| converter.name == name).ok_or_else(|| {
        let known = CONVERTERS.iter().map(|converter| converter.name).collect::<Vec<_>>();
        LabelError::UnknownFormat { name: name.to_owned(), known: known.join(", ") }
    })
}

/// What a conversion gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// The labelled texts, in the order of the source.
    pub texts: Vec<Labelled>,
    /// What was left out.
    pub dropped: Dropped,
}

/// How much of a source was left out, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped(pub BTreeMap<&'static str, u64>);

impl Dropped {
    fn count(&mut self, reason: &'static str) {
        *self.0.entry(reason).or_default() += 1;
    }
}

/// What a conversion gave, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many texts.
    pub texts: usize,
    /// How many entities, by type.
    pub entities: BTreeMap<String, u64>,
    /// How many relations, by type.
    pub relations: BTreeMap<String, u64>,
    /// What was left out, by reason.
    pub dropped: Dropped,
}

impl Converted {
    /// Counts what is there.
    pub fn summary(&self) -> Summary {
        let count = |names: &mut dyn Iterator<Item = &String>| {
            let mut counts = BTreeMap::new();
            names.for_each(|name| *counts.entry(name.clone()).or_default() += 1);
            counts
        };
        let entities = self.texts.iter().flat_map(|text| &text.entities);
        let relations = self.texts.iter().flat_map(|text| &text.relations);
        Summary {
            texts: self.texts.len(),
            entities: count(&mut entities.map(|entity| &entity.entity_type)),
            relations: count(&mut relations.map(|relation| &relation.relation)),
            dropped: self.dropped.clone(),
        }
    }
}

impl Source<'_> {
    /// Converts a format of one file, given how its text is parsed.
    fn parse(
        &self,
        parse: impl FnOnce(&str) -> Result<Converted, Fault>,
    ) -> Result<Converted, LabelError> {
        parse(&text_of(self.path)?).map_err(|fault| fault.of(self.path))
    }
}

/// Converts a format of one text a line; empty lines are passed over.
fn each_line(
    text: &str,
    mut convert: impl FnMut(&str, &mut Dropped) -> Result<Labelled, Problem>,
) -> Result<Converted, Fault> {
    let mut converted = Converted::default();
    for (line, row) in rows(text) {
        let labelled = convert(row, &mut converted.dropped);
        converted.texts.push(labelled.map_err(|problem| Fault { line, problem })?);
    }
    Ok(converted)
}

/// The same for lines of JSON.
fn each_json<T: DeserializeOwned>(
    text: &str,
    mut convert: impl FnMut(T, &mut Dropped) -> Result<Labelled, Problem>,
) -> Result<Converted, Fault> {
    each_line(text, |row, dropped| convert(serde_json::from_str(row)?, dropped))
}

/// How many characters the first `byte` bytes of a text are.
fn chars_before(text: &str, byte: usize) -> usize {
    text[..byte].chars().count()
}

#[cfg(test)]
mod tests;
