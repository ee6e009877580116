//! Makes a damaged store whole from its evidence.
//!
//! Edges in both directions, places of events and the nodes that only edges name follow from evidence, and
//! are made anew where they do not agree with it. What cannot be read, or speaks of somebody whose name is
//! gone, is written to a file of lost records before it is taken out of the store. Each pass is on disk
//! before the next reads, and none depends on having been ended: the same call goes on. Packed rows that are
//! damaged are made from those of the other direction; what is damaged in both is gone.

mod report;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::graph_store::{GraphStore, SEQUENCE};
use super::merge::Merge;
use super::record::{
    Edge, EdgeKey, Evidence, EvidenceId, ExtractionState, Node, NodeId, Stamp, decode, encode,
};
use super::view::View;
use super::{Batch, Pair, Space, StoreError, keyspace};
use crate::event::{NodeKey, entity_name};
use crate::schema::NodeKind;

pub use self::report::{Lost, RepairReport};

/// Changes to a batch.
const CHUNK: u64 = 10_000;

/// Makes a store whole; what cannot stay is added to the JSON lines in `lost_and_found`.
///
/// # Errors
/// Those of reads, such as a block whose checksum fails, which no repair reads over; those of writes and
/// of the file system. What was done until then stays done.
pub fn repair(store: &GraphStore, lost_and_found: &Path) -> Result<RepairReport, StoreError> {
    let report = RepairReport::default();
    let (batch, file, path) = (Batch::default(), None, lost_and_found.to_owned());
    let mut repair = Repair { store, report, batch, waiting: 0, changed: false, file, path };
    repair.sequence()?;
    repair.packed()?;
    repair.nodes()?;
    repair.merges()?;
    repair.names()?;
    repair.evidence()?;
    repair.extractions()?;
    repair.edges()?;
    repair.derived()?;
    repair.lonely()?;
    if repair.changed {
        let sequence = store.sequence()? + 1;
        repair.put(Space::Meta, SEQUENCE, encode(&sequence));
        repair.report.rebuilt -= 1;
        repair.commit()?;
    }
    store.accept_losses()?;
    let mut report = repair.report;
    report.problems = store.view().check()?.count;
    if report.lost > 0 {
        report.lost_and_found = Some(lost_and_found.to_owned());
    }
    Ok(report)
}

struct Repair<'a> {
    store: &'a GraphStore,
    report: RepairReport,
    batch: Batch,
    /// Changes in the batch.
    waiting: u64,
    changed: bool,
    file: Option<BufWriter<File>>,
    path: PathBuf,
}

impl Repair<'_> {
    fn put(&mut self, space: Space, key: &[u8], value: Vec<u8>) {
        self.batch.put(space, key, value);
        self.waiting += 1;
        self.report.rebuilt += 1;
    }

    /// Removes what followed from nothing.
    fn remove(&mut self, space: Space, key: &[u8]) {
        self.batch.delete(space, key);
        self.waiting += 1;
        self.report.removed += 1;
    }

    /// Moves a record to the file of lost records.
    fn lose(
        &mut self,
        space: Space,
        (key, value): &Pair,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        let (at, hex) = (self.path.clone(), keyspace::hex);
        let io = |source| StoreError::Io { path: at.clone(), source };
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let opened = File::options().create(true).append(true).open(&self.path);
                none.insert(BufWriter::new(opened.map_err(io)?))
            }
        };
        let lost = Lost { space: space.name(), key: hex(key), value: hex(value), reason };
        writeln!(file, "{}", json!(lost)).map_err(io)?;
        self.batch.delete(space, key);
        self.waiting += 1;
        self.report.lost += 1;
        Ok(())
    }

    /// Writes what was gathered, lost records first.
    fn commit(&mut self) -> Result<(), StoreError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        if let Some(file) = &mut self.file {
            let done = file.flush().and_then(|()| file.get_ref().sync_all());
            done.map_err(|source| StoreError::Io { path: self.path.clone(), source })?;
        }
        self.store.write(&std::mem::take(&mut self.batch))?;
        self.store.backend().sync()?;
        (self.waiting, self.changed) = (0, true);
        Ok(())
    }

    /// Shows every pair of a space to `look`, then writes what it changed.
    fn pass(
        &mut self,
        space: Space,
        mut look: impl FnMut(&mut Self, &View<'_>, Pair) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let store = self.store;
        let view = store.view();
        for item in view.reader.scan(space, &[])? {
            look(self, &view, item?)?;
            if self.waiting >= CHUNK {
                self.commit()?;
            }
        }
        self.commit()
    }

    fn sequence(&mut self) -> Result<(), StoreError> {
        self.pass(Space::Meta, |this, _, pair| {
            if *pair.0 == *SEQUENCE && decode::<u64>(Space::Meta, &pair.0, &pair.1).is_err() {
                this.lose(Space::Meta, &pair, "cannot be read")?;
            }
            Ok(())
        })
    }

    /// Packed rows of one direction are made from those of the other.
    fn packed(&mut self) -> Result<(), StoreError> {
        let mended = self.store.view().mended()?;
        for pair in &mended.unreadable {
            self.lose(Space::Packed, pair, "cannot be read")?;
        }
        mended.gone.iter().for_each(|key| self.batch.delete(Space::Packed, key));
        for (key, value) in mended.blocks {
            self.put(Space::Packed, &key, value);
        }
        self.commit()
    }

    fn nodes(&mut self) -> Result<(), StoreError> {
        self.pass(Space::Nodes, |this, _, pair| {
            match decode::<Node>(Space::Nodes, &pair.0, &pair.1) {
                Err(_) => this.lose(Space::Nodes, &pair, "cannot be read"),
                Ok(node) if keyspace::node(NodeId::of(&node.key)) != *pair.0 => {
                    this.lose(Space::Nodes, &pair, "stands under the id of another name")
                }
                Ok(_) => Ok(()),
            }
        })
    }

    /// Merges that can be read keep the names of both their ends.
    fn merges(&mut self) -> Result<(), StoreError> {
        let merged: HashSet<Vec<u8>> = {
            let view = self.store.view();
            let keys = view.reader.scan(Space::Merges, &[])?;
            keys.map(|pair| Ok(pair?.0.into_vec())).collect::<Result<_, StoreError>>()?
        };
        self.pass(Space::Merges, |this, view, pair| {
            let Ok(merge) = decode::<Merge>(Space::Merges, &pair.0, &pair.1) else {
                return this.lose(Space::Merges, &pair, "cannot be read");
            };
            let Merge { entity, into, .. } = &merge;
            let fits = keyspace::node(NodeId::of(entity)) == *pair.0
                && entity != into
                && [entity, into].iter().all(|end| end.kind == NodeKind::Entity)
                && entity.entity_type() == into.entity_type()
                && !merged.contains(&keyspace::node(NodeId::of(into))[..]);
            if !fits {
                return this.lose(Space::Merges, &pair, "merges what cannot be merged");
            }
            for end in [entity, into] {
                this.name(view, end)?;
            }
            Ok(())
        })
    }

    /// Sees to it that a node whose name is known is there.
    fn name(&mut self, view: &View<'_>, key: &NodeKey) -> Result<(), StoreError> {
        let id = NodeId::of(key);
        if view.node(id)?.is_none() {
            let node = Node { key: key.clone(), document: None };
            self.put(Space::Nodes, &keyspace::node(id), encode(&node));
        }
        Ok(())
    }

    /// Entities that are gone are called as the attributes that lead to them spell them.
    fn names(&mut self) -> Result<(), StoreError> {
        self.pass(Space::Evidence, |this, view, (key, value)| {
            let evidence = decode::<Evidence>(Space::Evidence, &key, &value);
            if let (Some((edge, _)), Ok(Evidence::Attribute { field, surface })) =
                (keyspace::decode_evidence(&key), evidence)
            {
                let of = &view.schema.attribute(&field).entity_type;
                let found = NodeKey::new(NodeKind::Entity, entity_name(of, &surface));
                if let Some(key) = found.ok().filter(|key| NodeId::of(key) == edge.target) {
                    this.name(view, &key)?;
                }
            }
            Ok(())
        })
    }

    /// Evidence that can be read stays where both ends have a name; events are listed where they stand.
    fn evidence(&mut self) -> Result<(), StoreError> {
        let mut listed: HashSet<EvidenceId> = HashSet::new();
        self.pass(Space::Evidence, |this, view, pair| {
            let place = keyspace::decode_evidence(&pair.0);
            let evidence = decode::<Evidence>(Space::Evidence, &pair.0, &pair.1);
            let (Some((edge, stamp)), Ok(evidence)) = (place, evidence) else {
                return this.lose(Space::Evidence, &pair, "cannot be read");
            };
            if evidence.id() != stamp.id || view.schema.relation(edge.relation).is_none() {
                return this.lose(Space::Evidence, &pair, "stands in a foreign place");
            }
            for id in [edge.source, edge.target] {
                if view.node(id)?.is_none() {
                    return this.lose(Space::Evidence, &pair, "the name of an end is gone");
                }
            }
            let Evidence::Event { text, .. } = &evidence else { return Ok(()) };
            let known = view.event(stamp.id).unwrap_or(None);
            if known != Some((edge, stamp)) {
                let elsewhere = match known {
                    Some((edge, stamp)) => view
                        .evidence_at(&edge, &stamp)
                        .is_ok_and(|found| found.is_some_and(|found| found.id() == stamp.id)),
                    None => false,
                };
                if elsewhere || !listed.insert(stamp.id) {
                    return this.lose(Space::Evidence, &pair, "the event stands elsewhere, too");
                }
                this.put(Space::Events, &stamp.id.0, encode(&(edge, stamp.at)));
            }
            if let (Some(text), Ok(None) | Err(_)) = (text, view.review(stamp.id)) {
                let unread = encode(&ExtractionState::unread(text));
                this.put(Space::Extractions, &stamp.id.0, unread);
            }
            Ok(())
        })
    }

    /// What was read goes with the document or event that it was read in.
    fn extractions(&mut self) -> Result<(), StoreError> {
        self.pass(Space::Extractions, |this, view, pair| {
            let space = Space::Extractions;
            if decode::<ExtractionState>(space, &pair.0, &pair.1).is_err() {
                return this.lose(space, &pair, "cannot be read");
            }
            let stays = match keyspace::decode_node(&pair.0) {
                Some(id) => view.node(id)?.is_some_and(|node| node.document.is_some()),
                None => has_text(view, &pair.0)?,
            };
            if !stays {
                this.remove(space, &pair.0);
            }
            Ok(())
        })
    }

    /// Every edge is the fold of its evidence, in both directions.
    fn edges(&mut self) -> Result<(), StoreError> {
        let mut open: Option<(EdgeKey, Edge)> = None;
        self.pass(Space::Evidence, |this, view, pair| {
            let Some((key, stamp)) = keyspace::decode_evidence(&pair.0) else { return Ok(()) };
            let evidence: Evidence = decode(Space::Evidence, &pair.0, &pair.1)?;
            if let Evidence::Opinion { event_id, .. } = &evidence
                && view.review(EvidenceId::of_event(event_id))?.is_none()
            {
                return this.lose(Space::Evidence, &pair, "the event that it was read in is gone");
            }
            this.report.evidence += 1;
            if let Some((done, edge)) = open.take_if(|(of, _)| *of != key) {
                this.put_where(view, &done, &encode(&edge))?;
            }
            let before = open.take().map(|(_, edge)| edge);
            open = Some((key, Edge::fold(before, stamp.at, &evidence, view.half_life(&key))));
            Ok(())
        })?;
        if let Some((key, edge)) = open {
            let store = self.store;
            self.put_where(&store.view(), &key, &encode(&edge))?;
        }
        self.commit()
    }

    /// Puts the record of an edge where it does not stand; an empty one where it was packed and is gone.
    fn put_where(
        &mut self,
        view: &View<'_>,
        key: &EdgeKey,
        value: &[u8],
    ) -> Result<(), StoreError> {
        let places = [(Space::Out, keyspace::out(key)), (Space::In, keyspace::inward(key))];
        for (space, place) in places {
            if view.reader.get(space, &place)?.as_deref() != Some(value) {
                self.put(space, &place, value.to_vec());
            }
        }
        Ok(())
    }

    /// Edges and places of events that no evidence speaks for go.
    fn derived(&mut self) -> Result<(), StoreError> {
        for space in [Space::Out, Space::In] {
            self.pass(space, |this, view, (key, _)| {
                let edge = match space {
                    Space::In => keyspace::decode_inward(&key),
                    _ => keyspace::decode_out(&key),
                };
                let stands = match edge {
                    Some(edge) => view.evidence_of(&edge)?.next().transpose()?.is_some(),
                    None => false,
                };
                match edge {
                    _ if stands => Ok(()),
                    Some(edge) if view.was_packed(&edge)? => this.put_where(view, &edge, &[]),
                    _ => {
                        this.remove(space, &key);
                        Ok(())
                    }
                }
            })?;
        }
        self.pass(Space::Events, |this, view, (key, value)| {
            if place_of(view, &key, &value)?.is_none() {
                this.remove(Space::Events, &key);
            }
            Ok(())
        })
    }

    /// Nodes that nothing names any more go.
    fn lonely(&mut self) -> Result<(), StoreError> {
        let merges = self.store.view().merges()?;
        self.pass(Space::Nodes, |this, view, (key, value)| {
            let node: Node = decode(Space::Nodes, &key, &value)?;
            let id = NodeId::of(&node.key);
            let named = view.edges_out(id)?.chain(view.edges_in(id)?).next().is_some();
            if !named && node.document.is_none() && merges.members(id).len() < 2 {
                this.remove(Space::Nodes, &key);
            }
            Ok(())
        })
    }
}

/// The evidence that an entry of the list of events leads to, if there is any.
fn place_of(view: &View<'_>, key: &[u8], value: &[u8]) -> Result<Option<Evidence>, StoreError> {
    let Ok(id) = key.try_into() else { return Ok(None) };
    let Ok((edge, at, _)) = super::loads::decode_event(key, value) else { return Ok(None) };
    view.evidence_at(&edge, &Stamp { at, id: EvidenceId(id) })
}

/// Is there an event under this key, with a text?
fn has_text(view: &View<'_>, key: &[u8]) -> Result<bool, StoreError> {
    let Some(value) = view.reader.get(Space::Events, key)? else { return Ok(false) };
    let evidence = place_of(view, key, &value)?;
    Ok(matches!(evidence, Some(Evidence::Event { text: Some(_), .. })))
}
