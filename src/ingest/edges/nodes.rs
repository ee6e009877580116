//! The nodes that rows name, numbered as they come, then in the order of their ids.

use std::collections::HashMap;
use std::num::NonZeroU32;

use super::Row;
use crate::event::{EventError, NodeKey};
use crate::pages;
use crate::schema::NodeKind;
use crate::store::{NodeId, StoreError};

/// Numbers below this find their place in a table of at most 64 MiB for each kind.
const DENSE: u64 = 1 << 24;
/// And so do those up to so many times the nodes there are.
const SPARSENESS: u64 = 4;

/// Nodes in the order in which rows name them.
#[derive(Default)]
pub(super) struct Nodes {
    keys: Vec<NodeKey>,
    by_number: [ByNumber; NodeKind::ALL.len()],
    by_name: [HashMap<Box<str>, u32>; NodeKind::ALL.len()],
}

/// Places by the number that a node is called by.
#[derive(Default)]
struct ByNumber {
    /// By the number itself: the place after this.
    dense: Vec<Option<NonZeroU32>>,
    sparse: HashMap<u64, u32>,
}

/// Nodes in the order of their ids.
pub(super) struct Ranks {
    /// Ascending: each id once, with the place of a node that has it.
    pub order: Vec<(NodeId, u32)>,
    /// By place among [`Nodes`]: the place in `order`.
    pub of: Vec<u32>,
}

impl Ranks {
    /// Puts ranks in the place of places.
    pub fn renumber(&self, rows: &mut [Row]) {
        for row in rows {
            row.source = self.of[row.source as usize];
            row.target = self.of[row.target as usize];
        }
    }
}

impl Nodes {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn key(&self, place: u32) -> &NodeKey {
        &self.keys[place as usize]
    }

    /// The place of the node that is called by a number; a new one has the last.
    ///
    /// # Errors
    /// None but those of names, which numbers always are.
    #[inline]
    pub fn numbered(&mut self, kind: NodeKind, number: u64) -> Result<u32, EventError> {
        let known = &self.by_number[kind as usize];
        match known.dense.get(number as usize) {
            Some(Some(place)) => Ok(place.get() - 1),
            _ => self.new_number(kind, number),
        }
    }

    fn new_number(&mut self, kind: NodeKind, number: u64) -> Result<u32, EventError> {
        let place = self.keys.len() as u32;
        let is_dense = number < DENSE.max(self.keys.len() as u64 * SPARSENESS);
        let known = &mut self.by_number[kind as usize];
        if let Some(&place) = known.sparse.get(&number) {
            return Ok(place);
        }
        if is_dense {
            let at = number as usize;
            if known.dense.len() <= at {
                pages::resize(&mut known.dense, at + 1, None);
            }
            known.dense[at] = NonZeroU32::new(place + 1);
        } else {
            known.sparse.insert(number, place);
        }
        self.keys.push(NodeKey::new(kind, number.to_string())?);
        Ok(place)
    }

    /// The place of the node of this name; a new one has the last.
    ///
    /// # Errors
    /// [`EventError::Name`] and [`EventError::Missing`] for what is no name.
    pub fn named(&mut self, kind: NodeKind, name: &str) -> Result<u32, EventError> {
        let known = &mut self.by_name[kind as usize];
        if let Some(&place) = known.get(name) {
            return Ok(place);
        }
        let key = NodeKey::new(kind, name)?;
        let place = self.keys.len() as u32;
        known.insert(name.into(), place);
        self.keys.push(key);
        Ok(place)
    }

    /// Orders the nodes by their ids. Two spellings of one name are one node.
    ///
    /// # Errors
    /// [`StoreError::Collision`] when two names share an id.
    pub fn ranks(&self) -> Result<Ranks, StoreError> {
        let mut order: Vec<(NodeId, u32)> = self.keys.iter().map(NodeId::of).zip(0..).collect();
        order.sort_unstable();
        let mut of = pages::filled(order.len(), 0);
        let mut rank = 0;
        for (at, &(id, place)) in order.iter().enumerate() {
            if let Some(&(before, first)) = at.checked_sub(1).map(|before| &order[before]) {
                let (first, second) = (self.key(first), self.key(place));
                if before != id {
                    rank += 1;
                } else if first != second {
                    return Err(StoreError::Collision {
                        first: first.clone(),
                        second: second.clone(),
                    });
                }
            }
            of[place as usize] = rank;
        }
        order.dedup_by_key(|(id, _)| *id);
        Ok(Ranks { order, of })
    }
}
