//! Arrays that lie in memory of their own, or in a file that is mapped into it.
//!
//! A mapped file must not be written to: whoever makes a newer one puts it in the old one's place by
//! renaming, which leaves those who have mapped the old one with what they have.
#![allow(
    unsafe_code,
    reason = "the kernel is asked for memory, and bytes of a file are read as numbers"
)]

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::EdgeData;

/// The bytes of a file, read when they are looked at.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    n_bytes: usize,
}

// SAFETY: the bytes are only ever read, and belong to the mapping until it is dropped.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a file that has at least one byte.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let too_long = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let n_bytes = usize::try_from(file.metadata()?.len()).map_err(too_long)?;
        // SAFETY: the kernel chooses an address that nothing else has.
        let start =
            unsafe { mmap(null_mut(), n_bytes, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, n_bytes })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the kernel gave so many bytes at this address until they are given back.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.n_bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the one that was mapped, and nobody can borrow from it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.n_bytes) };
        // What cannot be given back is kept: nothing else can be done about it.
        let _ = unmapped;
    }
}

/// What may be read from any bytes.
///
/// # Safety
/// Every pattern of bytes is a value.
pub(crate) unsafe trait Plain: Copy {
    /// Appends the bytes of the value as they lie in memory, with 0 where it has none.
    fn put(self, bytes: &mut Vec<u8>);
}

macro_rules! plain_numbers {
    ($($number:ty),*) => {$(
        // SAFETY: numbers have no bytes that say nothing, and no patterns that are no number.
        unsafe impl Plain for $number {
            fn put(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_ne_bytes());
            }
        }
    )*};
}

plain_numbers!(u32, u64, f32, f64);

// SAFETY: it consists of numbers, in the order in which they are declared.
unsafe impl Plain for EdgeData {
    fn put(self, bytes: &mut Vec<u8>) {
        let Self { relation, sum, last_minutes } = self;
        let mut all = [0; size_of::<Self>()];
        all[..2].copy_from_slice(&relation.0.to_ne_bytes());
        all[4..8].copy_from_slice(&sum.to_ne_bytes());
        all[8..].copy_from_slice(&last_minutes.to_ne_bytes());
        bytes.extend_from_slice(&all);
    }
}

/// An array that never changes.
#[derive(Clone)]
pub(crate) struct Array<T>(Held<T>);

#[derive(Clone)]
enum Held<T> {
    Owned(Vec<T>),
    /// `len` values from this byte of the mapping on.
    Mapped {
        mapping: Arc<Mapping>,
        start: usize,
        len: usize,
    },
}

impl<T: Plain> Array<T> {
    /// The values that fill the bytes `start..end` of a mapping; none where these lie beyond it or do not
    /// hold whole values in their right places.
    pub(crate) fn mapped(mapping: &Arc<Mapping>, start: usize, end: usize) -> Option<Self> {
        let bytes = mapping.bytes().get(start..end)?;
        let aligned = bytes.as_ptr().cast::<T>().is_aligned();
        let whole = bytes.len().is_multiple_of(size_of::<T>());
        let (mapping, len) = (Arc::clone(mapping), bytes.len() / size_of::<T>());
        (aligned && whole).then_some(Self(Held::Mapped { mapping, start, len }))
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Held::Owned(values) => values,
            // SAFETY: `Array::mapped`, which alone makes this variant, has seen that so many values lie
            // there, and asks for a type that reads any bytes.
            Held::Mapped { mapping, start, len } => unsafe {
                std::slice::from_raw_parts(mapping.start.as_ptr().add(*start).cast(), *len)
            },
        }
    }
}

impl<T> From<Vec<T>> for Array<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Held::Owned(values))
    }
}

impl<T> Default for Array<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: PartialEq> PartialEq for Array<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: fmt::Debug> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::schema::RelationId;

    fn mapping(bytes: &[u8]) -> Arc<Mapping> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(Mapping::of(&file).unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        let edges: Vec<_> = (0_u16..1000)
            .map(|i| EdgeData {
                relation: RelationId(i),
                sum: f32::from(i) / 3.0,
                last_minutes: u32::from(i) << 20,
            })
            .collect();
        let mut bytes = Vec::new();
        edges.iter().for_each(|edge| edge.put(&mut bytes));
        let mapping = mapping(&bytes);
        let array = Array::<EdgeData>::mapped(&mapping, 0, bytes.len()).unwrap();
        assert_eq!(array, edges.into());
        assert_eq!(Array::<u32>::mapped(&mapping, 12, 24).unwrap().len(), 3);
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        let mapping = mapping(&[0; 64]);
        assert!(Array::<u32>::mapped(&mapping, 0, 68).is_none());
        assert!(Array::<u32>::mapped(&mapping, 8, 4).is_none());
        assert!(Array::<u32>::mapped(&mapping, 2, 6).is_none());
        assert!(Array::<u32>::mapped(&mapping, 0, 6).is_none());
        assert!(Array::<u64>::mapped(&mapping, 64, 64).unwrap().is_empty());
        assert!(Mapping::of(&tempfile::tempfile().unwrap()).is_err());
    }
}
