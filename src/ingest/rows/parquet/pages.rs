//! The headers of a column's pages, read before any page is unpacked: they tell how much memory that takes.
//!
//! A header is a Thrift struct in the compact protocol: fields, each with a type and how far its number is
//! from the one before, up to a zero byte.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Bytes that a header may have: it may repeat the least and the greatest text of its page.
const MAX_HEADER_BYTES: u64 = 64 << 20;
/// How deep a header may nest.
const MAX_DEPTH: u32 = 16;

const STOP: u8 = 0;
const INTEGER: u8 = 5;
const STRUCT: u8 = 12;

/// What a page's header tells.
#[derive(Default)]
pub(super) struct Page {
    pub is_dictionary: bool,
    /// Bytes once unpacked.
    pub unpacked: u64,
    /// Bytes in the file.
    packed: u64,
    pub n_values: u64,
}

/// Reads the header of each page in the `length` bytes from `start`.
pub(super) fn each(
    file: &File,
    start: u64,
    length: u64,
    page: &mut dyn FnMut(Page),
) -> Result<(), String> {
    let mut reader = BufReader::with_capacity(4096, file);
    reader.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
    let mut at = 0;
    while at < length {
        let mut header = reader.by_ref().take(MAX_HEADER_BYTES);
        let found = read(&mut header)
            .map_err(|error| format!("no page at byte {}: {error}", start + at))?;
        at += MAX_HEADER_BYTES - header.limit() + found.packed;
        let skipped = i64::try_from(found.packed).map_err(|error| error.to_string())?;
        reader.seek_relative(skipped).map_err(|error| error.to_string())?;
        page(found);
    }
    Ok(())
}

fn read(from: &mut impl Read) -> io::Result<Page> {
    let mut page = Page::default();
    let mut number = 0;
    while let Some(kind) = field(from, &mut number)? {
        match (number, kind) {
            // Two is a dictionary's.
            (1, INTEGER) => page.is_dictionary = integer(from)? == 2,
            (2, INTEGER) => page.unpacked = size(from)?,
            (3, INTEGER) => page.packed = size(from)?,
            (5 | 7 | 8, STRUCT) => {
                let mut inner = 0;
                while let Some(kind) = field(from, &mut inner)? {
                    match (inner, kind) {
                        (1, INTEGER) => page.n_values = size(from)?,
                        _ => skip(from, kind, 1)?,
                    }
                }
            }
            _ => skip(from, kind, 1)?,
        }
    }
    Ok(page)
}

/// The type of the next field, whose number is put into `number`; none at the end of a struct.
fn field(from: &mut impl Read, number: &mut i64) -> io::Result<Option<u8>> {
    let head = byte(from)?;
    if head == STOP {
        return Ok(None);
    }
    *number = match head >> 4 {
        0 => integer(from)?,
        further => number.wrapping_add(i64::from(further)),
    };
    Ok(Some(head & 0xf))
}

fn skip(from: &mut impl Read, kind: u8, depth: u32) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(wrong("it nests too deep"));
    }
    match kind {
        // Flags are in the type.
        1 | 2 => Ok(()),
        3 => byte(from).map(drop),
        4..=6 => varint(from).map(drop),
        7 => pass(from, 8),
        8 => {
            let length = varint(from)?;
            pass(from, length)
        }
        9 | 10 => {
            let head = byte(from)?;
            let length = if head >> 4 == 15 { varint(from)? } else { u64::from(head >> 4) };
            (0..length).try_for_each(|_| skip_element(from, head & 0xf, depth))
        }
        11 => {
            let length = varint(from)?;
            let kinds = if length > 0 { byte(from)? } else { 0 };
            (0..length).try_for_each(|_| {
                skip_element(from, kinds >> 4, depth)?;
                skip_element(from, kinds & 0xf, depth)
            })
        }
        STRUCT => {
            let mut number = 0;
            while let Some(kind) = field(from, &mut number)? {
                skip(from, kind, depth + 1)?;
            }
            Ok(())
        }
        _ => Err(wrong("it has a field of no known type")),
    }
}

/// Elements have their flags in a byte each.
fn skip_element(from: &mut impl Read, kind: u8, depth: u32) -> io::Result<()> {
    match kind {
        1 | 2 => byte(from).map(drop),
        _ => skip(from, kind, depth + 1),
    }
}

fn byte(from: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn pass(from: &mut impl Read, length: u64) -> io::Result<()> {
    let passed = io::copy(&mut from.take(length), &mut io::sink())?;
    if passed == length { Ok(()) } else { Err(wrong("it is cut off")) }
}

fn varint(from: &mut impl Read) -> io::Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let next = byte(from)?;
        value |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(wrong("it has a number of too many bytes"))
}

/// A signed number, whose sign is in its lowest bit.
fn integer(from: &mut impl Read) -> io::Result<i64> {
    let value = varint(from)?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

fn size(from: &mut impl Read) -> io::Result<u64> {
    u64::try_from(integer(from)?).map_err(|_| wrong("it has a size below zero"))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
