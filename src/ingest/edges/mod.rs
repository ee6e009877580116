//! Files of edges that come with a weight and a time and no other evidence: what another system has counted,
//! a knowledge graph, a benchmark.
//!
//! A store without edges takes them packed. The file is read once to number the nodes; then once for each
//! part of the rows that memory holds, in each direction, unless the rows as a whole fit. A store with edges
//! takes them a batch at a time.

mod file;
mod nodes;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use self::file::Edges;
use self::nodes::Nodes;
use super::load::{LoadParams, Progress, begin_load};
use super::{IngestError, rows};
use crate::pages;
use crate::schema::{RelationId, Schema, Timestamp};
use crate::store::{
    Evidence, Fact, GraphStore, LoadRecord, LoadState, LoadedEdges, Mutation, Outcome, PackedEdges,
    PackedPiece, Side,
};

/// Which files of edges to load and how.
#[derive(Clone, Debug)]
pub struct EdgeParams {
    /// `.parquet`, or `.csv` (also `.gz`, `.zst`): columns `src`, `dst`, `rel`, `weight`, `ts`.
    pub files: Vec<PathBuf>,
    /// What the values of `rel` mean, where they are no names of relations.
    pub relations: BTreeMap<String, String>,
    /// Bytes that rows may take, more or less.
    pub max_memory: usize,
    /// The id of the load; none has one made up.
    pub id: Option<String>,
    /// Does it go on with a load that began before?
    pub resume: bool,
}

impl Default for EdgeParams {
    /// No files; a gibibyte for their rows.
    fn default() -> Self {
        let (files, relations) = (Vec::new(), BTreeMap::new());
        Self { files, relations, max_memory: 1 << 30, id: None, resume: false }
    }
}

/// What loading edges did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EdgeReport {
    /// The load's id.
    pub load_id: String,
    /// Did it go on with a load that began before?
    pub resumed: bool,
    /// Rows of the files.
    pub read: u64,
    /// Rows that changed the store; packed, all of them have a place in it.
    pub applied: u64,
    /// Rows that it had already, or that one of the same edge and time outweighs.
    pub unchanged: u64,
    /// Nodes that the rows name.
    pub nodes: u64,
    /// Were they packed?
    pub packed: bool,
    /// The store's sequence number afterwards.
    pub sequence: u64,
}

/// A row with the places of its ends among [`Nodes`], or their ranks.
#[derive(Clone, Copy)]
struct Row {
    source: u32,
    target: u32,
    relation: RelationId,
    weight: f32,
    at: Timestamp,
}

/// Takes rows as they are read.
type TakeRows<'a> = &'a mut dyn FnMut(&Nodes, &[Row]) -> Result<(), IngestError>;

/// Loads files of edges: all of their rows, or none where an error comes back and the store had no edges.
/// Loading them again changes nothing twice; [`unload`](super::unload()) takes them back.
///
/// # Errors
/// [`IngestError::Unreadable`] names the file and the row that is wrong; those of the load's id and of the
/// store.
pub fn load_edges(
    store: &GraphStore,
    params: &EdgeParams,
    progress: &mut dyn FnMut(Progress),
) -> Result<EdgeReport, IngestError> {
    params.files.iter().try_for_each(|path| rows::check(path, &rows::InputParams::default()))?;
    let EdgeParams { files, id, resume, .. } = params.clone();
    let load = LoadParams { events: files, id, resume, ..LoadParams::default() };
    let (mut record, resumed) = begin_load(store, &load)?;
    let done = match store.packed_edges()? {
        Some(packed) => pack(store.schema(), params, packed, &record, progress),
        None => add(store, params, &record, progress),
    };
    let mut report = match done {
        Ok(report) => report,
        // A store that failed may have more of the load than was told.
        Err(error @ IngestError::Store(_)) => return Err(error),
        Err(error) => {
            if !resumed && store.view().loaded_edges(record.number)?.is_none() {
                store.remove_load(record.number)?;
            }
            return Err(error);
        }
    };
    store.sync()?;
    report.sequence = store.view().sequence()?;
    (report.load_id, report.resumed) = (record.id.clone(), resumed);
    record.files.iter_mut().for_each(|file| file.is_done = true);
    record.state = LoadState::Finished;
    record.finished = Some(report.sequence);
    store.put_load(&record)?;
    Ok(report)
}

/// Edges a batch at a time.
fn add(
    store: &GraphStore,
    params: &EdgeParams,
    record: &LoadRecord,
    progress: &mut dyn FnMut(Progress),
) -> Result<EdgeReport, IngestError> {
    let mut report = EdgeReport::default();
    let mut nodes = Nodes::default();
    // A file that is wrong somewhere is found out before anything is written.
    each_row(store.schema(), params, &mut nodes, &mut |_, _| Ok(()))?;
    let mut brought = store.view().loaded_edges(record.number)?.unwrap_or_default();
    each_row(store.schema(), params, &mut nodes, &mut |nodes, rows| {
        let facts = rows.iter().map(|row| Fact {
            source: nodes.key(row.source).clone(),
            relation: row.relation,
            target: nodes.key(row.target).clone(),
            at: row.at,
            evidence: Evidence::Given { weight: row.weight },
        });
        let mutations: Vec<_> = facts.map(Mutation::Add).collect();
        let before = brought.count;
        store.apply_edges(record.number, &mutations, |outcomes| {
            let is_new = |outcome: &&Outcome| **outcome == Outcome::Applied;
            brought.count += outcomes.iter().filter(is_new).count() as u64;
            (record.clone(), brought)
        })?;
        report.read += rows.len() as u64;
        report.applied += brought.count - before;
        progress(Progress::Events(report.read));
        Ok(())
    })?;
    report.unchanged = report.read - report.applied;
    report.nodes = nodes.len() as u64;
    Ok(report)
}

/// Reads every row of every file, in order.
fn each_row(
    schema: &Schema,
    params: &EdgeParams,
    nodes: &mut Nodes,
    take: TakeRows<'_>,
) -> Result<(), IngestError> {
    for path in &params.files {
        Edges { path, schema, names: &params.relations }.each(nodes, take)?;
    }
    Ok(())
}

/// Edges all at once, packed.
fn pack(
    schema: &Schema,
    params: &EdgeParams,
    mut packed: PackedEdges<'_>,
    record: &LoadRecord,
    progress: &mut dyn FnMut(Progress),
) -> Result<EdgeReport, IngestError> {
    let mut report = EdgeReport { packed: true, ..EdgeReport::default() };
    let mut nodes = Nodes::default();
    // The rows in memory, for as long as they fit.
    let most_rows = params.max_memory / 2 / size_of::<Row>();
    // What is not written to takes no memory.
    let mut kept = Some(pages::with_room(most_rows));
    let mut degrees = [Vec::new(), Vec::new()];
    each_row(schema, params, &mut nodes, &mut |nodes, rows| {
        degrees.iter_mut().for_each(|degrees| pages::resize(degrees, nodes.len(), 0_u32));
        for row in rows {
            degrees[0][row.source as usize] += 1;
            degrees[1][row.target as usize] += 1;
        }
        report.read += rows.len() as u64;
        if let Some(known) = &mut kept {
            known.extend_from_slice(rows);
        }
        kept.take_if(|known| known.len() + file::BATCH_ROWS > most_rows);
        progress(Progress::Sorted(report.read));
        Ok(())
    })?;
    if report.read == 0 {
        return Ok(report);
    }
    let ranks = nodes.ranks()?;
    if let Some(rows) = &mut kept {
        ranks.renumber(rows);
    }
    report.nodes = ranks.order.len() as u64;
    packed.nodes(ranks.order.iter().map(|(id, place)| (*id, nodes.key(*place).clone())))?;
    let most = params.max_memory / 5 / size_of::<PackedPiece>();
    let mut pieces = pages::with_room(most.min(report.read as usize));
    for (side, degrees) in [Side::Out, Side::In].into_iter().zip(degrees) {
        let mut counts = pages::filled(ranks.order.len(), 0);
        for (place, degree) in degrees.into_iter().enumerate() {
            counts[ranks.of[place] as usize] += degree as usize;
        }
        let mut first = 0;
        while first < counts.len() {
            let mut part = Part::new(side, first, &counts[first..], most, &mut pieces);
            first = part.end();
            match &kept {
                Some(rows) => part.put(rows)?,
                None => each_row(schema, params, &mut nodes, &mut |nodes, rows| {
                    if nodes.len() > ranks.of.len() {
                        return Err(IngestError::Changed);
                    }
                    let mut rows = rows.to_vec();
                    ranks.renumber(&mut rows);
                    part.put(&rows)
                })?,
            }
            let n_written = part.write(&mut packed)?;
            if side == Side::Out {
                report.applied += n_written;
            }
        }
    }
    report.unchanged = report.read - report.applied;
    packed.commit(record, LoadedEdges { count: report.applied, packed: true })?;
    progress(Progress::Events(report.read));
    Ok(report)
}

/// The rows of as many nodes as memory holds, on one side.
struct Part<'a> {
    side: Side,
    /// The first node.
    first: usize,
    /// Where each node's pieces start, and where the last one's end.
    starts: Vec<usize>,
    /// Where each node's next piece goes.
    next: Vec<usize>,
    /// Room for them, which was that of earlier parts.
    pieces: &'a mut Vec<PackedPiece>,
}

impl<'a> Part<'a> {
    /// Nodes from `first` on, which have so many rows each: at most `most` in all, but one node at least.
    fn new(
        side: Side,
        first: usize,
        counts: &[usize],
        most: usize,
        pieces: &'a mut Vec<PackedPiece>,
    ) -> Self {
        let mut starts = vec![0];
        let mut total = 0;
        for (node, count) in counts.iter().enumerate() {
            if total + count > most && node > 0 {
                break;
            }
            total += count;
            starts.push(total);
        }
        let next = starts.clone();
        if pieces.len() < total {
            pages::resize(pieces, total, PackedPiece::default());
        }
        Self { side, first, starts, next, pieces }
    }

    /// The first node after these.
    fn end(&self) -> usize {
        self.first + self.starts.len() - 1
    }

    /// Puts rows, whose ends are ranks, to their nodes: those that are here.
    ///
    /// # Errors
    /// [`IngestError::Changed`].
    fn put(&mut self, rows: &[Row]) -> Result<(), IngestError> {
        let nodes = self.first..self.end();
        for &Row { source, target, relation, weight, at } in rows {
            let (owner, other) = match self.side {
                Side::Out => (source, target),
                Side::In => (target, source),
            };
            if nodes.contains(&(owner as usize)) {
                let node = owner as usize - self.first;
                let next = &mut self.next[node];
                if *next == self.starts[node + 1] {
                    return Err(IngestError::Changed);
                }
                self.pieces[*next] = PackedPiece { relation, other, at, weight };
                *next += 1;
            }
        }
        Ok(())
    }

    /// Writes each node's row in order; of pieces of one edge and time the one that weighs most. Returns how
    /// many were written.
    ///
    /// # Errors
    /// [`IngestError::Changed`]; those of the store.
    fn write(self, packed: &mut PackedEdges<'_>) -> Result<u64, IngestError> {
        if !self.starts[1..].iter().eq(&self.next[..self.next.len() - 1]) {
            return Err(IngestError::Changed);
        }
        let mut n_written = 0;
        let mut row = Vec::new();
        for (node, ends) in (self.first..).zip(self.starts.windows(2)) {
            let pieces = &mut self.pieces[ends[0]..ends[1]];
            pieces.sort_unstable_by(|a, b| {
                let key = |piece: &PackedPiece| (piece.relation, piece.other, piece.at);
                key(a).cmp(&key(b)).then(b.weight.total_cmp(&a.weight))
            });
            row.clear();
            row.extend_from_slice(pieces);
            row.dedup_by_key(|piece| (piece.relation, piece.other, piece.at));
            packed.row(self.side, node as u32, &row)?;
            n_written += row.len() as u64;
        }
        Ok(n_written)
    }
}
