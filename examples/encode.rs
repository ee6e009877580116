//! Encodes every line of a file, as `tests/reference/encode.py` does with torch.
//!
//! `cargo run --release --example encode -- --model DIR --input titles.txt --dest vectors.jsonl`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use predilect::extract::bert::{Encoder, Weights, shipped_files};

/// Writes the encoding of every line of a file, one JSON array a line.
#[derive(Parser)]
struct Args {
    /// Model folder; the shipped model when absent.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Text, one per line.
    #[arg(long)]
    input: PathBuf,
    /// Where the encodings go.
    #[arg(long)]
    dest: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let weights = match &args.model {
        Some(folder) => Weights::open(folder)?,
        None => Weights::parse(&shipped_files())?,
    };
    let encoder = Encoder::new(weights)?;
    let input = std::fs::read_to_string(&args.input)?;
    let texts: Vec<&str> = input.lines().collect();
    let start = Instant::now();
    let encodings = encoder.encode(&texts)?;
    let seconds = start.elapsed().as_secs_f64();
    let per_text = 1000.0 * seconds / texts.len().max(1) as f64;
    eprintln!("{} texts in {seconds:.2} s, {per_text:.2} ms a text", texts.len());
    let mut dest = BufWriter::new(File::create(&args.dest)?);
    for encoding in encodings {
        serde_json::to_writer(&mut dest, &encoding)?;
        dest.write_all(b"\n")?;
    }
    dest.flush()?;
    Ok(())
}
