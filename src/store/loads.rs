//! Loads: what each brought, how far it is, and what documents were before it.
//!
//! An event's pointer says, in a byte or two, which load brought it first. Of a document that a load
//! changes there is a record of what it was before; the records of one document form a chain in the order of
//! writing, so that any load can be taken out of it. None of this is part of the graph: no hash counts it.

use serde::{Deserialize, Serialize};

use super::apply::{Applied, Change, Mutation, Outcome};
use super::graph_store::GraphStore;
use super::record::{EdgeKey, EvidenceId, NodeId, Stamp, decode, encode};
use super::view::{Items, View};
use super::{Batch, Space, StoreError, keyspace};
use crate::event::{Document, NodeKey};
use crate::schema::Timestamp;

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadState {
    /// It began and has not ended.
    Unfinished,
    /// All of it is in the store.
    Finished,
    /// It is being taken back.
    Unloading,
}

impl LoadState {
    /// The state in a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Finished => "finished",
            Self::Unloading => "unloading",
        }
    }
}

/// How far a file of a load is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadFile {
    /// Does it hold items, or else events?
    pub is_items: bool,
    /// The path, as it was given.
    pub path: String,
    /// Bytes of the file, when it was begun.
    pub bytes: u64,
    /// BLAKE3 of its first mebibyte, and of the mapping that it is read by.
    pub head: [u8; 32],
    /// Rows from the start that need not be looked at again.
    pub rows: u64,
    /// Of these, how many were refused, by class.
    pub rejected: Vec<(String, u64)>,
    /// Was it read to its end?
    pub is_done: bool,
}

/// How much of a file of refused rows belongs to rows that are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectsMark {
    /// Bytes from the start.
    pub bytes: u64,
    /// BLAKE3 of them.
    pub hash: [u8; 32],
}

/// What is known of a load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRecord {
    /// The name that it was given, or that was made up for it.
    pub id: String,
    /// Its number in this store, from 1.
    pub number: u32,
    /// How far it is.
    pub state: LoadState,
    /// The store's sequence number when it began.
    pub begun: u64,
    /// The store's sequence number when it had ended.
    pub finished: Option<u64>,
    /// Events that it brought.
    pub events: u64,
    /// Documents that it added or replaced.
    pub documents: u64,
    /// Its files.
    pub files: Vec<LoadFile>,
    /// Its refused rows: of items, then of events.
    pub rejects: [RejectsMark; 2],
}

/// What a document was before a load changed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// The document's name.
    pub document: NodeKey,
    /// The sequence number at which it was changed.
    pub sequence: u64,
    /// The number of the load.
    pub load: u32,
    /// What it was: none, when it was not there.
    pub before: Option<Document>,
    /// A hash of what it was made.
    pub after: [u8; 32],
}

impl Undo {
    /// Did the load make it this?
    pub fn made(&self, document: Option<&Document>) -> bool {
        self.after == hash(document)
    }

    fn put(&self, batch: &mut Batch) {
        let key = keyspace::undo(NodeId::of(&self.document), self.sequence);
        batch.put(Space::Loads, &key, encode(self));
    }
}

fn hash(document: Option<&Document>) -> [u8; 32] {
    *blake3::hash(&encode(&document)).as_bytes()
}

/// The value of an event: where its evidence stands, and the load that brought it, unless it is 0.
pub(super) fn encode_event(edge: &EdgeKey, at: Timestamp, load: u32) -> Vec<u8> {
    let mut value = encode(&(*edge, at));
    if load > 0 {
        value.extend(encode(&load));
    }
    value
}

pub(super) fn decode_event(
    key: &[u8],
    value: &[u8],
) -> Result<(EdgeKey, Timestamp, u32), StoreError> {
    let pointer = pointer(value);
    let (edge, at) = decode(Space::Events, key, pointer)?;
    let load = match &value[pointer.len()..] {
        [] => 0,
        load => decode(Space::Events, key, load)?,
    };
    Ok((edge, at, load))
}

/// The value of an event without the load that brought it.
pub(super) fn pointer(value: &[u8]) -> &[u8] {
    match postcard::take_from_bytes::<(EdgeKey, Timestamp)>(value) {
        Ok((_, load)) => &value[..value.len() - load.len()],
        Err(_) => value,
    }
}

/// On whose account the graph is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Nobody's: it came by itself.
    Nobody,
    /// That of the load of this number, which can be taken back.
    Load(u32),
    /// What a load brought is taken back.
    Unload,
}

impl Account {
    /// The number of the load that brings what is added.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Load(number) => number,
            Self::Nobody | Self::Unload => 0,
        }
    }
}

impl Change<'_> {
    /// What the loads' space has to say of what changes, once it is written as `sequence`.
    pub(super) fn history(&self, sequence: u64) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        for (id, node) in &self.nodes {
            let before = self.before.get(id).and_then(Option::as_ref);
            let before = before.and_then(|node| node.document.as_ref());
            let after = node.document.as_ref();
            if before == after {
                continue;
            }
            match self.account {
                Account::Load(load) => {
                    // What a load writes twice goes back to what it was before the first time.
                    let last = self.view.undos_of(*id)?.pop();
                    let last = last.filter(|undo| undo.load == load && undo.made(before));
                    let new = || Undo {
                        document: node.key.clone(),
                        sequence,
                        load,
                        before: before.cloned(),
                        after: [0; 32],
                    };
                    Undo { after: hash(after), ..last.unwrap_or_else(new) }.put(&mut batch);
                }
                // Who takes a document away has nothing kept of it.
                Account::Nobody if after.is_none() => {
                    for undo in self.view.undos_of(*id)? {
                        batch.delete(Space::Loads, &keyspace::undo(*id, undo.sequence));
                    }
                }
                Account::Nobody | Account::Unload => {}
            }
        }
        self.claims(&mut batch)?;
        Ok(batch)
    }
}

impl GraphStore {
    /// Keeps the record of a load, on disk.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    pub fn put_load(&self, record: &LoadRecord) -> Result<(), StoreError> {
        let _one_writer = self.lock();
        let mut batch = Batch::default();
        batch.put(Space::Loads, &keyspace::load(record.number), encode(record));
        self.write(&batch)?;
        self.sync()
    }

    /// Forgets the record of a load, which has nothing left in the store.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    pub fn remove_load(&self, number: u32) -> Result<(), StoreError> {
        let _one_writer = self.lock();
        let mut batch = Batch::default();
        batch.delete(Space::Loads, &keyspace::load(number));
        batch.delete(Space::Loads, &keyspace::loaded_edges(number));
        self.write(&batch)?;
        self.sync()
    }

    /// As [`GraphStore::apply`], on the account of the load of the number `load`: `record` hears the outcomes
    /// and gives the load's record, which is written with the batch, or refuses all of it.
    ///
    /// # Errors
    /// Those of [`GraphStore::apply`] and of `record`; then nothing was written.
    pub fn apply_for_load<E: From<StoreError>>(
        &self,
        load: u32,
        mutations: &[Mutation],
        record: impl FnOnce(&[Outcome]) -> Result<LoadRecord, E>,
    ) -> Result<Applied, E> {
        self.apply_for(Account::Load(load), mutations, |outcomes, batch| {
            let record = record(outcomes)?;
            batch.put(Space::Loads, &keyspace::load(record.number), encode(&record));
            Ok(())
        })
    }

    /// As [`GraphStore::apply`], to take a load back: with it go the records `gone`, and `changed` stay as they
    /// are now.
    ///
    /// # Errors
    /// Those of [`GraphStore::apply`]; then nothing was written.
    pub fn apply_unload(
        &self,
        mutations: &[Mutation],
        gone: &[Undo],
        changed: &[Undo],
    ) -> Result<Applied, StoreError> {
        self.apply_for(Account::Unload, mutations, |_, batch| {
            for undo in gone {
                let id = NodeId::of(&undo.document);
                batch.delete(Space::Loads, &keyspace::undo(id, undo.sequence));
            }
            changed.iter().for_each(|undo| undo.put(batch));
            Ok(())
        })
    }
}

impl View<'_> {
    /// Every load that the store has something of, by number.
    ///
    /// # Errors
    /// Those of reads.
    pub fn loads(&self) -> Result<Vec<LoadRecord>, StoreError> {
        let scan = self.reader.scan(Space::Loads, &[0])?;
        scan.map(|pair| {
            let (key, value) = pair?;
            decode(Space::Loads, &key, &value)
        })
        .collect()
    }

    /// What documents were before loads, by document and, within one, oldest first.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn undos(&self) -> Result<Items<'_, Undo>, StoreError> {
        self.undos_under(&[1])
    }

    /// What a document was before loads, oldest first.
    ///
    /// # Errors
    /// Those of reads.
    pub fn undos_of(&self, id: NodeId) -> Result<Vec<Undo>, StoreError> {
        self.undos_under(&keyspace::undos(id))?.collect()
    }

    fn undos_under(&self, prefix: &[u8]) -> Result<Items<'_, Undo>, StoreError> {
        Ok(Box::new(self.reader.scan(Space::Loads, prefix)?.map(|pair| {
            let (key, value) = pair?;
            decode(Space::Loads, &key, &value)
        })))
    }

    /// The events that the load of this number brought, ascending by id.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn events_of_load(&self, number: u32) -> Result<Items<'_, (EdgeKey, Stamp)>, StoreError> {
        Ok(Box::new(self.reader.scan(Space::Events, &[])?.filter_map(move |pair| {
            let event = pair.and_then(|(key, value)| {
                let (edge, at, load) = decode_event(&key, &value)?;
                let id = EvidenceId(key.as_ref().try_into().unwrap_or_default());
                Ok((load == number).then_some((edge, Stamp { at, id })))
            });
            event.transpose()
        })))
    }

    /// The versions of the extractors that texts in the store were read by.
    ///
    /// # Errors
    /// Those of reads.
    pub fn readers(&self) -> Result<std::collections::BTreeSet<String>, StoreError> {
        let mut readers = std::collections::BTreeSet::new();
        for pair in self.reader.scan(Space::Extractions, &[])? {
            let (key, value) = pair?;
            let state: super::ExtractionState = decode(Space::Extractions, &key, &value)?;
            if !state.version.is_empty() {
                readers.insert(state.version);
            }
        }
        Ok(readers)
    }
}
