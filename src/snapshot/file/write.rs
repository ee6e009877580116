//! The file is written: beside the old one, to disk, and then in its place.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::super::Snapshot;
use super::{
    ALIGNMENT, AS_NAME, BODY_START, BYTE_ORDER, CHUNK, GraphFileError, HEADER_START, Header, MAGIC,
    N_SECTIONS, Section, chunk_hashes, file_hash, io_error, made_by,
};
use crate::graph::{NodeIndex, Plain};

/// Bytes that are gathered, hashed by several threads and written together.
const GATHERED: usize = 8 * CHUNK;
/// Values that are turned into bytes at a time.
const VALUES: usize = 1 << 16;

impl Snapshot {
    /// Was anything written since the base was built?
    pub fn is_changed(&self) -> bool {
        self.sequence != self.base.sequence
    }

    /// Writes the snapshot to `path`, in the place of an earlier file: the whole of it or nothing.
    ///
    /// # Errors
    /// [`GraphFileError::Changed`] for a snapshot that is more than its base, [`GraphFileError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), GraphFileError> {
        if self.is_changed() {
            return Err(GraphFileError::Changed);
        }
        let part = path.with_extension("part");
        let saved =
            self.write(&part).and_then(|()| fs::rename(&part, path).map_err(io_error(path)));
        if saved.is_err() {
            // What is left of it is written over by the next.
            let _ = fs::remove_file(&part);
        } else if let Some(folder) = path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))?;
        }
        saved
    }

    fn write(&self, path: &Path) -> Result<(), GraphFileError> {
        let mut body = Body::new(File::create(path).map_err(io_error(path))?);
        let written = self.write_body(&mut body).and_then(|()| body.flush());
        written.map_err(io_error(path))?;
        let header = Header {
            byte_order: BYTE_ORDER,
            sequence: self.sequence,
            stamp: self.base.stamp.clone(),
            made_by: made_by(&self.schema),
            as_of: self.as_of,
            clock: self.clock,
            by_node: self.graph.base().arrays().by_node,
            n_nodes: self.graph.node_count() as u64,
            sections: body.sections,
        };
        body.finish(&header).map_err(io_error(path))
    }

    fn write_body(&self, body: &mut Body) -> std::io::Result<()> {
        let arrays = self.graph.base().arrays();
        body.put(Section::OutOffsets, arrays.out_offsets)?;
        body.put(Section::Targets, arrays.targets)?;
        body.put(Section::Data, arrays.data)?;
        body.put(Section::InOffsets, arrays.in_offsets)?;
        body.put(Section::Sources, arrays.sources)?;
        body.put(Section::InEdges, arrays.in_edges)?;
        body.put(Section::Weights, self.base.worth.weights())?;
        body.put(Section::Norms, &self.base.norms)?;
        let ids: Vec<u64> = self.names.ids().iter().map(|id| id.0).collect();
        body.put(Section::Ids, &ids)?;
        let (mut lengths, mut bytes) = (Vec::with_capacity(2 * ids.len()), Vec::new());
        let length = |text: &str| {
            let too_long = |_| std::io::Error::from(std::io::ErrorKind::InvalidData);
            u32::try_from(text.len()).map_err(too_long)
        };
        let names = (0..ids.len()).filter_map(|index| self.names.get(NodeIndex::new(index)));
        for name in names {
            lengths.push(length(&name.key.name)?);
            bytes.extend_from_slice(name.key.name.as_bytes());
            if name.label == name.key.name {
                lengths.push(AS_NAME);
            } else {
                lengths.push(length(&name.label)?);
                bytes.extend_from_slice(name.label.as_bytes());
            }
        }
        body.put(Section::NameLengths, &lengths)?;
        body.put_bytes(Section::Names, &bytes)?;
        body.put_bytes(Section::Background, &self.base.background.encode())
    }
}

/// The arrays on their way into a file.
struct Body {
    file: File,
    /// Bytes that are not written yet.
    gathered: Vec<u8>,
    n_written: usize,
    chunks: Vec<blake3::Hash>,
    sections: [(u64, u64); N_SECTIONS],
}

impl Body {
    fn new(file: File) -> Self {
        let gathered = Vec::with_capacity(GATHERED);
        Self { file, gathered, n_written: 0, chunks: Vec::new(), sections: [(0, 0); N_SECTIONS] }
    }

    /// Where the next byte goes.
    fn place(&self) -> usize {
        BODY_START + self.n_written + self.gathered.len()
    }

    fn put<T: Plain>(&mut self, section: Section, values: &[T]) -> std::io::Result<()> {
        let start = self.align();
        let mut bytes = Vec::with_capacity(VALUES * size_of::<T>());
        for values in values.chunks(VALUES) {
            bytes.clear();
            values.iter().for_each(|value| value.put(&mut bytes));
            self.gather(&bytes)?;
        }
        self.sections[section as usize] = (start as u64, self.place() as u64);
        Ok(())
    }

    fn put_bytes(&mut self, section: Section, bytes: &[u8]) -> std::io::Result<()> {
        let start = self.align();
        bytes.chunks(CHUNK).try_for_each(|bytes| self.gather(bytes))?;
        self.sections[section as usize] = (start as u64, self.place() as u64);
        Ok(())
    }

    fn align(&mut self) -> usize {
        let start = self.place().next_multiple_of(ALIGNMENT);
        self.gathered.resize(start - BODY_START - self.n_written, 0);
        start
    }

    fn gather(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() < GATHERED { Ok(()) } else { self.write(GATHERED) }
    }

    /// Writes what is gathered and is no whole chunk.
    fn flush(&mut self) -> std::io::Result<()> {
        self.write(self.gathered.len())
    }

    /// Writes the first bytes: whole chunks, or all that there will be.
    fn write(&mut self, n_bytes: usize) -> std::io::Result<()> {
        if self.n_written == 0 {
            self.file.seek(SeekFrom::Start(BODY_START as u64))?;
        }
        let bytes = &self.gathered[..n_bytes];
        self.chunks.extend(chunk_hashes(bytes));
        self.file.write_all(bytes)?;
        self.n_written += n_bytes;
        self.gathered.drain(..n_bytes);
        Ok(())
    }

    /// Writes the header and returns when all is on disk.
    fn finish(mut self, header: &Header) -> std::io::Result<()> {
        let mut start = MAGIC.to_vec();
        start.extend_from_slice(&[0; blake3::OUT_LEN]);
        let failed = |_| std::io::Error::from(std::io::ErrorKind::InvalidData);
        let mut start = postcard::to_extend(header, start).map_err(failed)?;
        start.resize(BODY_START, 0);
        let hash = file_hash(&start[HEADER_START..], &self.chunks);
        start[MAGIC.len()..HEADER_START].copy_from_slice(hash.as_bytes());
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&start)?;
        self.file.sync_all()
    }
}
