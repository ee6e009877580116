//! Writes a quantised copy of a model folder: matrices as `Q8_0`, vectors as `f32`.
//!
//! `cargo run --release --example quantize -- --model DIR --dest DIR`

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use predilect::extract::bert::Weights;

/// Writes a quantised copy of a model folder.
#[derive(Parser)]
struct Args {
    /// Folder with config.json, tokenizer.json and model.safetensors.
    #[arg(long)]
    model: PathBuf,
    /// Folder to write; created when absent.
    #[arg(long)]
    dest: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Args { model, dest } = Args::parse();
    Weights::open(&model)?.quantize(&model, &dest)?;
    let n_bytes = size(&dest.join("model.gguf"))?;
    eprintln!("{}: {n_bytes} bytes", dest.join("model.gguf").display());
    Ok(())
}

fn size(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| path.display().to_string())?.len())
}
