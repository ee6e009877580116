//! `predilect bench nearest`: how fast the nearest rows of an embedding are found, going over all of them and
//! by their links.

use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde_json::json;

use super::super::{ExitCode, OutputArg};
use super::Stopwatch;
use super::graph::Measured;
use crate::embed::{LinkedRows, Near, NearestRows, unit};

/// Centres that rows which no file gives lie about, and how far.
const CENTERS: usize = 1000;
const SPREAD: f32 = 1.05;

/// Find the nearest rows: of all one by one, of all for many queries together, and by links
#[derive(clap::Args)]
#[command(after_help = "\
Files hold 32-bit little-endian floats, row after row; every row is made 1 long. Without files, rows lie about
1,000 random centres. Linking runs on one thread, and so do queries but those of `all_together`. Recall is the share
of the nearest K that is found.

Example:
  predilect bench nearest --rows 200000 --dim 64 --k 50 --effort 50,100,200,400 --output json")]
pub(super) struct Args {
    /// File of the rows to search
    #[arg(long, requires = "queries", value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// File of the vectors to look up
    #[arg(long, requires = "vectors", value_name = "FILE")]
    queries: Option<PathBuf>,
    /// Numbers of a row
    #[arg(long, default_value = "64", value_name = "N")]
    dim: NonZero<u16>,
    /// Rows to make when no file gives them
    #[arg(long, default_value_t = 200_000, value_name = "N", conflicts_with = "vectors")]
    rows: u32,
    /// Vectors to look up when no file gives them
    #[arg(long, default_value_t = 500, value_name = "N", conflicts_with = "vectors")]
    lookups: u32,
    /// Nearest rows to find
    #[arg(long, default_value_t = 50, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    k: u16,
    /// Rows that a walk along links keeps at hand; each number is measured by itself
    #[arg(long, value_delimiter = ',', default_value = "50,100,200,400", value_name = "N,...")]
    effort: Vec<usize>,
    /// Seed of the rows and vectors that are made
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let (dim, k) = (usize::from(self.dim.get()), usize::from(self.k));
        let (rows, queries) = match (&self.vectors, &self.queries) {
            (Some(vectors), Some(queries)) => (read(vectors, dim)?, read(queries, dim)?),
            _ => self.made(dim),
        };
        ensure!(!rows.is_empty() && !queries.is_empty(), "give at least one row and one query");
        let (n_rows, n) = (rows.len() / dim, queries.len() / dim);

        let index = NearestRows::new(&rows, dim);
        let (exact, time): (Vec<Vec<Near>>, _) =
            timed(|| queries.chunks(dim).flat_map(|q| index.nearest(q, k)).collect());
        let tell = |out: &mut dyn Write, task, effort: Option<usize>, found: &[Vec<Near>], time| {
            let check = found.iter().flatten().map(|near| near.place as u64).sum();
            let recall = recall(found, &exact);
            let more =
                json!({ "recall": recall, "effort": effort, "rows": n_rows, "dim": dim, "k": k });
            Measured { task, unit: "queries", n, check, more }.tell(time, &self.output, out)
        };
        tell(out, "all", None, &exact, time)?;
        let (found, time) = timed(|| index.nearest(&queries, k));
        tell(out, "all_together", None, &found, time)?;
        let (linked, time) = timed(|| LinkedRows::new(&rows, dim));
        let linked = linked?;
        let check = linked.links().into_iter().map(u64::from).sum();
        Measured { task: "link", unit: "rows", n: n_rows, check, more: json!({ "dim": dim }) }
            .tell(time, &self.output, out)?;
        for effort in &self.effort {
            let (found, time): (Vec<Vec<Near>>, _) =
                timed(|| queries.chunks(dim).map(|q| linked.nearest(q, k, *effort)).collect());
            tell(out, "linked", Some(*effort), &found, time)?;
        }
        Ok(ExitCode::Done)
    }

    /// Rows and queries about the same centres.
    fn made(&self, dim: usize) -> (Vec<f32>, Vec<f32>) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let normal = |random: &mut ChaCha8Rng| random.sample::<f32, _>(StandardNormal);
        let mut center = || (0..dim).map(|_| normal(&mut random)).collect::<Vec<_>>();
        let centers: Vec<_> = (0..CENTERS).filter_map(|_| unit(&center())).collect();
        let scale = SPREAD / (dim as f32).sqrt();
        let mut row = || {
            let center = &centers[random.random_range(0..centers.len())];
            let row: Vec<f32> =
                center.iter().map(|value| value + scale * normal(&mut random)).collect();
            unit(&row).unwrap_or(row)
        };
        let mut rows = |n| (0..n).flat_map(|_| row()).collect();
        (rows(self.rows), rows(self.lookups))
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, (f64, Option<f64>)) {
    let watch = Stopwatch::start();
    let done = work();
    (done, watch.stop())
}

/// The rows of a file, each 1 long; zeros stay as they are.
fn read(path: &Path, dim: usize) -> anyhow::Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    ensure!(
        bytes.len().is_multiple_of(4 * dim),
        "{}: {} bytes are not whole rows of {dim} 32-bit floats; give their --dim",
        path.display(),
        bytes.len()
    );
    let values: Vec<f32> =
        bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    ensure!(
        values.iter().all(|value| value.is_finite()),
        "{}: some values are no finite numbers",
        path.display()
    );
    Ok(values.chunks(dim).flat_map(|row| unit(row).unwrap_or(row.to_vec())).collect())
}

/// The share of the exact answers that was found.
fn recall(found: &[Vec<Near>], exact: &[Vec<Near>]) -> f64 {
    let hits = found.iter().zip(exact).map(|(found, exact)| {
        let mut places: Vec<usize> = exact.iter().map(|near| near.place).collect();
        places.sort_unstable();
        found.iter().filter(|near| places.binary_search(&near.place).is_ok()).count()
    });
    hits.sum::<usize>() as f64 / exact.iter().map(Vec::len).sum::<usize>().max(1) as f64
}
