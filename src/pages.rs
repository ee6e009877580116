//! Memory for large arrays, in huge pages where the kernel offers them: a graph is read and filled all over
//! the place, and every small page costs a look-up of its own.
#![allow(unsafe_code, reason = "the kernel is told about memory by its address")]

/// An empty vector with room for `capacity` elements.
pub(crate) fn with_room<T>(capacity: usize) -> Vec<T> {
    let vector = Vec::with_capacity(capacity);
    #[cfg(target_os = "linux")]
    ask_for_huge_pages(&vector);
    vector
}

/// A vector of `n` times the same.
pub(crate) fn filled<T: Clone>(n: usize, value: T) -> Vec<T> {
    let mut vector = with_room(n);
    vector.resize(n, value);
    vector
}

/// As [`Vec::resize`]; more room than there is comes in huge pages.
pub(crate) fn resize<T: Clone>(vector: &mut Vec<T>, n: usize, value: T) {
    if n > vector.capacity() {
        let mut larger = with_room(n.max(vector.capacity() * 2));
        larger.append(vector);
        *vector = larger;
    }
    vector.resize(n, value);
}

#[cfg(target_os = "linux")]
fn ask_for_huge_pages<T>(vector: &Vec<T>) {
    /// The size of a huge page on most processors, and a multiple of every smaller page's.
    const HUGE_PAGE: usize = 2 << 20;
    let n_bytes = vector.capacity() * size_of::<T>();
    let start = vector.as_ptr().cast::<u8>().cast_mut();
    let n_before = start.align_offset(HUGE_PAGE);
    let Some(n_bytes) = n_bytes.checked_sub(n_before).filter(|&n| n >= HUGE_PAGE) else { return };
    // SAFETY: the range lies in the vector's own memory, and the advice changes none of its bytes.
    let asked = unsafe {
        let start = start.wrapping_add(n_before).cast();
        rustix::mm::madvise(start, n_bytes, rustix::mm::Advice::LinuxHugepage)
    };
    // A kernel without huge pages has small ones.
    let _ = asked;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_any_size_are_whole() {
        for n in [0, 1, 1000, 3 << 20] {
            assert_eq!(filled(n, 7_u32), vec![7; n]);
        }
        assert_eq!(filled(10, ()).len(), 10);
        let mut grown = vec![1];
        for n in [3, 2, 4 << 20] {
            resize(&mut grown, n, 1);
            assert_eq!(grown, vec![1; n]);
        }
    }
}
