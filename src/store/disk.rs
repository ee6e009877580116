//! How much room a file system has left, and the mark below which nothing more is written.
//!
//! A storage engine that meets a full disk in the middle of a write stays read-only until it is opened
//! again. So writes end before that, and go on by themselves when there is room.

use std::io;
use std::path::Path;

use super::StoreError;

/// Bytes that must be free before anything is written: what flushes and compactions of what was written
/// before may still take.
pub const MIN_FREE_BYTES: u64 = 256 << 20;

/// Tells how many bytes are free where a path is.
pub type FreeBytes = fn(&Path) -> io::Result<u64>;

/// Refuses where less than `least` bytes are free. Where nobody can tell, nothing is refused.
pub(super) fn check(path: &Path, least: u64, free_bytes: FreeBytes) -> Result<(), StoreError> {
    match free_bytes(path) {
        Ok(free) if free < least => Err(StoreError::NoRoom { path: path.to_owned(), free, least }),
        _ => Ok(()),
    }
}

/// The bytes that an ordinary user may still write where `path` is.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the standard library does not ask a file system for its room")]
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    use std::ffi::CString;
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;

    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero byte, and the system writes no more than the struct that it is
    // given; it is read only when the system says that it was filled.
    let found = unsafe {
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        found.assume_init()
    };
    #[allow(clippy::useless_conversion, reason = "systems count in different integers")]
    let (blocks, size) = (u64::from(found.f_bavail), u64::from(found.f_frsize));
    Ok(blocks.saturating_mul(size))
}

/// Nobody can tell here.
#[cfg(not(unix))]
pub(super) fn free_bytes(_: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}
