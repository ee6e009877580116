//! Edges that loads brought from files of edges, and how they are taken back.
//!
//! An edge has one piece of such evidence at a time, and the one that weighs most stays. So the pieces that
//! loads put at one place are kept as claims, each above the one that it outweighed: whichever load is taken
//! back, what stays is what the others say. The rows of a packed load are themselves the list of what it
//! brought. None of this is part of the graph: no hash counts it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::apply::{Applied, Change, Mutation, Outcome};
use super::graph_store::GraphStore;
use super::loads::Account;
use super::record::{EdgeKey, Evidence, decode, encode, given};
use super::view::{Items, View};
use super::{Batch, LoadRecord, Space, StoreError, corrupt, keyspace};
use crate::schema::Timestamp;

/// Pieces to a batch.
const PIECES: usize = 10_000;

/// What a load brought from files of edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedEdges {
    /// Rows that changed the store.
    pub count: u64,
    /// Are the store's packed rows those of this load?
    pub packed: bool,
}

/// What a load said of an edge at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// The number of the load; 0 for what was there before any claim: a packed row, or a piece that no load is
    /// known for.
    pub load: u32,
    /// The weight that it gave.
    pub weight: f32,
}

/// The claims of a place, each heavier than the one before it.
type Claims = Vec<Claim>;

/// Where claims stand.
type Place = (EdgeKey, Timestamp);

impl Change<'_> {
    /// What the loads' space has to say of the pieces from files of edges that change.
    pub(super) fn claims(&self, batch: &mut Batch) -> Result<(), StoreError> {
        for (edge, change) in &self.edges {
            for (stamp, evidence) in change {
                if *stamp != given(stamp.at) || self.account == Account::Unload {
                    continue;
                }
                let mut claims = self.view.claims_at(edge, stamp.at)?;
                if let (Account::Load(load), Some(Evidence::Given { weight })) =
                    (self.account, evidence)
                {
                    if claims.is_empty()
                        && let Some(Evidence::Given { weight }) =
                            self.view.evidence_at(edge, stamp)?
                    {
                        claims.push(Claim { load: 0, weight });
                    }
                    claims.retain(|claim| claim.load != load);
                    claims.push(Claim { load, weight: *weight });
                    put_claims(batch, (*edge, stamp.at), &claims);
                } else if !claims.is_empty() {
                    put_claims(batch, (*edge, stamp.at), &[]);
                }
            }
        }
        Ok(())
    }
}

/// Keeps the claims of a place, unless no load is among them.
fn put_claims(batch: &mut Batch, (edge, at): Place, claims: &[Claim]) {
    let key = keyspace::claims(&edge, at);
    if claims.iter().all(|claim| claim.load == 0) {
        batch.delete(Space::Loads, &key);
    } else {
        batch.put(Space::Loads, &key, encode(&claims));
    }
}

impl View<'_> {
    /// What the load of this number brought from files of edges, if it brought any.
    ///
    /// # Errors
    /// Those of reads.
    pub fn loaded_edges(&self, number: u32) -> Result<Option<LoadedEdges>, StoreError> {
        self.record(Space::Loads, &keyspace::loaded_edges(number))
    }

    fn claims_at(&self, edge: &EdgeKey, at: Timestamp) -> Result<Claims, StoreError> {
        Ok(self.record(Space::Loads, &keyspace::claims(edge, at))?.unwrap_or_default())
    }

    /// Every place with claims, ascending.
    pub(super) fn claims(&self) -> Result<Items<'_, (Place, Claims)>, StoreError> {
        Ok(Box::new(self.reader.scan(Space::Loads, &[keyspace::CLAIMS])?.map(|pair| {
            let (key, value) = pair?;
            let place = keyspace::decode_claims(&key).ok_or_else(|| corrupt(Space::Loads, &key))?;
            Ok((place, decode(Space::Loads, &key, &value)?))
        })))
    }
}

/// What takes some pieces back.
#[derive(Default)]
struct Taken {
    mutations: Vec<Mutation>,
    claims: BTreeMap<Place, Claims>,
}

impl Taken {
    /// Has the piece at a place go, or be what it was before, unless another stands there by now.
    fn take(
        &mut self,
        view: &View<'_>,
        (edge, at): Place,
        weight: f32,
        before: Option<&Claim>,
    ) -> Result<bool, StoreError> {
        let evidence = view.evidence_at(&edge, &given(at))?;
        let Some(evidence) = evidence.filter(|known| *known == Evidence::Given { weight }) else {
            return Ok(false);
        };
        let fact = view.fact(edge, given(at), evidence)?;
        let before = before.map(|claim| super::Fact {
            evidence: Evidence::Given { weight: claim.weight },
            ..fact.clone()
        });
        self.mutations.push(Mutation::Remove(fact));
        self.mutations.extend(before.map(Mutation::Add));
        Ok(true)
    }

    fn apply(&mut self, store: &GraphStore) -> Result<(), StoreError> {
        let Self { mutations, claims } = std::mem::take(self);
        store.apply_for(Account::Unload, &mutations, |_, batch| {
            claims.iter().for_each(|(place, claims)| put_claims(batch, *place, claims));
            Ok::<_, StoreError>(())
        })?;
        store.sync()
    }
}

impl GraphStore {
    /// As [`GraphStore::apply`], for edges on the account of the load of the number `load`: `record` hears the
    /// outcomes and gives the load's records, which are written with the batch.
    ///
    /// # Errors
    /// Those of [`GraphStore::apply`]; then nothing was written.
    pub fn apply_edges(
        &self,
        load: u32,
        mutations: &[Mutation],
        record: impl FnOnce(&[Outcome]) -> (LoadRecord, LoadedEdges),
    ) -> Result<Applied, StoreError> {
        self.apply_for(Account::Load(load), mutations, |outcomes, batch| {
            let (record, edges) = record(outcomes);
            batch.put(Space::Loads, &keyspace::load(record.number), encode(&record));
            batch.put(Space::Loads, &keyspace::loaded_edges(record.number), encode(&edges));
            Ok(())
        })
    }

    /// Takes back what the load of this number brought from files of edges, by batches that each leave the
    /// store whole; ended in between, it goes on when it is called again. Returns how many pieces went or
    /// became what they were before. `progress` hears how many were looked after.
    ///
    /// # Errors
    /// Those of reads and writes; what was done until then stays done.
    pub fn unload_edges(
        &self,
        load: u32,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, StoreError> {
        let mut n_taken = 0;
        let mut taken = Taken::default();
        {
            // As of before the first batch: each place is passed once.
            let view = self.view();
            for item in view.claims()? {
                let (place, mut claims) = item?;
                let Some(at) = claims.iter().position(|claim| claim.load == load) else { continue };
                let Claim { weight, .. } = claims.remove(at);
                if at == claims.len() {
                    taken.take(&view, place, weight, claims.last())?;
                }
                taken.claims.insert(place, claims);
                n_taken += 1;
                if taken.claims.len() == PIECES {
                    taken.apply(self)?;
                    progress(n_taken);
                }
            }
            taken.apply(self)?;
        }
        if self.view().loaded_edges(load)?.is_some_and(|edges| edges.packed) {
            n_taken += self.unload_packed(n_taken, progress)?;
        }
        progress(n_taken);
        Ok(n_taken)
    }

    /// Takes the packed rows back: first those whose edges have records, then all others at once.
    fn unload_packed(
        &self,
        n_before: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, StoreError> {
        let (mut n_taken, mut n_waiting) = (0, 0);
        let mut taken = Taken::default();
        let view = self.view();
        for item in view.unpacked()? {
            let (edge, at, weight) = item?;
            let mut claims = view.claims_at(&edge, at)?;
            let is_taken = if claims.is_empty() {
                taken.take(&view, (edge, at), weight, None)?
            } else {
                // Of the claims above its own the last stays.
                claims[0].load == 0
            };
            if is_taken && !claims.is_empty() {
                claims.remove(0);
                taken.claims.insert((edge, at), claims);
            }
            n_taken += u64::from(is_taken);
            n_waiting += u64::from(is_taken);
            if n_waiting == PIECES as u64 {
                taken.apply(self)?;
                n_waiting = 0;
                progress(n_before + n_taken);
            }
        }
        drop(view);
        taken.apply(self)?;
        Ok(n_taken + self.remove_packed()?)
    }
}
