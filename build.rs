//! Compiles proto/ into the messages, servers and clients of `src/rpc`, and nothing else.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir("proto/predilect/v1")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    let descriptors = protox::compile(&files, ["proto"])?;
    let folder = env::var("OUT_DIR")?;
    // Reflection answers from this file.
    fs::write(Path::new(&folder).join("predilect.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
