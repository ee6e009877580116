//! `predilect replay`: what another policy would have brought, by the log of what was shown.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::de::DeserializeOwned;

use super::{ExitCode, Output, OutputArg, write_json};
use crate::evaluate::replay::{Estimate, Estimates, Replay, Reward, Target, replay, rewards_of};
use crate::store::{GraphStore, ServedRecord, read_served};

/// Judge a policy by what another one showed
#[derive(clap::Args)]
#[command(after_help = "\
The log is what `serve` and `query recommend` wrote down: in a store, the folder `served`. Without --policy
the policy is judged that never explores.
A reward is a line {\"recommendation_id\": ..., \"id\": ..., \"reward\": ...}. With a store and without a file
of rewards, it is 1 where the user acted for the item within --window-days after it was shown.
A line of --policy is {\"recommendation_id\": ..., \"place\": 1, \"items\": {\"a\": 0.7, \"b\": 0.3}}.

Example:
  predilect replay --store graph --window-days 7
  predilect replay --log served.jsonl --rewards rewards.jsonl --output json")]
pub(super) struct Args {
    /// Folder of the store that has the log
    #[arg(long, value_name = "DIR", required_unless_present = "log")]
    store: Option<PathBuf>,
    /// Files of the log
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "store", requires = "rewards")]
    log: Vec<PathBuf>,
    /// A file of rewards
    #[arg(long, value_name = "FILE")]
    rewards: Option<PathBuf>,
    /// A file of what the policy would show
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Days after a showing in which acting for the item is a reward
    #[arg(long, default_value_t = 7.0, value_name = "DAYS", value_parser = parse_days)]
    window_days: f64,
    #[command(flatten)]
    output: OutputArg,
}

/// Reads a number of days.
fn parse_days(text: &str) -> Result<f64, String> {
    let days = text.parse().ok().filter(|days: &f64| *days > 0.0 && days.is_finite());
    days.ok_or_else(|| "give a number of days above 0".to_owned())
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let mut records: Vec<ServedRecord> = Vec::new();
        for path in &self.log {
            records.extend(lines(path)?);
        }
        let rewards: Option<Vec<Reward>> = self.rewards.as_deref().map(lines).transpose()?;
        let rewards = match (&self.store, rewards) {
            (Some(store), Some(rewards)) => {
                read_served(store, |record| records.push(record))?;
                rewards
            }
            (Some(store), None) => {
                let opened = GraphStore::open(store, false, None)?;
                read_served(store, |record| records.push(record))?;
                rewards_of(&opened.view(), &records, self.window_days)?
            }
            (None, rewards) => rewards.unwrap_or_default(),
        };
        let targets: Option<Vec<Target>> = self.policy.as_deref().map(lines).transpose()?;
        let found = replay(&records, &rewards, targets.as_deref())?;
        match self.output.output {
            Output::Json => write_json(out, &found)?,
            Output::Text => tell(out, &found)?,
        }
        Ok(ExitCode::Done)
    }
}

/// The records of a file of lines of JSON.
fn lines<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let mut records = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.with_context(|| path.display().to_string())?;
        if line.trim().is_empty() {
            continue;
        }
        let record = serde_json::from_str(&line);
        records.push(record.with_context(|| format!("{}: line {}", path.display(), number + 1))?);
    }
    Ok(records)
}

fn tell(out: &mut dyn Write, found: &Replay) -> anyhow::Result<()> {
    let Replay { repeated, unmatched_rewards, places_without_target, all, arms } = found;
    table(out, "all", all)?;
    for (arm, estimates) in arms {
        writeln!(out)?;
        table(out, arm, estimates)?;
    }
    let notes = [
        (repeated, "answers came twice and count once"),
        (unmatched_rewards, "rewards are of nothing in the log"),
        (places_without_target, "places are not in the policy, and left out"),
    ];
    for (n, note) in notes.into_iter().filter(|(n, _)| **n > 0) {
        writeln!(out, "\n{n} {note}")?;
    }
    Ok(())
}

fn table(out: &mut dyn Write, name: &str, found: &Estimates) -> anyhow::Result<()> {
    let Estimates { requests, places, effective_requests, logged, ips, snips, doubly_robust } =
        found;
    writeln!(
        out,
        "{name}: {requests} answers, {places} places, worth {effective_requests:.1} of the policy's"
    )?;
    let rows = [
        ("logged", Some(*logged)),
        ("ips", Some(*ips)),
        ("snips", *snips),
        ("doubly robust", Some(*doubly_robust)),
    ];
    for (row, estimate) in rows {
        match estimate {
            Some(Estimate { value, low, high }) => {
                writeln!(out, "  {row:<14} {value:>8.4}  [{low:.4}, {high:.4}]")?;
            }
            None => writeln!(out, "  {row:<14} nothing of it was shown")?,
        }
    }
    Ok(())
}
