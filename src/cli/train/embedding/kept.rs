//! Rows of a store's graph, kept beside it as the next version; and trainings that can be ended.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use serde_json::json;

use super::super::super::stopwatch::{Stopwatch, peak_mib};
use super::super::super::{ExitCode, Output, write_json};
use super::{Args, tell};
use crate::embed::{Checkpoint, Entry, Params};
use crate::engine::{EmbeddingPlan, Engine};

/// Where a training starts, and where it is written down.
#[derive(clap::Args)]
pub(super) struct CourseArgs {
    /// Start known nodes where the store's last version has them
    #[arg(long)]
    pub warm_start: bool,
    /// Folder to write down how far the training is; emptied once it is done
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Steps from one writing to the next [default: a tenth of all]
    #[arg(long, value_name = "N", requires = "checkpoint",
          value_parser = clap::value_parser!(u32).range(1..))]
    checkpoint_every: Option<u32>,
    /// Go on from what the same command left in --checkpoint when it was ended
    #[arg(long, requires = "checkpoint")]
    resume: bool,
}

impl CourseArgs {
    /// Whether anything was asked of the training.
    pub fn is_given(&self) -> bool {
        self.warm_start || self.checkpoint.is_some()
    }

    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let checkpoint = |folder: &PathBuf| Checkpoint {
            folder: folder.clone(),
            resume: self.resume,
            every: self.checkpoint_every.map(|steps| steps as usize),
        };
        self.checkpoint.as_ref().map(checkpoint)
    }
}

impl Args {
    /// Trains on the graph of the store, and keeps the rows.
    pub fn keep(
        &self,
        store: &Path,
        entry: &'static Entry,
        params: Params,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let engine = Engine::open(store, false, None, None)?;
        let n_nodes = engine.snapshot().graph().base().node_count();
        ensure!(n_nodes > 0, "the store has no graph; load events first");
        let plan = EmbeddingPlan {
            entry,
            params,
            threads: self.threads.map(usize::from),
            warm_start: self.course.warm_start,
            checkpoint: self.course.checkpoint(),
        };
        let watch = Stopwatch::start();
        let kept = engine.train_embedding(&plan, &mut tell(entry.name))?;
        let (wall_s, cpu_s) = watch.stop();
        match self.output.output {
            Output::Json => write_json(
                out,
                &json!({ "kept": kept, "wall_s": wall_s, "cpu_s": cpu_s, "peak_mib": peak_mib() }),
            )?,
            Output::Text => writeln!(
                out,
                "version {}: {} rows of {} by {} in {wall_s:.1} s",
                kept.version, kept.nodes, kept.dim, kept.model
            )?,
        }
        Ok(ExitCode::Done)
    }
}
