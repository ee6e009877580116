//! Scores of an extraction against labelled text.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::extract::Extraction;
use crate::extract::label::Labelled;

/// Bins of the calibration error.
const N_BINS: usize = 15;

/// How much of what was found is right, and how much of what is right was found; all in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    /// Right ones among the found; 0 when nothing was found.
    pub precision: f64,
    /// Found ones among the right; 0 when there is nothing to find.
    pub recall: f64,
    /// Their harmonic mean; 0 when both are 0.
    pub f1: f64,
}

/// The scores of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TypeScores {
    /// Its scores.
    #[serde(flatten)]
    pub scores: Scores,
    /// How many there are to find.
    pub support: usize,
}

/// Entities: right are both ends of the span, and the type.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EntityScores {
    /// Over all entities (micro average).
    #[serde(flatten)]
    pub scores: Scores,
    /// Mean of the F1 of every type that is labelled or was found.
    pub macro_f1: f64,
    /// How many there are to find.
    pub support: usize,
    /// By type.
    pub by_type: BTreeMap<String, TypeScores>,
}

/// Relations: right are the spans and types of both ends, the direction, and the relation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RelationScores {
    /// Over all relations (micro average).
    #[serde(flatten)]
    pub scores: Scores,
    /// Mean of the F1 of every type that is labelled or was found.
    pub macro_f1: f64,
    /// How many there are to find.
    pub support: usize,
    /// By type.
    pub by_type: BTreeMap<String, TypeScores>,
    /// The same without asking for the types of the two ends.
    pub boundaries: TypeScores,
}

/// What [`score`] says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExtractionScores {
    /// Of the entities.
    pub entities: EntityScores,
    /// Of the relations.
    pub relations: RelationScores,
    /// How far confidence and being right lie apart, in [0, 1].
    pub calibration_error: f64,
    /// How many texts were scored.
    pub n_texts: usize,
}

/// Start and end, in characters.
type At = (usize, usize);
/// Where an entity stands, and its type.
type Entity<'a> = (At, &'a str);
/// Head, relation, tail.
type Relation<'a, T> = (T, &'a str, T);

/// Scores what was found in texts against what is labelled in them.
///
/// # Arguments
/// * `gold`: the labelled texts. A label that is given twice counts once. Where a text is not
///   `complete`, precision reads low, since what is right may be unlabelled.
/// * `found`: one extraction per text, in the same order; a text without one has nothing found.
///
/// # Returns
/// Strict scores, as in the papers on joint extraction: an entity is right when span and type are,
/// a relation when both its entities and its type are. Macro averages are over the types on either
/// side, as seqeval has them. The calibration error is the expected one over 15 bins of equal width:
/// the mean over found mentions of the distance between a bin's mean confidence and its share of
/// right ones. What cannot be divided is 0.
///
/// # Source
/// Bekoulis et al., "Joint entity recognition and relation extraction as a multi-head selection
/// problem", 2018 (strict, boundaries); Naeini, Cooper & Hauskrecht, "Obtaining Well Calibrated
/// Probabilities Using Bayesian Binning", AAAI 2015.
pub fn score(gold: &[Labelled], found: &[Extraction]) -> ExtractionScores {
    let mut entities = Tally::default();
    let mut relations = Tally::default();
    let mut boundaries = Tally::default();
    let mut bins = [Bin::default(); N_BINS];
    let nothing = Extraction::default();
    for (place, labelled) in gold.iter().enumerate() {
        let extraction = found.get(place).unwrap_or(&nothing);
        let (there, seen) = (entities_of(labelled), mentions_of(extraction));
        let right: BTreeSet<Entity<'_>> = there.iter().copied().collect();
        for (mention, entity) in extraction.mentions.iter().zip(&seen) {
            Bin::add(&mut bins, f64::from(mention.confidence), right.contains(entity));
        }
        let wanted = labelled.relations.iter();
        let wanted = wanted.map(|r| (r.head, r.relation.as_str(), r.tail));
        let wanted = between(&there, wanted);
        let got = extraction.relations.iter();
        let got = between(&seen, got.map(|r| (r.head, r.relation.as_str(), r.tail)));
        let untyped = |((head, _), relation, (tail, _)): &Relation<'_, Entity<'_>>| {
            ((head.0, head.1, tail.0, tail.1), (*relation).to_owned())
        };
        boundaries.add(
            &wanted.iter().map(untyped).collect(),
            &got.iter().map(untyped).collect(),
            |_| "",
        );
        entities.add(&right, &seen.into_iter().collect(), |(_, entity_type)| entity_type);
        relations.add(&wanted, &got, |(_, relation, _)| relation);
    }
    let entities = EntityScores {
        scores: entities.total().scores,
        macro_f1: entities.macro_f1(),
        support: entities.total().support,
        by_type: entities.by_type(),
    };
    let relations = RelationScores {
        scores: relations.total().scores,
        macro_f1: relations.macro_f1(),
        support: relations.total().support,
        by_type: relations.by_type(),
        boundaries: boundaries.total(),
    };
    let calibration_error = Bin::error(&bins);
    ExtractionScores { entities, relations, calibration_error, n_texts: gold.len() }
}

fn entities_of(labelled: &Labelled) -> Vec<Entity<'_>> {
    labelled.entities.iter().map(|e| ((e.start, e.end), e.entity_type.as_str())).collect()
}

fn mentions_of(extraction: &Extraction) -> Vec<Entity<'_>> {
    let at = |start: u32, end: u32| (start as usize, end as usize);
    let mentions = extraction.mentions.iter();
    mentions.map(|m| (at(m.span.char_start, m.span.char_end), m.entity_type.as_str())).collect()
}

/// The relations with their entities in place of indices; those that name none are no relations.
fn between<'a>(
    entities: &[Entity<'a>],
    relations: impl Iterator<Item = (usize, &'a str, usize)>,
) -> BTreeSet<Relation<'a, Entity<'a>>> {
    let resolved = relations.filter_map(|(head, relation, tail)| {
        Some((*entities.get(head)?, relation, *entities.get(tail)?))
    });
    resolved.collect()
}

#[derive(Clone, Copy, Default)]
struct Counts {
    labelled: usize,
    found: usize,
    right: usize,
}

/// Counts by type.
#[derive(Default)]
struct Tally(BTreeMap<String, Counts>);

impl Tally {
    /// Adds the labels of one text and what was found in it.
    fn add<T: Ord>(
        &mut self,
        labelled: &BTreeSet<T>,
        found: &BTreeSet<T>,
        type_of: impl Fn(&T) -> &str,
    ) {
        for one in labelled {
            self.of(type_of(one)).labelled += 1;
        }
        for one in found {
            let counts = self.of(type_of(one));
            counts.found += 1;
            counts.right += usize::from(labelled.contains(one));
        }
    }

    fn of(&mut self, name: &str) -> &mut Counts {
        self.0.entry(name.to_owned()).or_default()
    }

    fn total(&self) -> TypeScores {
        let sum = self.0.values().fold(Counts::default(), |sum, one| Counts {
            labelled: sum.labelled + one.labelled,
            found: sum.found + one.found,
            right: sum.right + one.right,
        });
        sum.scores()
    }

    fn by_type(&self) -> BTreeMap<String, TypeScores> {
        self.0.iter().map(|(name, counts)| (name.clone(), counts.scores())).collect()
    }

    fn macro_f1(&self) -> f64 {
        let sum: f64 = self.0.values().map(|counts| counts.scores().scores.f1).sum();
        share(sum, self.0.len() as f64)
    }
}

impl Counts {
    fn scores(&self) -> TypeScores {
        let [labelled, found, right] =
            [self.labelled, self.found, self.right].map(|count| count as f64);
        let scores = Scores {
            precision: share(right, found),
            recall: share(right, labelled),
            f1: share(2.0 * right, found + labelled),
        };
        TypeScores { scores, support: self.labelled }
    }
}

/// Found mentions of like confidence.
#[derive(Clone, Copy, Default)]
struct Bin {
    n: usize,
    right: usize,
    confidence: f64,
}

impl Bin {
    fn add(bins: &mut [Self; N_BINS], confidence: f64, right: bool) {
        let confidence = confidence.clamp(0.0, 1.0);
        let bin = &mut bins[((confidence * N_BINS as f64) as usize).min(N_BINS - 1)];
        bin.n += 1;
        bin.right += usize::from(right);
        bin.confidence += confidence;
    }

    fn error(bins: &[Self; N_BINS]) -> f64 {
        let n: usize = bins.iter().map(|bin| bin.n).sum();
        let apart = bins.iter().map(|bin| (bin.confidence - bin.right as f64).abs());
        share(apart.sum(), n as f64)
    }
}

/// `part` of `whole`; 0 of nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests;
