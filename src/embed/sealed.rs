//! Files of rows and of what belongs to them: each is written whole or not at all, and any damage is found.
//!
//! ```text
//! 0      magic, whose last byte is the version of the format      16 bytes
//! 16     BLAKE3 of all that follows                               32 bytes
//! 48     length of the header, u64 little-endian                  8 bytes
//! 56     header: JSON
//!        body: numbers of 4 bytes, little-endian, and what else the kind of file has
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the files of one kind and version begin with.
pub(super) type Magic = [u8; 16];

const HASH_START: usize = size_of::<Magic>();
const HASH_END: usize = HASH_START + blake3::OUT_LEN;
const HEADER_START: usize = HASH_END + size_of::<u64>();

/// Why bytes are not what was sealed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Another kind of file, or one of another version.
    Format,
    /// The checksum is not that of the bytes.
    Damaged,
}

/// The bytes of a file.
pub(super) fn seal(magic: Magic, header: &impl Serialize, body: &[u8]) -> io::Result<Vec<u8>> {
    let header = serde_json::to_vec(header)?;
    let mut bytes = Vec::with_capacity(HEADER_START + header.len() + body.len());
    bytes.extend(magic);
    bytes.extend([0; blake3::OUT_LEN]);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(body);
    let hash = blake3::hash(&bytes[HASH_END..]);
    bytes[HASH_START..HASH_END].copy_from_slice(hash.as_bytes());
    Ok(bytes)
}

/// The header and the body of what [`seal`] made.
pub(super) fn unseal<H: DeserializeOwned>(
    magic: Magic,
    bytes: &[u8],
) -> Result<(H, &[u8]), Broken> {
    if !bytes.starts_with(&magic) {
        return Err(Broken::Format);
    }
    let (hash, sealed) = bytes[HASH_START..].split_first_chunk().ok_or(Broken::Damaged)?;
    if blake3::hash(sealed) != *hash {
        return Err(Broken::Damaged);
    }
    let parts = || {
        let (length, rest) = sealed.split_first_chunk()?;
        let (header, body) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
        Some((serde_json::from_slice(header).ok()?, body))
    };
    parts().ok_or(Broken::Format)
}

/// Writes a file in place of the one before; the folder is made where there is none.
pub(super) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_damage_is_found() {
        let magic = *b"some kind of it\x01";
        let whole = seal(magic, &["a header"], b"and a body").unwrap();
        let read = |bytes: &[u8]| {
            let (header, body) = unseal::<[String; 1]>(magic, bytes)?;
            Ok((header, body.to_vec()))
        };
        assert_eq!(read(&whole), Ok((["a header".to_owned()], b"and a body".to_vec())));
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            let broken = if at < HASH_START { Broken::Format } else { Broken::Damaged };
            assert_eq!(read(&bytes), Err(broken), "byte {at}");
            assert!(read(&whole[..at]).is_err(), "first {at} bytes");
        }
    }
}
