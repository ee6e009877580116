//! Whether users did items, from rows that say so of some.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::{ExitCode, Output, OutputArg, write_json};
use crate::evaluate::recommend::Clicks;

/// Parts the rows by `seed`, fits, and writes how well the last part is told.
///
/// # Errors
/// Those of the files and of the methods.
pub(super) fn run(
    pairs: &PathBuf,
    triples: Option<&PathBuf>,
    seed: u64,
    output: &OutputArg,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let metrics = Clicks::read(pairs, triples)?.evaluate(seed)?;
    match output.output {
        Output::Json => write_json(
            out,
            &json!({
                "protocol": "clicks", "seed": seed, "auc": metrics.auc,
                "auc_within": metrics.auc_within, "f1": metrics.f1, "f1_tuned": metrics.f1_tuned,
                "n_pairs": metrics.n_pairs,
            }),
        )?,
        Output::Text => writeln!(
            out,
            "auc {:.4}  auc within users {:.4}  f1 {:.4}  f1 at a tuned threshold {:.4}  pairs {}",
            metrics.auc, metrics.auc_within, metrics.f1, metrics.f1_tuned, metrics.n_pairs
        )?,
    }
    Ok(ExitCode::Done)
}
