//! Stand-in for `bindgen`, used by the build script of `librocksdb-sys` and by nothing else.
//!
//! The real crate needs libclang, which a fresh machine does not have. This one has the six
//! builder calls which that script makes, ignores them, and writes out `rocksdb-bindings.rs`:
//! what bindgen 0.72.1 made of the same header with the same calls. `README.md` beside it says
//! how to make the file anew.

use std::{fs, io, path::Path};

const BINDINGS: &str = include_str!("../rocksdb-bindings.rs");
/// The RocksDB release whose `c.h` the bindings were made from.
const MADE_FOR: [&str; 2] = ["11", "8"];

#[derive(Default)]
pub struct Builder {
    header: String,
}

#[derive(Debug)]
pub struct BindgenError(#[allow(dead_code)] String);

pub struct Bindings;

impl Builder {
    pub fn header<T: Into<String>>(mut self, header: T) -> Self {
        self.header = header.into();
        self
    }

    pub fn derive_debug(self, _: bool) -> Self {
        self
    }

    pub fn blocklist_type<T: AsRef<str>>(self, _: T) -> Self {
        self
    }

    pub fn ctypes_prefix<T: Into<String>>(self, _: T) -> Self {
        self
    }

    pub fn size_t_is_usize(self, _: bool) -> Self {
        self
    }

    /// Refuses a header of another RocksDB release than the bindings were made for.
    pub fn generate(self) -> Result<Bindings, BindgenError> {
        let path = Path::new(&self.header).with_file_name("version.h");
        let version = fs::read_to_string(&path)
            .map_err(|error| BindgenError(format!("{}: {error}", path.display())))?;
        let found = ["ROCKSDB_MAJOR", "ROCKSDB_MINOR"].map(|name| {
            let define = format!("#define {name} ");
            version.lines().find_map(|line| line.strip_prefix(&define)).unwrap_or("?").trim()
        });
        if found == MADE_FOR {
            Ok(Bindings)
        } else {
            Err(BindgenError(format!(
                "vendor/bindgen holds the bindings of RocksDB {}, this is {}; make them anew as its README says",
                MADE_FOR.join("."),
                found.join("."),
            )))
        }
    }
}

impl Bindings {
    pub fn write_to_file<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        fs::write(path, BINDINGS)
    }
}
