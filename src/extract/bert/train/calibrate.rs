//! Development texts: the score of an epoch, and what a confidence is worth.

use super::super::labels::Labels;
use super::super::segment::{Allowed, Segment};
use super::super::workers::Workers;
use super::sample::Sample;
use super::step::Guess;
use crate::extract::ExtractError;

/// Temperatures that are tried.
const TEMPERATURES: [f32; 9] = [0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0];
/// Thresholds of relations that are tried, in steps of a quarter around 0.
const THRESHOLDS: std::ops::RangeInclusive<i32> = -8..=8;

/// What was found in labelled texts.
#[derive(Debug, Default)]
pub(super) struct Findings<'s>(pub(super) Vec<(&'s Sample, Guess)>);

/// Right, found and labelled.
#[derive(Debug, Default)]
struct Count {
    right: usize,
    found: usize,
    labelled: usize,
}

impl Count {
    fn add<T: PartialEq>(&mut self, labelled: &[T], found: &[T]) {
        self.right += found.iter().filter(|found| labelled.contains(found)).count();
        self.found += found.len();
        self.labelled += labelled.len();
    }

    fn f1(&self) -> f64 {
        2.0 * self.right as f64 / ((self.found + self.labelled).max(1)) as f64
    }
}

impl Findings<'_> {
    /// Strict F1 of entities and of relations.
    pub(super) fn f1(&self) -> (f64, f64) {
        let mut entities = Count::default();
        for (sample, guess) in &self.0 {
            entities.add(&sample.entities, &guess.spans);
        }
        (entities.f1(), self.relations_f1(0.0))
    }

    fn relations_f1(&self, threshold: f32) -> f64 {
        type Stated = (Segment, Segment, usize);
        let mut relations = Count::default();
        for (sample, guess) in &self.0 {
            let gold: Vec<Stated> = (sample.relations.iter())
                .map(|&(head, tail, kind)| (sample.entities[head], sample.entities[tail], kind))
                .collect();
            let stated = guess.relations.iter().filter(|(.., score)| *score > threshold);
            let found: Vec<Stated> = stated
                .map(|&(head, tail, kind, _)| (guess.spans[head], guess.spans[tail], kind))
                .collect();
            relations.add(&gold, &found);
        }
        relations.f1()
    }
}

/// The labels with the temperature that makes the labels of the development texts likeliest (Guo et al. 2017)
/// and the threshold of relations with the best F1; without such texts both stay.
pub(super) fn calibrate(
    labels: &Labels,
    findings: &Findings<'_>,
    workers: &Workers,
) -> Result<Labels, ExtractError> {
    let mut labels = labels.clone();
    let findings_of = &findings.0;
    if findings_of.is_empty() {
        return Ok(labels);
    }
    let losses = workers.run(TEMPERATURES.len(), |index| {
        let loss = |(sample, guess): &(&Sample, Guess)| match sample.allowed {
            Allowed::Exactly => {
                guess.potentials.scaled(1.0 / TEMPERATURES[index]).log_loss(&sample.entities)
            }
            Allowed::AtLeast => 0.0,
        };
        Ok(findings_of.iter().map(loss).sum::<f64>())
    })?;
    let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b]));
    labels.temperature = best.map_or(1.0, |index| TEMPERATURES[index]);
    let score = |step: i32| findings.relations_f1(step as f32 / 4.0);
    let best = THRESHOLDS
        .map(|step| (score(step), step))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.abs().cmp(&a.1.abs())).then(a.1.cmp(&b.1)));
    labels.relation_threshold = best.map_or(0.0, |(_, step)| step as f32 / 4.0);
    Ok(labels)
}
