//! Nodes and edges as the store has them: read by several threads, each a range of ids at a time, and put
//! together in the order of the ids, so that the number of threads never shows.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::SnapshotError;
use super::names::Name;
use crate::graph::{EdgeData, accumulate};
use crate::schema::{RelationId, Schema, Timestamp};
use crate::store::{Edge, EdgeKey, Merges, NodeId, ScannedEdge, StoreError, View, shares};

/// Ranges in which the nodes of a kind are read.
const NODE_SHARES: u64 = 8;
/// Ranges in which the edges are read, at most, and nodes of each, at least.
const EDGE_SHARES: usize = 256;
const NODES_OF_SHARE: usize = 500;

/// Every node that is read as itself, ascending by id.
#[derive(Default)]
pub(super) struct Nodes {
    pub ids: Vec<NodeId>,
    pub names: Vec<Name>,
    /// Whether a document gives it a title.
    pub titled: Vec<bool>,
}

impl Nodes {
    pub fn read(view: &View<'_>, merges: &Merges) -> Result<Self, StoreError> {
        let parts: Vec<_> = shares(NODE_SHARES)
            .into_par_iter()
            .map(|(start, end)| Self::between(view, merges, start, end))
            .collect::<Result<_, _>>()?;
        let n_nodes = parts.iter().map(|part| part.ids.len()).sum();
        let mut nodes = Self {
            ids: Vec::with_capacity(n_nodes),
            names: Vec::with_capacity(n_nodes),
            titled: Vec::with_capacity(n_nodes),
        };
        for part in parts {
            nodes.ids.extend(part.ids);
            nodes.names.extend(part.names);
            nodes.titled.extend(part.titled);
        }
        Ok(nodes)
    }

    fn between(
        view: &View<'_>,
        merges: &Merges,
        start: NodeId,
        end: Option<NodeId>,
    ) -> Result<Self, StoreError> {
        let mut nodes = Self::default();
        view.visit_nodes(start, end, &mut |id, node| {
            if !merges.is_merged(id) {
                nodes.ids.push(id);
                nodes.titled.push(node.document.as_ref().is_some_and(|it| it.title().is_some()));
                nodes.names.push(Name::of(node, None));
            }
        })?;
        Ok(nodes)
    }
}

/// Where each id is in an ascending list. Ids are hashes, so their upper bits nearly tell.
pub(super) struct Places<'a> {
    ids: &'a [NodeId],
    /// By upper bits: the first id that has them, or more.
    starts: Vec<u32>,
    shift: u32,
}

impl<'a> Places<'a> {
    pub fn new(ids: &'a [NodeId]) -> Self {
        // Three bits for the kind, and about as many beginnings of a hash as there are ids.
        let n_bits = (ids.len().max(1).ilog2() + 3).min(30);
        let shift = u64::BITS - n_bits;
        let mut starts = vec![0_u32; (1 << n_bits) + 1];
        for id in ids {
            starts[(id.0 >> shift) as usize + 1] += 1;
        }
        accumulate(&mut starts);
        Self { ids, starts, shift }
    }

    fn find(&self, id: NodeId) -> Option<u32> {
        let at = (id.0 >> self.shift) as usize;
        let (start, end) = (self.starts[at] as usize, self.starts[at + 1] as usize);
        let place = self.ids[start..end].binary_search(&id).ok()?;
        u32::try_from(start + place).ok()
    }

    /// Ranges that have all ids there may be, each with about as many of the list.
    fn shares(&self) -> Vec<(NodeId, Option<NodeId>)> {
        let n = (self.ids.len() / NODES_OF_SHARE).clamp(1, EDGE_SHARES);
        let starts = (1..n).map(|share| self.ids[share * self.ids.len() / n]);
        let starts: Vec<_> = std::iter::once(NodeId(0)).chain(starts).collect();
        let ends = starts.iter().copied().skip(1).map(Some).chain([None]);
        starts.iter().copied().zip(ends).collect()
    }
}

/// How often entities are spelled in which way: by the catalogue, and by texts.
pub(super) type Spellings = [HashMap<String, usize>; 2];

/// What a scan of edges tells.
#[derive(Default)]
pub(super) struct Read {
    /// Ends and data, ascending, in parts that ascend.
    pub parts: Vec<Vec<(u32, u32, EdgeData)>>,
    /// The time of the last event.
    pub last: Option<Timestamp>,
    /// By entity.
    pub spellings: HashMap<u32, Spellings>,
}

impl Read {
    /// Every edge as it is read.
    pub fn all(
        view: &View<'_>,
        merges: &Merges,
        places: &Places<'_>,
    ) -> Result<Self, SnapshotError> {
        let united = view.united_edges(merges, Timestamp::MAX)?;
        let scan = |(start, end)| {
            let mut part = Part::new(view.schema(), places);
            let first = |source| EdgeKey { source, relation: RelationId(0), target: NodeId(0) };
            let united: &BTreeMap<EdgeKey, Edge> = &united;
            let mut united = match end {
                Some(end) => united.range(first(start)..first(end)),
                None => united.range(first(start)..),
            }
            .peekable();
            view.visit_edges(start, end, &mut |edge| {
                if !merges.touches(&edge.key) {
                    while let Some(before) = united.next_if(|(key, _)| **key < edge.key) {
                        part.add(scanned(before));
                    }
                    part.add(edge);
                }
                Ok(())
            })?;
            united.for_each(|edge| part.add(scanned(edge)));
            Ok::<Self, SnapshotError>(part.read)
        };
        let parts: Vec<_> = places.shares().into_par_iter().map(scan).collect::<Result<_, _>>()?;
        let mut read = Self::default();
        for part in parts {
            read.parts.extend(part.parts);
            read.last = read.last.max(part.last);
            for (target, spellings) in part.spellings {
                let known = read.spellings.entry(target).or_default();
                for (known, spellings) in known.iter_mut().zip(spellings) {
                    for (spelling, count) in spellings {
                        *known.entry(spelling).or_default() += count;
                    }
                }
            }
        }
        Ok(read)
    }

    /// Every edge as the evidence up to a time makes it.
    pub fn until(
        view: &View<'_>,
        merges: &Merges,
        places: &Places<'_>,
        until: Timestamp,
    ) -> Result<Self, SnapshotError> {
        let mut part = Part::new(view.schema(), places);
        for item in view.edges_as_read(merges, Some(until))? {
            let (key, edge) = item?;
            part.add(scanned((&key, &edge)));
        }
        Ok(part.read)
    }

    /// The edges in one row.
    pub fn edges(
        parts: Vec<Vec<(u32, u32, EdgeData)>>,
    ) -> impl Iterator<Item = (u32, u32, EdgeData)> {
        let n_edges = parts.iter().map(Vec::len).sum();
        Counted { edges: parts.into_iter().flatten(), n_edges }
    }
}

/// An iterator that knows how many come, so that room is made for all of them at once.
struct Counted<I> {
    edges: I,
    n_edges: usize,
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        self.n_edges = self.n_edges.saturating_sub(1);
        self.edges.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.n_edges, Some(self.n_edges))
    }
}

fn scanned<'a>((key, edge): (&EdgeKey, &'a Edge)) -> ScannedEdge<'a> {
    ScannedEdge { key: *key, last: edge.last, sum: edge.sum, surface: edge.surface.as_deref() }
}

/// The edges of a range.
struct Part<'a> {
    schema: &'a Schema,
    places: &'a Places<'a>,
    /// The source of the last edge, and its place.
    source: Option<(NodeId, Option<u32>)>,
    read: Read,
}

impl<'a> Part<'a> {
    fn new(schema: &'a Schema, places: &'a Places<'a>) -> Self {
        let read = Read { parts: vec![Vec::new()], ..Read::default() };
        Self { schema, places, source: None, read }
    }

    fn add(&mut self, edge: ScannedEdge<'_>) {
        let EdgeKey { source: id, relation, target } = edge.key;
        if self.schema.relation(relation).is_some_and(|it| it.half_life_days.is_some()) {
            self.read.last = self.read.last.max(Some(edge.last));
        }
        let source = match self.source {
            Some((known, place)) if known == id => place,
            _ => self.places.find(id),
        };
        self.source = Some((id, source));
        let (Some(source), Some(target)) = (source, self.places.find(target)) else { return };
        let data = EdgeData::new(relation, edge.sum as f32, edge.last);
        self.read.parts[0].push((source, target, data));
        if let Some(surface) = edge.surface {
            let spellings = self.read.spellings.entry(target).or_default();
            let of_kind = &mut spellings[usize::from(by_text(self.schema, relation))];
            match of_kind.get_mut(surface) {
                Some(count) => *count += 1,
                None => drop(of_kind.insert(surface.to_owned(), 1)),
            }
        }
    }
}

/// Is the target spelled by a text, rather than by a catalogue?
fn by_text(schema: &Schema, relation: RelationId) -> bool {
    let by_review =
        |rules: &crate::schema::ReviewRules| [rules.relation, rules.action].contains(&relation);
    relation == schema.mentions() || schema.reviews.as_ref().is_some_and(by_review)
}
