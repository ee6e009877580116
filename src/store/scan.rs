//! All of the graph in one pass, or in several that share it out: what a snapshot is built from.
//!
//! Nothing is allocated for an edge. Ids are hashes, so equal shares of their numbers hold about as many
//! nodes of a kind each.

use serde::Deserialize;

use super::corrupt;
use super::packed::Numbers;
use super::record::{Edge, EdgeKey, Evidence, Node, NodeId, decode};
use super::view::View;
use super::{Space, StoreError, keyspace};
use crate::schema::{NodeKind, Timestamp};

/// An edge as a scan passes it by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScannedEdge<'a> {
    /// Its ends and what it means.
    pub key: EdgeKey,
    /// The last evidence's time.
    pub last: Timestamp,
    /// Strength at `last`.
    pub sum: f64,
    /// The spelling of the target that sorts first, where evidence spells it.
    pub surface: Option<&'a str>,
}

/// The record of an edge, borrowed; see [`Edge`](super::Edge).
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(rename = "count")]
    _count: u32,
    #[serde(rename = "first")]
    _first: Timestamp,
    last: Timestamp,
    sum: f64,
    #[serde(borrow)]
    surface: Option<&'a str>,
}

/// What is called with each edge and its record.
type EachRecord<'a> = &'a mut dyn FnMut(EdgeKey, Option<Record<'_>>) -> Result<(), StoreError>;

impl View<'_> {
    /// What tells this moment from every other, also of other stores on disk.
    ///
    /// # Errors
    /// Those of a read.
    pub fn stamp(&self) -> Result<Vec<u8>, StoreError> {
        self.reader.stamp()
    }

    /// Calls `each` with every node whose id is in a range, ascending; without an end, with all from the
    /// start on.
    ///
    /// # Errors
    /// Those of reads.
    pub fn visit_nodes(
        &self,
        start: NodeId,
        end: Option<NodeId>,
        each: &mut dyn FnMut(NodeId, Node),
    ) -> Result<(), StoreError> {
        let end = end.map(keyspace::node);
        let end = end.as_ref().map(<[u8; 8]>::as_slice);
        self.reader.visit(Space::Nodes, &keyspace::node(start), end, &mut |key, value| {
            let id = keyspace::decode_node(key).ok_or_else(|| corrupt(Space::Nodes, key))?;
            each(id, decode(Space::Nodes, key, value)?);
            Ok(())
        })
    }

    /// Calls `each` with every edge that starts at a node of a range, ascending by source, relation and
    /// target; without an end, at any from the start on. Merges are not followed.
    ///
    /// # Errors
    /// Those of reads, and those of `each`.
    pub fn visit_edges(
        &self,
        start: NodeId,
        end: Option<NodeId>,
        each: &mut dyn FnMut(ScannedEdge<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if let Some(numbers) = self.numbers.as_deref() {
            return self.visit_with_packed(numbers, start, end, each);
        }
        self.visit_records(start, end, &mut |key, record| {
            record.map_or(Ok(()), |Record { last, sum, surface, .. }| {
                each(ScannedEdge { key, last, sum, surface })
            })
        })
    }

    /// Calls `each` with the record of every edge that has one; none where the edge was packed and is gone.
    fn visit_records(
        &self,
        start: NodeId,
        end: Option<NodeId>,
        each: EachRecord<'_>,
    ) -> Result<(), StoreError> {
        let end = end.map(keyspace::node);
        let end = end.as_ref().map(<[u8; 8]>::as_slice);
        self.reader.visit(Space::Out, &keyspace::node(start), end, &mut |key, value| {
            let edge = keyspace::decode_out(key).ok_or_else(|| corrupt(Space::Out, key))?;
            let record = (!value.is_empty()).then(|| decode(Space::Out, key, value));
            each(edge, record.transpose()?)
        })
    }

    /// [`View::visit_edges`] where edges are packed: the records of the range are kept meanwhile.
    fn visit_with_packed(
        &self,
        numbers: &Numbers,
        start: NodeId,
        end: Option<NodeId>,
        each: &mut dyn FnMut(ScannedEdge<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut records = Vec::new();
        self.visit_records(start, end, &mut |key, record| {
            let kept = record.map(|it| (it.last, it.sum, it.surface.map(str::to_owned)));
            records.push((key, kept));
            Ok(())
        })?;
        let mut records = records.into_iter().peekable();
        let mut tell = |(key, record): (EdgeKey, Option<(Timestamp, f64, Option<String>)>)| {
            record.map_or(Ok(()), |(last, sum, surface)| {
                each(ScannedEdge { key, last, sum, surface: surface.as_deref() })
            })
        };
        let mut pass = |(key, edge): (EdgeKey, Edge)| {
            while let Some(before) = records.next_if(|(known, _)| *known < key) {
                tell(before)?;
            }
            if records.peek().is_some_and(|(known, _)| *known == key) {
                // The record counts, and comes next.
                return Ok(());
            }
            tell((key, Some((edge.last, edge.sum, None))))
        };
        let mut rule = None;
        let mut current: Option<(EdgeKey, Edge)> = None;
        numbers.visit(&*self.reader, start, end, &mut |key, at, weight| {
            if let Some(done) = current.take_if(|(known, _)| *known != key) {
                pass(done)?;
            }
            let half_life = match rule {
                Some((relation, half_life)) if relation == key.relation => half_life,
                _ => self.half_life(&key),
            };
            rule = Some((key.relation, half_life));
            let before = current.take().map(|(_, edge)| edge);
            current = Some((key, Edge::fold(before, at, &Evidence::Given { weight }, half_life)));
            Ok(())
        })?;
        current.map_or(Ok(()), pass)?;
        records.try_for_each(tell)
    }
}

/// Ranges that have all ids there may be, `n` for the nodes of each kind.
pub(crate) fn shares(n: u64) -> Vec<(NodeId, Option<NodeId>)> {
    let kinds = 0..NodeKind::ALL.len() as u64;
    let starts: Vec<_> = kinds
        .flat_map(|kind| (0..n).map(move |share| NodeId((kind << 61) + share * ((1 << 61) / n))))
        .collect();
    let ends = starts.iter().copied().skip(1).map(Some).chain([None]);
    starts.iter().copied().zip(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, ENGINES, Edge, Evidence, Fact, GraphStore, Mutation};
    use super::*;
    use crate::event::NodeKey;
    use crate::schema::Schema;

    /// Edges between nodes of every kind, with and without a spelling, in two batches.
    fn facts(schema: &Schema) -> Vec<Fact> {
        let key = |kind: NodeKind, i: usize| NodeKey { kind, name: format!("{kind}-{i}") };
        let viewed = schema.relation_named("viewed").unwrap().id;
        let mut facts = Vec::new();
        for i in 0..300 {
            let at = Timestamp::from_millis(i as i64 * 1000).unwrap();
            let event = Evidence::Event {
                event_id: i.to_string(),
                strength: i as f64 / 7.0,
                value: None,
                session: None,
                text: None,
            };
            let (user, item) = (key(NodeKind::User, i % 23), key(NodeKind::Item, i % 31));
            let entity = key(NodeKind::Entity, i % 11);
            let (relation, target) = (viewed, item.clone());
            facts.push(Fact { source: user, relation, target, at, evidence: event });
            let surface = format!("spelling {}", i % 3);
            let evidence = Evidence::Attribute { field: "brand".to_owned(), surface };
            let (relation, at) = (schema.mentions(), Timestamp::MIN);
            facts.push(Fact { source: item, relation, target: entity, at, evidence });
        }
        facts
    }

    #[test]
    fn shares_have_every_node_and_edge_once_and_in_order() {
        for engine in ENGINES {
            let folder = tempfile::tempdir().unwrap();
            let store =
                GraphStore::new((engine.open)(&folder.path().join("s"), true).unwrap(), None)
                    .unwrap();
            let mutations: Vec<_> = facts(store.schema()).into_iter().map(Mutation::Add).collect();
            let (first, second) = mutations.split_at(mutations.len() / 2);
            store.apply(first).unwrap();
            store.apply(second).unwrap();
            let view = store.view();
            let nodes: Vec<_> = view.nodes().unwrap().map(Result::unwrap).collect();
            let edges: Vec<_> = view.edges().unwrap().map(Result::unwrap).collect();
            assert!(nodes.len() > 60 && edges.len() > 300);
            for n in [1, 2, 7, 1000] {
                let (mut scanned_nodes, mut scanned) = (Vec::new(), Vec::new());
                for (start, end) in shares(n) {
                    let node = &mut |id, node| scanned_nodes.push((id, node));
                    view.visit_nodes(start, end, node).unwrap();
                    let edge = &mut |edge: ScannedEdge<'_>| {
                        scanned.push((
                            edge.key,
                            edge.last,
                            edge.sum,
                            edge.surface.map(str::to_owned),
                        ));
                        Ok(())
                    };
                    view.visit_edges(start, end, edge).unwrap();
                }
                assert_eq!(scanned_nodes, nodes);
                let as_scanned = |(key, edge): &(EdgeKey, Edge)| {
                    (*key, edge.last, edge.sum, edge.surface.clone())
                };
                assert_eq!(scanned, edges.iter().map(as_scanned).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn records_that_cannot_be_read_and_errors_of_the_visitor_end_a_scan() {
        for engine in ENGINES {
            let folder = tempfile::tempdir().unwrap();
            let store =
                GraphStore::new((engine.open)(&folder.path().join("s"), true).unwrap(), None)
                    .unwrap();
            let facts: Vec<_> = facts(store.schema()).into_iter().map(Mutation::Add).collect();
            store.apply(&facts).unwrap();
            let mut seen = 0;
            let refused = &mut |edge: ScannedEdge<'_>| {
                seen += 1;
                if seen == 5 { Err(corrupt(Space::Out, &keyspace::out(&edge.key))) } else { Ok(()) }
            };
            assert!(store.view().visit_edges(NodeId(0), None, refused).is_err());
            assert_eq!(seen, 5);
            let mut batch = Batch::default();
            batch.put(Space::Out, &[7; 18], vec![1, 2, 3]);
            batch.put(Space::Nodes, &[7; 8], vec![9]);
            store.backend().write(&batch).unwrap();
            let view = store.view();
            let damaged = |found: Result<(), StoreError>, expected| {
                assert!(
                    matches!(found, Err(StoreError::Corrupt { space, .. }) if space == expected)
                );
            };
            damaged(view.visit_edges(NodeId(0), None, &mut |_| Ok(())), Space::Out);
            damaged(view.visit_nodes(NodeId(0), None, &mut |_, _| {}), Space::Nodes);
        }
    }

    #[test]
    fn a_stamp_changes_with_every_write_and_lasts() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let open = |at: usize| GraphStore::open(folders[at].path(), true, None).unwrap();
        let mut stamps = Vec::new();
        for at in [0, 1] {
            let store = open(at);
            stamps.push(store.view().stamp().unwrap());
            for fact in facts(store.schema()).into_iter().take(3) {
                store.apply(&[Mutation::Add(fact)]).unwrap();
                stamps.push(store.view().stamp().unwrap());
            }
            let last = store.view().stamp().unwrap();
            drop(store);
            for _ in 0..3 {
                assert_eq!(open(at).view().stamp().unwrap(), last);
            }
        }
        let n_stamps = stamps.len();
        stamps.sort();
        stamps.dedup();
        assert_eq!(stamps.len(), n_stamps);
    }
}
