//! The bytes of a file or of standard input, unpacked, and cut into rows that never grow past a limit.
//!
//! What is no regular file is refused before it is opened, so nothing blocks. A suffix that lies, UTF-16
//! and a stream that breaks off are refused with the byte at which they do.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{At, IngestError, InputParams, is_stdin, unreadable};

const BUFFER_BYTES: usize = 1 << 20;
/// Bytes from which encodings are told.
const HEAD_BYTES: u64 = 64;
/// Bytes that are kept of a row over the limit.
const KEPT_BYTES: usize = 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|suffix| suffix.to_str()).map(str::to_lowercase).as_deref()
        {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::Plain,
        }
    }

    fn of_head(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A row as it was cut.
pub(super) struct Cut {
    /// Where it begins.
    pub at: At,
    /// Its bytes without the one that ends it; more than were kept when it is too long.
    pub n_bytes: u64,
    /// Is it longer than a row may be?
    pub is_long: bool,
    /// Was the byte that ends it there? Else the file ended.
    pub is_ended: bool,
}

/// Bytes to be cut into rows.
pub(super) struct Source {
    path: PathBuf,
    reader: BufReader<Box<dyn Read>>,
    /// Bytes that were taken from the file, before unpacking.
    taken: Arc<AtomicU64>,
    packing: Packing,
    max_row_bytes: usize,
    byte: u64,
    line: u64,
    after_return: bool,
}

impl Source {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// [`IngestError::NotAFile`], [`IngestError::Io`], and [`IngestError::Unreadable`] for a packing that
    /// is not what the name says, and for what is not UTF-8 as a whole.
    pub fn open(path: &Path, input: &InputParams) -> Result<Self, IngestError> {
        let io = |source| IngestError::Io { path: path.to_owned(), source };
        let mut from: Box<dyn Read> = if is_stdin(path) {
            Box::new(io::stdin().lock())
        } else {
            Box::new(open_regular(path)?)
        };
        let start = head(&mut from).map_err(io)?;
        let packing = packing(path, &start)?;
        let taken = Arc::new(AtomicU64::new(0));
        let packed = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(start).chain(from));
        let packed = Counted { reader: packed, taken: Arc::clone(&taken) };
        let unpacked: Box<dyn Read> = match packing {
            Packing::Plain => Box::new(packed),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Packing::Zstd => Box::new(zstd::Decoder::with_buffer(packed).map_err(io)?),
        };
        let mut source = Self {
            path: path.to_owned(),
            reader: BufReader::new(unpacked),
            taken,
            packing,
            max_row_bytes: input.max_row_bytes,
            byte: 0,
            line: 1,
            after_return: false,
        };
        let start = {
            let read = head(&mut source.reader);
            read.map_err(|error| source.broken(error))?
        };
        check_encoding(path, &start)?;
        let skipped = if start.starts_with(BOM) { BOM.len() } else { 0 };
        source.byte = skipped as u64;
        let mut rest = Cursor::new(start);
        rest.set_position(skipped as u64);
        source.reader = BufReader::with_capacity(BUFFER_BYTES, Box::new(rest.chain(source.reader)));
        Ok(source)
    }

    /// What is to be read, unpacked.
    pub fn into_reader(self) -> impl BufRead {
        self.reader
    }

    /// Where the next byte stands.
    pub fn at(&self) -> At {
        At { line: self.line, byte: Some(self.byte) }
    }

    /// Passes over bytes for as long as `passes`; returns the one after them, if there is one.
    pub fn pass(&mut self, mut passes: impl FnMut(u8) -> bool) -> Result<Option<u8>, IngestError> {
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) => return Err(self.broken(error)),
            };
            if buffer.is_empty() {
                return Ok(None);
            }
            let n = buffer.iter().position(|&byte| !passes(byte)).unwrap_or(buffer.len());
            let next = buffer.get(n).copied();
            for &byte in &buffer[..n] {
                count(byte, &mut self.line, &mut self.after_return);
            }
            self.byte += n as u64;
            self.reader.consume(n);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// Takes the byte that [`Self::pass`] returned.
    pub fn take(&mut self) -> Result<(), IngestError> {
        let mut first = true;
        self.pass(|_| std::mem::take(&mut first)).map(drop)
    }

    /// Cuts off the bytes up to the one for which `ends` is true, which is asked of each in turn, and puts
    /// them into `row`. Of a row over the limit only the start is kept, and the `ends` of `resync` is asked
    /// from there on. `None` at the end of the file.
    ///
    /// # Errors
    /// [`IngestError::Io`], and [`IngestError::Broken`] where what is packed breaks off.
    pub fn cut(
        &mut self,
        row: &mut Vec<u8>,
        ends: &mut impl FnMut(u8) -> bool,
        resync: impl Fn(u8) -> bool,
    ) -> Result<Option<Cut>, IngestError> {
        row.clear();
        let mut cut = Cut { at: self.at(), n_bytes: 0, is_long: false, is_ended: false };
        while !cut.is_ended {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) => return Err(self.broken(error)),
            };
            if buffer.is_empty() {
                break;
            }
            let mut n = 0;
            for &byte in buffer {
                n += 1;
                count(byte, &mut self.line, &mut self.after_return);
                // Both are asked, so that what `ends` knows stays true.
                if ends(byte) | (cut.is_long && resync(byte)) {
                    cut.is_ended = true;
                    break;
                }
                cut.n_bytes += 1;
                cut.is_long |= cut.n_bytes > self.max_row_bytes as u64;
            }
            if !cut.is_long {
                row.extend_from_slice(&buffer[..n - usize::from(cut.is_ended)]);
            } else if row.len() < KEPT_BYTES {
                row.extend_from_slice(&buffer[..n.min(KEPT_BYTES)]);
            }
            self.byte += n as u64;
            self.reader.consume(n);
        }
        if cut.is_long {
            row.truncate(KEPT_BYTES);
            row.shrink_to(BUFFER_BYTES);
        }
        Ok((cut.is_ended || cut.n_bytes > 0).then_some(cut))
    }

    /// Why a row over the limit is refused.
    pub fn too_long(&self, cut: &Cut, hint: &str) -> String {
        format!(
            "the row has more than {} bytes ({}); {hint}; its first bytes stand here",
            self.max_row_bytes, cut.n_bytes
        )
    }

    /// An array that is not whole.
    pub fn not_whole(&self, reason: &str) -> IngestError {
        let (path, reason) = (self.path.clone(), reason.to_owned());
        IngestError::Broken { path, byte: self.byte, reason }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What came before is good, but the rest is missing or damaged.
    pub fn broken(&self, error: io::Error) -> IngestError {
        let taken = self.taken.load(Ordering::Relaxed);
        match self.packing {
            Packing::Plain => IngestError::Io { path: self.path.clone(), source: error },
            packing => IngestError::Broken {
                path: self.path.clone(),
                byte: taken,
                reason: format!(
                    "the {} stream is damaged or cut off there, {} bytes unpacked: {error}",
                    packing.name(),
                    self.byte
                ),
            },
        }
    }
}

fn count(byte: u8, line: &mut u64, after_return: &mut bool) {
    *line += u64::from(byte == b'\r' || (byte == b'\n' && !*after_return));
    *after_return = byte == b'\r';
}

/// Counts the bytes that are taken from a reader.
struct Counted<R> {
    reader: R,
    taken: Arc<AtomicU64>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(into)?;
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
        self.reader.consume(n);
    }
}

fn head(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    from.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// Opens a regular file, and nothing that could make a reader wait.
///
/// # Errors
/// [`IngestError::NotAFile`] and [`IngestError::Io`].
pub(super) fn open_regular(path: &Path) -> Result<File, IngestError> {
    let io = |source| IngestError::Io { path: path.to_owned(), source };
    check_regular(path, &fs::metadata(path).map_err(|source| not_there(path, source))?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    // A pipe that took the file's place meanwhile would wait for a writer here.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path).map_err(|source| not_there(path, source))?;
    check_regular(path, &file.metadata().map_err(io)?)?;
    Ok(file)
}

fn check_regular(path: &Path, metadata: &fs::Metadata) -> Result<(), IngestError> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(not_a_file(
        path,
        if metadata.is_dir() {
            "is a folder; name the files in it, or give a pattern such as 'logs/*.csv'"
        } else {
            "is a pipe, a socket or a device, not a regular file; give `-` to read from standard input"
        },
    ))
}

fn not_there(path: &Path, source: io::Error) -> IngestError {
    match source.kind() {
        io::ErrorKind::NotFound => not_a_file(path, "does not exist; check the path"),
        io::ErrorKind::PermissionDenied => {
            not_a_file(path, "may not be read by this user; change its permissions")
        }
        // ELOOP has no stable kind.
        _ if source.raw_os_error() == Some(libc::ELOOP) => {
            not_a_file(path, "is a symbolic link that leads back to itself; mend the link")
        }
        _ => IngestError::Io { path: path.to_owned(), source },
    }
}

fn not_a_file(path: &Path, reason: &str) -> IngestError {
    IngestError::NotAFile { path: path.to_owned(), reason: reason.to_owned() }
}

/// How the bytes are packed, if the name does not deny it.
fn packing(path: &Path, head: &[u8]) -> Result<Packing, IngestError> {
    let (named, found) = (Packing::of_name(path), Packing::of_head(head));
    // A column could be called PAR1; no column's name goes on with a control character.
    if let [b'P', b'A', b'R', b'1', next, ..] = head
        && next.is_ascii_control()
        && !next.is_ascii_whitespace()
    {
        return Err(unreadable(path, "holds Parquet, not text; rename it to .parquet"));
    }
    if named != Packing::Plain && named != found {
        let (named, found) = (named.name(), found.name());
        let reason = match head {
            [] => format!("is named as {named}, but is empty; pack it again"),
            _ => format!("is named as {named}, but is {found}; rename it to what it is"),
        };
        return Err(unreadable(path, reason));
    }
    Ok(found)
}

/// Refuses what is text of another encoding than UTF-8.
fn check_encoding(path: &Path, head: &[u8]) -> Result<(), IngestError> {
    let found = match head {
        [0xff, 0xfe, 0, 0, ..] => "UTF-32LE",
        [0, 0, 0xfe, 0xff, ..] => "UTF-32BE",
        [0xff, 0xfe, ..] => "UTF-16LE",
        [0xfe, 0xff, ..] => "UTF-16BE",
        // Text of mostly one script, without a mark: every second byte is zero.
        [a, 0, b, 0, c, 0, ..] if *a != 0 && *b != 0 && *c != 0 => "UTF-16LE",
        [0, a, 0, b, 0, c, ..] if *a != 0 && *b != 0 && *c != 0 => "UTF-16BE",
        _ if Packing::of_head(head) != Packing::Plain => {
            return Err(unreadable(path, "is packed twice; unpack it once"));
        }
        _ => return Ok(()),
    };
    Err(unreadable(
        path,
        format!("is {found}; convert it to UTF-8: iconv -f {found} -t UTF-8 OLD > NEW"),
    ))
}
