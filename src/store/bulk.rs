//! Many events at once into a store that has none. They are sorted by id, which finds those that come
//! twice; then by edge and time, which is the order in which an edge folds its evidence; then by the edge's
//! other end. Each pass writes keys in order, so the store takes them in as whole files, all or none.
//!
//! What comes of it is, byte for byte, what the same events make when they come a batch at a time.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard};

use rayon::ThreadPool;

use super::corrupt;
use super::graph_store::{GraphStore, SEQUENCE};
use super::record::{
    Edge, EdgeKey, Evidence, EvidenceId, ExtractionState, Fact, Node, NodeId, Stamp, decode, encode,
};
use super::sorter::{Sorted, Sorter};
use super::{Bulk, LoadRecord, Outcome, Space, StoreError, keyspace, loads};
use crate::event::NodeKey;
use crate::schema::NodeKind;

/// Nodes that are known to be sorted already; when there are more, some are sorted twice.
const KNOWN_NODES: usize = 1 << 20;
/// Stands for the byte of a row that has none.
const NO_BYTE: u64 = u64::MAX;

/// Pairs between two looks at whether to go on.
const HEEDED: u64 = 4096;

/// Where an event came from: of two with one id the one from the first place stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the file.
    pub file: u32,
    /// The line in it.
    pub line: u64,
    /// The byte at which the line begins, where it has one.
    pub byte: Option<u64>,
}

/// Events on their way into a store. Dropped before they are committed, they leave nothing.
pub struct BulkEvents<'a> {
    store: &'a GraphStore,
    load: u32,
    sorter: Sorter,
    max_memory: usize,
    pool: Option<Arc<ThreadPool>>,
    one_writer: MutexGuard<'a, ()>,
}

/// Events that are folded and written, but do not show yet.
pub struct FoldedEvents<'a> {
    store: &'a GraphStore,
    bulk: Box<dyn Bulk + 'a>,
    /// Events that will show.
    pub applied: u64,
    /// Events that came a second time with the same content.
    pub unchanged: u64,
    one_writer: MutexGuard<'a, ()>,
}

impl GraphStore {
    /// The way in for many events; none when the store has events, users with other edges, or packed edges.
    /// Nobody else writes until it is dropped.
    ///
    /// They come with the load of the number `load`, or by themselves when it is 0. It sorts in `max_memory`
    /// bytes with the threads of `pool`, or the calling one, and keeps what does not fit in files beside the
    /// store.
    ///
    /// # Errors
    /// Those of reads.
    pub fn bulk_events(
        &self,
        load: u32,
        max_memory: usize,
        pool: Option<Arc<ThreadPool>>,
    ) -> Result<Option<BulkEvents<'_>>, StoreError> {
        let one_writer = self.lock();
        let reader = self.backend().reader();
        let has =
            |space| Ok::<_, StoreError>(reader.scan(space, &[])?.next().transpose()?.is_some());
        // Users stand before all other nodes.
        let first = reader.scan(Space::Out, &[])?.next().transpose()?;
        let first = first.and_then(|(key, _)| keyspace::decode_out(&key));
        let user = first.is_some_and(|edge| edge.source.kind() == Some(NodeKind::User));
        if user || has(Space::Events)? || has(Space::Packed)? {
            return Ok(None);
        }
        let sorter = Sorter::new(self.scratch(), max_memory / 2).with(pool.clone());
        Ok(Some(BulkEvents { store: self, load, sorter, max_memory, pool, one_writer }))
    }
}

/// An event as it is sorted, with its place.
pub struct Arrival {
    key: [u8; 36],
    value: Vec<u8>,
}

impl Arrival {
    /// An event's fact on its way to [`BulkEvents::add`].
    pub fn new(fact: &Fact, place: Place) -> Self {
        let mut key = [0; 36];
        key[..16].copy_from_slice(&fact.stamp().id.0);
        key[16..20].copy_from_slice(&place.file.to_be_bytes());
        key[20..28].copy_from_slice(&place.line.to_be_bytes());
        key[28..].copy_from_slice(&place.byte.unwrap_or(NO_BYTE).to_be_bytes());
        Self { key, value: encode(fact) }
    }
}

/// Hears of every event whose id was there before: [`Outcome::Unchanged`] with the same content,
/// [`Outcome::Conflict`] with other.
pub type Again<'a> = &'a mut dyn FnMut(Place, Fact, Outcome);

impl<'a> BulkEvents<'a> {
    /// Takes an event's fact.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn add(&mut self, arrival: &Arrival) -> Result<(), StoreError> {
        self.sorter.push(&arrival.key, &arrival.value)
    }

    /// Folds the events, as long as `goes_on` says so; `again` is told of each that comes again.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Engine`], [`StoreError::Collision`], [`StoreError::Interrupted`];
    /// then nothing is left.
    pub fn fold(
        self,
        goes_on: &dyn Fn() -> bool,
        again: Again<'_>,
    ) -> Result<FoldedEvents<'a>, StoreError> {
        let Self { store, load, sorter, max_memory, pool, one_writer } = self;
        store.outdate();
        let bulk = Heeding { bulk: store.backend().bulk()?, n_put: 0, goes_on };
        let share = |share| Sorter::new(store.scratch(), max_memory / share).with(pool.clone());
        let (evidence, inward, nodes) = (share(4), share(8), share(8));
        let mut fold = Fold { store, load, bulk, evidence, nodes, known: HashSet::new() };
        let (applied, unchanged) =
            first_of_each(sorter, &mut |id, fact| fold.event(id, fact), again)?;
        let mut bulk = fold.finish(inward)?;
        if applied > 0 {
            bulk.put(Space::Meta, SEQUENCE, &encode(&(store.sequence()? + 1)))?;
        }
        Ok(FoldedEvents { store, bulk: bulk.bulk, applied, unchanged, one_writer })
    }

    /// Writes nothing: how many events would be applied, and how many come again with the same content.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn tried(self, again: Again<'_>) -> Result<(u64, u64), StoreError> {
        first_of_each(self.sorter, &mut |_, _| Ok(()), again)
    }
}

/// Goes through the events by id: `first` takes each that is new, `again` every other; how many were new, and
/// how many the same.
fn first_of_each(
    sorter: Sorter,
    first: &mut dyn FnMut(EvidenceId, &Fact) -> Result<(), StoreError>,
    again: Again<'_>,
) -> Result<(u64, u64), StoreError> {
    let (mut applied, mut unchanged) = (0, 0);
    let mut events = sorter.finish()?;
    let mut last: Option<(EvidenceId, Fact)> = None;
    while let Some((key, value)) = events.next()? {
        let (id, place) = arrival(key).ok_or_else(|| corrupt(Space::Events, key))?;
        let fact: Fact = decode(Space::Events, key, value)?;
        if let Some((_, known)) = last.as_ref().filter(|(known, _)| *known == id) {
            let same = *known == fact;
            unchanged += u64::from(same);
            again(place, fact, if same { Outcome::Unchanged } else { Outcome::Conflict });
            continue;
        }
        first(id, &fact)?;
        applied += 1;
        last = Some((id, fact));
    }
    Ok((applied, unchanged))
}

/// Pairs on their way into a store, until the caller wants it to end.
struct Heeding<'a, 'b> {
    bulk: Box<dyn Bulk + 'a>,
    n_put: u64,
    goes_on: &'b dyn Fn() -> bool,
}

impl Heeding<'_, '_> {
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.n_put += 1;
        if self.n_put.is_multiple_of(HEEDED) && !(self.goes_on)() {
            return Err(StoreError::Interrupted);
        }
        self.bulk.put(space, key, value)
    }
}

impl FoldedEvents<'_> {
    /// Has the events show, on disk, with the record of the load that brings them, if any: all of it,
    /// whatever happens meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Engine`], [`StoreError::Io`].
    pub fn commit(self, record: Option<&LoadRecord>) -> Result<(), StoreError> {
        let Self { store, mut bulk, one_writer, .. } = self;
        if let Some(record) = record {
            bulk.put(Space::Loads, &keyspace::load(record.number), &encode(record))?;
        }
        let done = bulk.commit();
        drop(one_writer);
        done.and_then(|()| store.sync())
    }
}

/// Which event it is and where it came from.
fn arrival(key: &[u8]) -> Option<(EvidenceId, Place)> {
    let id = EvidenceId(key.get(..16)?.try_into().ok()?);
    let file = u32::from_be_bytes(key.get(16..20)?.try_into().ok()?);
    let line = u64::from_be_bytes(key.get(20..28)?.try_into().ok()?);
    let byte = u64::from_be_bytes(key.get(28..)?.try_into().ok()?);
    Some((id, Place { file, line, byte: Some(byte).filter(|&byte| byte != NO_BYTE) }))
}

/// What the events become: some of it can be written at once, the rest is sorted first.
struct Fold<'a, 'b> {
    store: &'a GraphStore,
    load: u32,
    bulk: Heeding<'a, 'b>,
    evidence: Sorter,
    nodes: Sorter,
    known: HashSet<NodeId>,
}

impl<'a, 'b> Fold<'a, 'b> {
    /// Takes the events, ascending by id.
    fn event(&mut self, id: EvidenceId, fact: &Fact) -> Result<(), StoreError> {
        let edge = fact.edge();
        let stamp = Stamp { at: fact.at, id };
        self.bulk.put(Space::Events, &id.0, &loads::encode_event(&edge, stamp.at, self.load))?;
        if let Evidence::Event { text: Some(text), .. } = &fact.evidence {
            let state = encode(&ExtractionState::unread(text));
            self.bulk.put(Space::Extractions, &id.0, &state)?;
        }
        self.evidence.push(&keyspace::evidence(&edge, &stamp), &encode(&fact.evidence))?;
        for (id, key) in [(edge.source, &fact.source), (edge.target, &fact.target)] {
            if self.known.len() >= KNOWN_NODES {
                self.known.clear();
            }
            if self.known.insert(id) {
                self.nodes.push(&keyspace::node(id), &encode(key))?;
            }
        }
        Ok(())
    }

    /// Writes all but the events, of which there are no more.
    fn finish(self, mut inward: Sorter) -> Result<Heeding<'a, 'b>, StoreError> {
        let Self { store, mut bulk, evidence, nodes, .. } = self;
        put_edges(store, &mut bulk, evidence.finish()?, &mut inward)?;
        let mut inward = inward.finish()?;
        while let Some((key, value)) = inward.next()? {
            bulk.put(Space::In, key, value)?;
        }
        put_nodes(store, &mut bulk, nodes.finish()?)?;
        Ok(bulk)
    }
}

/// Writes the evidence, and each edge when all of its evidence is folded.
fn put_edges(
    store: &GraphStore,
    bulk: &mut Heeding<'_, '_>,
    mut evidence: Sorted,
    inward: &mut Sorter,
) -> Result<(), StoreError> {
    let mut put = |(key, edge): (EdgeKey, Edge)| {
        let value = encode(&edge);
        inward.push(&keyspace::inward(&key), &value)?;
        Ok::<_, StoreError>((keyspace::out(&key), value))
    };
    let view = store.view();
    let mut current: Option<(EdgeKey, Edge)> = None;
    while let Some((place, value)) = evidence.next()? {
        bulk.put(Space::Evidence, place, value)?;
        let (key, stamp) =
            keyspace::decode_evidence(place).ok_or_else(|| corrupt(Space::Evidence, place))?;
        let piece: Evidence = decode(Space::Evidence, place, value)?;
        if let Some(done) = current.take_if(|(known, _)| *known != key) {
            let (place, value) = put(done)?;
            bulk.put(Space::Out, &place, &value)?;
        }
        let half_life = view.half_life(&key);
        let before = current.take().map(|(_, folded)| folded);
        current = Some((key, Edge::fold(before, stamp.at, &piece, half_life)));
    }
    if let Some(done) = current {
        let (place, value) = put(done)?;
        bulk.put(Space::Out, &place, &value)?;
    }
    Ok(())
}

/// Writes the nodes that the store does not have.
fn put_nodes(
    store: &GraphStore,
    bulk: &mut Heeding<'_, '_>,
    mut nodes: Sorted,
) -> Result<(), StoreError> {
    let view = store.view();
    let mut last: Option<(NodeId, NodeKey)> = None;
    while let Some((place, value)) = nodes.next()? {
        let id = keyspace::decode_node(place).ok_or_else(|| corrupt(Space::Nodes, place))?;
        let key: NodeKey = decode(Space::Nodes, place, value)?;
        let known = match last.take_if(|(known, _)| *known == id) {
            Some((_, first)) => Some(first),
            None => view.node(id)?.map(|node| node.key),
        };
        match known {
            Some(first) if first != key => {
                return Err(StoreError::Collision { first, second: key });
            }
            Some(_) => {}
            None => {
                let node = Node { key: key.clone(), document: None };
                bulk.put(Space::Nodes, place, &encode(&node))?;
            }
        }
        last = Some((id, key));
    }
    Ok(())
}
