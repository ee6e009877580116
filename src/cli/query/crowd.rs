//! `predilect query rank`, `frequently-with`, `trending` and `audience`: candidates, and everybody.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::super::answer::reasons;
use super::super::{note, parse_key, write_json};
use super::{AboutUser, Asked};
use crate::event::NodeKey;
use crate::recommend::RECOMMENDERS;
use crate::schema::NodeKind;

/// Candidates in the order of a recommender, seen or not
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect query rank --store graph --user alice --candidates item:qc-ultra item:wh-1000xm5")]
pub(super) struct Rank {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    about: AboutUser,
    /// What to put in order
    #[arg(long, required = true, num_args = 1.., value_name = "KIND:ID", value_parser = parse_key)]
    candidates: Vec<NodeKey>,
    /// How to choose
    #[arg(long, default_value = RECOMMENDERS[0].name, value_name = "NAME", value_parser = methods())]
    method: String,
}

/// What people have together with given items
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect query frequently-with --store graph --items item:wh-1000xm5")]
pub(super) struct FrequentlyWith {
    #[command(flatten)]
    asked: Asked,
    /// The items
    #[arg(long, required = true, num_args = 1..=20, value_name = "KIND:ID", value_parser = parse_key)]
    items: Vec<NodeKey>,
    /// Leave out what fewer users have together
    #[arg(long, default_value_t = 2, value_name = "N")]
    min_users: usize,
    /// At most so many
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
}

/// What people turn to more than in the time before
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect query trending --store graph --window-days 14 --k 5")]
pub(super) struct Trending {
    #[command(flatten)]
    asked: Asked,
    /// Days of the window, which is held against as many before it
    #[arg(long, default_value_t = 7.0, value_name = "DAYS", value_parser = parse_window)]
    window_days: f64,
    /// The kind of node
    #[arg(long, default_value = "item", value_name = "KIND", value_parser = kinds())]
    kind: String,
    /// At most so many
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
}

/// Who would care for an entity or an item
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect query audience --store graph --of entity:brand:sony
  predilect query audience --store graph --of item:qc-ultra --k 5 --output json")]
pub(super) struct Audience {
    #[command(flatten)]
    asked: Asked,
    /// The entity or the item
    #[arg(long, value_name = "KIND:ID", value_parser = parse_key)]
    of: NodeKey,
    /// Which users count
    #[arg(long, default_value = "", hide_default_value = true, value_name = "FILTER")]
    filter: String,
    /// At most so many
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
}

fn methods() -> PossibleValuesParser {
    PossibleValuesParser::new(RECOMMENDERS.iter().map(|entry| entry.name).collect::<Vec<_>>())
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(["item", "content", "entity", "concept"])
}

/// Reads the days of a window.
fn parse_window(text: &str) -> Result<f64, String> {
    let days = text.parse().ok().filter(|days| (1.0 / 24.0..=3_650.0).contains(days));
    days.ok_or_else(|| "give a number of days, up to 3650; an hour is 0.0417".to_owned())
}

/// Says which ids are unknown.
pub(super) fn tell_missing(missing: &[String]) {
    if !missing.is_empty() {
        note(&format!("the graph does not have {}", missing.join(", ")));
    }
}

/// What an answer holds, and what it has nothing on.
#[derive(Serialize)]
struct Answer<T> {
    results: Vec<T>,
    missing_ids: Vec<String>,
}

impl Rank {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (moment, source) = (self.asked.moment(&self.about), self.asked.source()?);
        let found = source.rank(&self.about.user, &moment, &self.method, &self.candidates)?;
        let (results, missing_ids) = found;
        if self.asked.json() {
            return write_json(out, &Answer { results, missing_ids });
        }
        tell_missing(&missing_ids);
        for (place, found) in results.iter().enumerate() {
            writeln!(
                out,
                "{:>2}. {} ({}), score {:.3}",
                place + 1,
                found.label,
                found.item,
                found.score
            )?;
            if found.score != 0.0 {
                reasons(found).iter().try_for_each(|line| writeln!(out, "    {line}"))?;
            }
        }
        Ok(())
    }
}

impl FrequentlyWith {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (source, as_of) = (self.asked.source()?, self.asked.as_of);
        let found = source.frequently_with(&self.items, as_of, self.min_users, self.k)?;
        let (results, missing_ids) = found;
        if self.asked.json() {
            return write_json(out, &Answer { results, missing_ids });
        }
        tell_missing(&missing_ids);
        for found in &results {
            writeln!(
                out,
                "{} ({}): {} of {} who have {}, {:.1} times as likely as anybody",
                found.item.label,
                found.item.id,
                found.users,
                found.of,
                found.with.join(" and "),
                found.lift
            )?;
        }
        if results.is_empty() {
            writeln!(out, "nothing goes with it in the hands of so many")?;
        }
        Ok(())
    }
}

impl Trending {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let kind = NodeKind::parse(&self.kind).unwrap_or(NodeKind::Item);
        let source = self.asked.source()?;
        let found = source.trending(kind, self.asked.as_of, self.window_days, self.k)?;
        if self.asked.json() {
            return write_json(out, &found);
        }
        for trend in &found {
            writeln!(
                out,
                "{:.2}x  {} ({}): {} events, {} in the time before",
                trend.growth,
                trend.node.label,
                trend.node.id,
                trend.counts.events,
                trend.counts.events_before
            )?;
        }
        if found.is_empty() {
            writeln!(out, "nothing happened in so many days")?;
        }
        Ok(())
    }
}

impl Audience {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let source = self.asked.source()?;
        let found = source.audience(&self.of, &self.filter, self.asked.as_of, self.k)?;
        if self.asked.json() {
            return write_json(out, &found);
        }
        writeln!(out, "{} users would care:", found.reach)?;
        for member in &found.members {
            let from = member.parts.iter().take(3).map(|part| part.target.label.as_str());
            let from = from.collect::<Vec<_>>().join(", ");
            writeln!(out, "  {:.3}  {}: {from}", member.strength, member.user)?;
        }
        Ok(())
    }
}
