//! A column of integers in as few bits each as its range needs: the least value, then what each is above it
//! (frame of reference; Zukowski et al., *Super-scalar RAM-CPU cache compression*, ICDE 2006).

/// Bits that a value may take: one that starts anywhere in a byte still ends within eight bytes.
const MAX_PACKED: u32 = 56;
/// Bytes that must follow the last column, as values are read eight bytes at a time.
pub(super) const PADDING: usize = 8;

/// Appends a column.
pub(super) fn write(values: impl Iterator<Item = i64> + Clone, to: &mut Vec<u8>) {
    let ends = |(least, most): (i64, i64), value: i64| (least.min(value), most.max(value));
    let mut all = values.clone();
    let first = all.next().unwrap_or(0);
    let (least, most) = all.fold((first, first), ends);
    let range = most.wrapping_sub(least) as u64;
    let width = match u64::BITS - range.leading_zeros() {
        width if width > MAX_PACKED => u64::BITS,
        width => width,
    };
    to.extend_from_slice(&least.to_le_bytes());
    to.push(width as u8);
    if width == 0 {
        return;
    }
    let (mut waiting, mut n_bits) = (0_u128, 0);
    for value in values {
        waiting |= u128::from(value.wrapping_sub(least) as u64) << n_bits;
        n_bits += width;
        if n_bits >= u64::BITS {
            to.extend_from_slice(&(waiting as u64).to_le_bytes());
            waiting >>= u64::BITS;
            n_bits -= u64::BITS;
        }
    }
    to.extend_from_slice(&waiting.to_le_bytes()[..n_bits.div_ceil(u8::BITS) as usize]);
}

/// A column as it stands in a block.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    least: i64,
    width: u32,
    /// The values' bits, and whatever follows them.
    bits: &'a [u8],
}

impl<'a> Column<'a> {
    /// Reads a column of `n` values off the front of `bytes`; none when they end early.
    pub fn read(n: usize, bytes: &mut &'a [u8]) -> Option<Self> {
        let (least, rest) = bytes.split_first_chunk()?;
        let (&width, rest) = rest.split_first()?;
        let width = u32::from(width);
        if width > u64::BITS {
            return None;
        }
        let n_bytes = (n.checked_mul(width as usize)?).div_ceil(8);
        if rest.len() < n_bytes + PADDING {
            return None;
        }
        *bytes = &rest[n_bytes..];
        Some(Self { least: i64::from_le_bytes(*least), width, bits: rest })
    }

    /// The value at `place`, which is below the column's length.
    pub fn get(&self, place: usize) -> i64 {
        let bit = place * self.width as usize;
        let word = &self.bits[bit / 8..][..8];
        let word = u64::from_le_bytes(word.try_into().expect("a slice of eight bytes"));
        let above = match self.width {
            u64::BITS => word,
            width => word >> (bit % 8) & ((1 << width) - 1),
        };
        self.least.wrapping_add(above as i64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn columns_read_back(shift in 0_u32..64, values in prop::collection::vec(any::<i64>(), 0..100)) {
            let values: Vec<i64> = values.into_iter().map(|value| value >> shift).collect();
            let mut bytes = Vec::new();
            write(values.iter().copied(), &mut bytes);
            let n_bytes = bytes.len();
            bytes.extend([0xa5; PADDING + 3]);
            let mut rest = bytes.as_slice();
            let column = Column::read(values.len(), &mut rest).unwrap();
            prop_assert_eq!(rest.len(), bytes.len() - n_bytes);
            for (place, value) in values.iter().enumerate() {
                prop_assert_eq!(column.get(place), *value);
            }
            for end in 0..n_bytes {
                prop_assert!(Column::read(values.len(), &mut &bytes[..end]).is_none());
            }
        }
    }
}
