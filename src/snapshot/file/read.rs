//! The file is mapped: its arrays are used where they lie, only names are copied.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::super::background::Background;
use super::super::names::{Name, Names};
use super::super::{Base, Snapshot};
use super::{
    AS_NAME, BODY_START, BYTE_ORDER, GraphFileError, HEADER_START, Header, MAGIC, Section,
    chunk_hashes, file_hash, io_error, made_by,
};
use crate::event::NodeKey;
use crate::graph::{Array, Arrays, CompactGraph, Mapping, Overlay, Plain};
use crate::store::{NodeId, View};
use crate::traverse::WeightTable;

/// Names that a thread reads at a time.
const NAMES: usize = 1 << 14;

impl Snapshot {
    /// The snapshot that was saved at `path`, if it is that of `view`. `cached` are the names under
    /// which answers are kept.
    ///
    /// # Errors
    /// [`GraphFileError::Foreign`], [`GraphFileError::Outdated`], [`GraphFileError::Damaged`],
    /// [`GraphFileError::Io`]: then nothing of the file was used.
    pub fn load(
        path: &Path,
        view: &View<'_>,
        cached: &[&'static str],
    ) -> Result<Self, GraphFileError> {
        let file = File::open(path).map_err(io_error(path))?;
        let damaged = |what| GraphFileError::Damaged { path: path.to_owned(), what };
        let foreign = || GraphFileError::Foreign { path: path.to_owned() };
        let n_bytes = file.metadata().map_err(io_error(path))?.len();
        if n_bytes < BODY_START as u64 {
            return Err(damaged("it is too short"));
        }
        let mapped = Arc::new(Mapping::of(&file).map_err(io_error(path))?);
        let (start, body) = mapped.bytes().split_at_checked(BODY_START).ok_or_else(foreign)?;
        if !start.starts_with(&MAGIC) {
            return Err(foreign());
        }
        let header = &start[HEADER_START..];
        let read = postcard::take_from_bytes::<Header>(header);
        let (fields, _) = read.map_err(|_| damaged("its header cannot be read"))?;
        if fields.byte_order != BYTE_ORDER || fields.made_by != made_by(view.schema()) {
            return Err(foreign());
        }
        let (found, expected) = (fields.sequence, view.sequence()?);
        if found != expected {
            return Err(GraphFileError::Outdated { path: path.to_owned(), found, expected });
        }
        if fields.stamp != view.stamp()? {
            return Err(foreign());
        }
        let hash = file_hash(header, &chunk_hashes(body));
        if hash.as_bytes()[..] != start[MAGIC.len()..HEADER_START] {
            return Err(damaged("its bytes are not those that were written"));
        }
        let parts = Sections { mapped: &mapped, header: &fields };
        let (graph, base, ids, names) =
            parts.read().ok_or_else(|| damaged("its arrays do not fit together"))?;
        let slots = |name| (name, (0..ids.len()).map(|_| OnceLock::new()).collect());
        let nearest: HashMap<_, _> = cached.iter().copied().map(slots).collect();
        Ok(Self {
            sequence: found,
            as_of: fields.as_of,
            clock: fields.clock,
            schema: Arc::new(view.schema().clone()),
            graph: Overlay::new(Arc::new(graph)),
            names: Names::new(ids, names, &view.merges()?),
            recipe: Arc::default(),
            rows: Arc::default(),
            base: Arc::new(Base { nearest, ..base }),
        })
    }
}

/// The arrays of a mapped file.
struct Sections<'a> {
    mapped: &'a Arc<Mapping>,
    header: &'a Header,
}

impl Sections<'_> {
    /// Graph, base, ids and names, if they are those of as many nodes and edges.
    fn read(&self) -> Option<(CompactGraph, Base, Vec<NodeId>, Vec<Name>)> {
        let n_nodes = usize::try_from(self.header.n_nodes).ok()?;
        let arrays = Arrays {
            out_offsets: self.array(Section::OutOffsets)?,
            targets: self.array(Section::Targets)?,
            data: self.array(Section::Data)?,
            in_offsets: self.array(Section::InOffsets)?,
            sources: self.array(Section::Sources)?,
            in_edges: self.array(Section::InEdges)?,
            by_node: self.header.by_node,
        };
        let graph = CompactGraph::from_arrays(n_nodes, arrays)?;
        let weights: Array<f32> = self.array(Section::Weights)?;
        let norms: Array<f64> = self.array(Section::Norms)?;
        let ids: Array<u64> = self.array(Section::Ids)?;
        let background = Background::decode(self.bytes(Section::Background)?, n_nodes)?;
        let fits = weights.len() == graph.edge_count()
            && norms.len() == n_nodes
            && ids.len() == n_nodes
            && ids.is_sorted_by(|a, b| a < b);
        if !fits {
            return None;
        }
        let ids: Vec<NodeId> = ids.iter().copied().map(NodeId).collect();
        let names = self.names(&ids)?;
        let base = Base {
            sequence: self.header.sequence,
            stamp: self.header.stamp.clone(),
            worth: WeightTable::from_weights(weights),
            norms: norms.to_vec(),
            background,
            nearest: HashMap::new(),
            fitted: OnceLock::new(),
            embedded: OnceLock::new(),
        };
        Some((graph, base, ids, names))
    }

    fn names(&self, ids: &[NodeId]) -> Option<Vec<Name>> {
        let lengths: Array<u32> = self.array(Section::NameLengths)?;
        if lengths.len() != 2 * ids.len() {
            return None;
        }
        let texts = self.bytes(Section::Names)?;
        let bytes_of = |length: u32| if length == AS_NAME { 0 } else { length as usize };
        let mut starts = Vec::new();
        let mut end = 0_usize;
        for lengths in lengths.chunks(2 * NAMES) {
            starts.push(end);
            end = lengths.iter().try_fold(end, |end, n| end.checked_add(bytes_of(*n)))?;
        }
        if end != texts.len() {
            return None;
        }
        let parts = lengths.par_chunks(2 * NAMES).zip(ids.par_chunks(NAMES)).zip(starts);
        let parts = parts.map(|((lengths, ids), start)| {
            let mut rest = texts.get(start..)?;
            let mut take = |length: u32| {
                let (text, after) = rest.split_at_checked(bytes_of(length))?;
                rest = after;
                Some(std::str::from_utf8(text).ok()?.to_owned())
            };
            let name = |(id, lengths): (&NodeId, &[u32])| {
                let name = take(lengths[0])?;
                let label = if lengths[1] == AS_NAME { name.clone() } else { take(lengths[1])? };
                Some(Name { key: NodeKey { kind: id.kind()?, name }, label })
            };
            ids.iter().zip(lengths.chunks_exact(2)).map(name).collect::<Option<Vec<_>>>()
        });
        Some(parts.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn range(&self, section: Section) -> Option<(usize, usize)> {
        let (start, end) = self.header.sections[section as usize];
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
        (start >= BODY_START).then_some((start, end))
    }

    fn bytes(&self, section: Section) -> Option<&[u8]> {
        let (start, end) = self.range(section)?;
        self.mapped.bytes().get(start..end)
    }

    fn array<T: Plain>(&self, section: Section) -> Option<Array<T>> {
        let (start, end) = self.range(section)?;
        Array::mapped(self.mapped, start, end)
    }
}
