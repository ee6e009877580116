//! Tells on stderr how far a load is: a bar on a terminal, plain lines elsewhere. Also who hears what
//! modules below report: by `PREDILECT_LOG`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::{ExitCode, note};
use crate::ingest::Progress;

/// Writes what modules report to stderr: what `PREDILECT_LOG` says, or else what `filter` does.
pub(super) fn listen(filter: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PREDILECT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(filter));
    let to_stderr = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A subscriber that is there already hears the same.
    let _ = to_stderr.try_init();
}

/// Writes to a terminal how far the training of a network is.
pub(super) fn listen_to_training() {
    let watched = std::io::stderr().is_terminal();
    listen(if watched { "warn,predilect::model=info" } else { "warn" });
}

/// Hears of progress and tells it.
pub(super) struct Told {
    bar: Option<ProgressBar>,
    interrupted: Arc<AtomicBool>,
}

impl Told {
    /// Tells on stderr; ends the program after the next step once `interrupted` is set.
    pub fn new(interrupted: Arc<AtomicBool>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {elapsed}");
            let bar = ProgressBar::no_length();
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { bar, interrupted }
    }

    /// Tells a step. What it names is on disk.
    pub fn step(&mut self, progress: Progress) {
        let line = match progress {
            Progress::Items(n) => format!("committed {n} items"),
            Progress::Events(n) => format!("committed {n} events"),
            Progress::Sorted(n) => format!("sorted {n} events"),
            Progress::Checked(n) => format!("checked {n} events"),
            Progress::Unloaded(n) => format!("took {n} events or edges back"),
            Progress::Restored(n) => format!("took {n} items back"),
            Progress::Extracted(n, of) => format!("extracted from {n} of {of} texts"),
        };
        match &self.bar {
            Some(bar) => {
                if let Progress::Extracted(n, of) = progress {
                    bar.set_length(of);
                    bar.set_position(n);
                }
                bar.set_message(line);
                bar.tick();
            }
            None => note(&line),
        }
        // A load heeds the flag itself, but for its last part.
        // A load heeds the flag itself, but for what comes after its rows.
        let is_heeded = !matches!(
            progress,
            Progress::Unloaded(_) | Progress::Restored(_) | Progress::Extracted(..)
        );
        if !is_heeded && self.interrupted.load(Ordering::Relaxed) {
            self.clear();
            note(
                "interrupted; what was committed is on disk, and the same command goes on; a load with --resume",
            );
            // Every batch is whole on disk: nothing has to be put away.
            std::process::exit(ExitCode::Interrupted as i32);
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
