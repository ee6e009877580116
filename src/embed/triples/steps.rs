//! Triples as a graph of steps: each relation is walked both ways.

use super::{Query, Triple};

/// A graph of triples, whose relations are walked both ways.
///
/// A step is a relation, walked from head to tail, or a relation plus their number, walked back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    n_relations: u32,
    /// Where each entity's steps begin, and the end of the last one's.
    offsets: Vec<u32>,
    /// Step and target, ascending, entity after entity.
    by_step: Vec<(u32, u32)>,
    /// Target and step, ascending, entity after entity.
    by_target: Vec<(u32, u32)>,
}

impl Steps {
    /// The graph of `triples`, of which a repeated one counts once. Ids beyond the numbers are left out.
    pub fn new(n_entities: u32, n_relations: u32, triples: &[Triple]) -> Self {
        let known = |triple: &&Triple| {
            triple.head.max(triple.tail) < n_entities && triple.relation < n_relations
        };
        let both = |triple: &Triple| {
            let Triple { head, relation, tail } = *triple;
            [(head, relation, tail), (tail, relation + n_relations, head)]
        };
        let mut all: Vec<(u32, u32, u32)> = triples.iter().filter(known).flat_map(both).collect();
        all.sort_unstable();
        all.dedup();
        let mut offsets = vec![0; n_entities as usize + 1];
        for (source, ..) in &all {
            offsets[*source as usize + 1] += 1;
        }
        for at in 1..offsets.len() {
            offsets[at] += offsets[at - 1];
        }
        let by_step: Vec<(u32, u32)> =
            all.iter().map(|(_, step, target)| (*step, *target)).collect();
        let mut by_target: Vec<(u32, u32)> =
            by_step.iter().map(|(step, target)| (*target, *step)).collect();
        for ends in offsets.windows(2) {
            by_target[ends[0] as usize..ends[1] as usize].sort_unstable();
        }
        Self { n_relations, offsets, by_step, by_target }
    }

    /// Number of entities.
    pub fn n_entities(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of steps: twice that of relations.
    pub fn n_steps(&self) -> usize {
        2 * self.n_relations as usize
    }

    /// The same relation the other way.
    pub fn back(&self, step: u32) -> u32 {
        if step < self.n_relations { step + self.n_relations } else { step - self.n_relations }
    }

    /// All steps from an entity: step and target, ascending.
    pub fn from(&self, entity: u32) -> &[(u32, u32)] {
        &self.by_step[self.range(entity)]
    }

    /// All steps from an entity: target and step, ascending.
    pub(super) fn targets(&self, entity: u32) -> &[(u32, u32)] {
        &self.by_target[self.range(entity)]
    }

    /// Where a step leads from an entity: pairs of the step and a target, ascending.
    pub fn along(&self, Query { entity, step }: Query) -> &[(u32, u32)] {
        part(self.from(entity), step)
    }

    /// The steps from one entity to another: pairs of the target and a step, ascending.
    pub(super) fn between(&self, source: u32, target: u32) -> &[(u32, u32)] {
        part(self.targets(source), target)
    }

    fn range(&self, entity: u32) -> std::ops::Range<usize> {
        let at = entity as usize;
        self.offsets[at] as usize..self.offsets[at + 1] as usize
    }
}

/// The pairs that begin with `key`, of ascending ones.
fn part(pairs: &[(u32, u32)], key: u32) -> &[(u32, u32)] {
    let start = pairs.partition_point(|(first, _)| *first < key);
    let rest = &pairs[start..];
    &rest[..rest.partition_point(|(first, _)| *first == key)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triple_is_walked_both_ways() {
        let triple = |head, relation, tail| Triple { head, relation, tail };
        let steps =
            Steps::new(3, 2, &[triple(0, 1, 2), triple(0, 0, 2), triple(0, 1, 2), triple(0, 1, 9)]);
        assert_eq!(steps.from(0), [(0, 2), (1, 2)]);
        assert_eq!(steps.from(1), []);
        assert_eq!(steps.from(2), [(2, 0), (3, 0)]);
        assert_eq!(steps.along(Query { entity: 2, step: 3 }), [(3, 0)]);
        assert_eq!(steps.between(0, 2), [(2, 0), (2, 1)]);
        assert_eq!((steps.back(1), steps.back(3)), (3, 1));
    }
}
