//! Extracts the mentions of every line of a file, with the lines of another as concepts and names.
//!
//! `cargo run --release --example extract -- --input texts.txt --concepts genres.txt`

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use predilect::extract::{Term, Vocabulary, by_name};

/// Prints the mentions of every line of a file: line, bytes, surface, entity, confidence, method.
#[derive(Parser)]
struct Args {
    /// Extractor: lexicon or bert.
    #[arg(long, default_value = "bert")]
    extractor: String,
    /// Model folder; the shipped model when absent.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Text, one per line.
    #[arg(long)]
    input: PathBuf,
    /// Concepts, one per line: also matched in other words.
    #[arg(long)]
    concepts: PathBuf,
    /// Names, one per line: matched as they are written.
    #[arg(long)]
    names: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut terms = read_terms(&args.concepts, true)?;
    if let Some(names) = &args.names {
        terms.extend(read_terms(names, false)?);
    }
    let vocabulary = Vocabulary::new(terms);
    let input = std::fs::read_to_string(&args.input)?;
    let texts: Vec<&str> = input.lines().collect();
    let extractor = by_name(&args.extractor, args.model.as_deref())?;
    let start = Instant::now();
    let found = extractor.extract(&texts, &vocabulary)?;
    let seconds = start.elapsed().as_secs_f64();
    let per_text = 1000.0 * seconds / texts.len().max(1) as f64;
    eprintln!("{} texts in {seconds:.2} s, {per_text:.2} ms a text", texts.len());
    for (line, extraction) in found.iter().enumerate() {
        for mention in &extraction.mentions {
            println!(
                "{}\t{}..{}\t{}\t{}\t{:.3}\t{:?}",
                line + 1,
                mention.span.byte_start,
                mention.span.byte_end,
                mention.surface,
                mention.entity.as_deref().unwrap_or("-"),
                mention.confidence,
                mention.method,
            );
        }
    }
    Ok(())
}

fn read_terms(path: &PathBuf, by_encoding: bool) -> anyhow::Result<Vec<Term>> {
    let terms = std::fs::read_to_string(path)?;
    let term = |line: &str| Term {
        entity: line.to_owned(),
        entity_type: if by_encoding { "concept" } else { "name" }.to_owned(),
        surfaces: vec![line.to_owned()],
        by_encoding,
    };
    Ok(terms.lines().map(term).collect())
}
