//! `predilect query recommend`: what to show a user, under rules.

use std::io::Write;

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;

use super::super::{answer, parse_user, write_json};
use super::Asked;
use super::crowd::tell_missing;
use crate::engine::{Moment, ServeRequest, SessionEvent};
use crate::event::NodeKey;
use crate::recommend::{Arm, Cap, Policy, RECOMMENDERS, RecommendParams, RuleParams};
use crate::schema::{NodeKind, Timestamp};

/// Who is put in a place that explores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Explorer {
    /// Any other candidate, each with the same chance.
    #[default]
    EpsilonGreedy,
    /// What users may act on most, by what was shown and acted on.
    Thompson,
}

/// What to show a user, and why
#[derive(clap::Args)]
#[command(after_help = "\
A filter compares `kind`, `id`, `label` and types of entities: category:headphones AND NOT brand = sony.
With --shown the answer is written down, for caps and for `replay`.

--items are what a session of somebody who need not be known has touched, oldest first; with --user, they
come after what the user did. Nothing of them is stored. Who has done nothing that the graph knows is shown
what everybody cares for, and the answer says why.

Example:
  predilect query recommend --store graph --user alice --k 5 --output json
  predilect query recommend --store graph --user alice --filter 'NOT brand = sony' --diversity 0.3
  predilect query recommend --store graph --user alice --exploration 0.1 --cap 3 --shown
  predilect query recommend --store graph --items wh-1000xm5,qc-ultra")]
pub(super) struct Recommend {
    #[command(flatten)]
    asked: Asked,
    /// The user
    #[arg(long, value_name = "ID", required_unless_present = "items", value_parser = parse_user)]
    user: Option<NodeKey>,
    /// What the session has touched: ids of items, or KIND:ID
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "ID", value_parser = parse_item)]
    items: Vec<NodeKey>,
    /// What it did to them [default: the weakest action, such as a view; for fitted, what it predicts]
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        requires = "items",
        value_name = "NAME"
    )]
    items_action: String,
    /// Answer as if these events weighed nothing; `session#1` is the first of --items
    #[arg(long, num_args = 1.., value_name = "EVENT_ID")]
    mask: Vec<String>,
    /// How to choose
    #[arg(long, default_value = RECOMMENDERS[0].name, value_name = "NAME", value_parser = methods(),
          help = method_help())]
    method: String,
    /// Kinds of node to answer with
    #[arg(long, num_args = 1.., default_value = "item", value_name = "KIND",
          value_parser = PossibleValuesParser::new(["item", "content"]))]
    types: Vec<String>,
    /// At most so many
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
    /// Show only what this lets through
    #[arg(long, default_value = "", hide_default_value = true, value_name = "FILTER")]
    filter: String,
    /// Have only that count which the user did to what this lets through
    #[arg(long, default_value = "", hide_default_value = true, value_name = "FILTER")]
    source_domain: String,
    /// Recommend from what this lets through
    #[arg(long, default_value = "", hide_default_value = true, value_name = "FILTER")]
    target_domain: String,
    /// Show again what the user has acted on, too
    #[arg(long)]
    keep_seen: bool,
    /// From 0, by relevance, to 1, by unlikeness alone
    #[arg(long, default_value_t = 0.0, value_name = "X")]
    diversity: f64,
    /// The share of places that explore
    #[arg(long, default_value_t = 0.0, value_name = "X")]
    exploration: f64,
    /// Who is put there
    #[arg(long, value_enum, default_value_t, value_name = "POLICY")]
    policy: Explorer,
    /// Show one item to the user at most so often in `--cap-days`
    #[arg(long, value_name = "N")]
    cap: Option<usize>,
    /// The days of `--cap`, at most 30
    #[arg(long, default_value_t = 7.0, value_name = "DAYS")]
    cap_days: f64,
    /// Seed of what is drawn
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Id of the request: the same one draws the same
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    request_id: String,
    /// Name of an experiment that divides users into `--arm`s
    #[arg(long, requires = "arm", value_name = "NAME")]
    experiment: Option<String>,
    /// An arm, its share of users, and its recommender
    #[arg(long, num_args = 1.., requires = "experiment", value_name = "NAME:SHARE:METHOD",
          value_parser = parse_arm)]
    arm: Vec<Arm>,
    /// Count the answer as shown, and give it an id
    #[arg(long)]
    shown: bool,
}

fn methods() -> PossibleValuesParser {
    PossibleValuesParser::new(RECOMMENDERS.iter().map(|entry| entry.name).collect::<Vec<_>>())
}

fn method_help() -> String {
    let known = RECOMMENDERS.iter().map(|entry| format!("{}: {}", entry.name, entry.about));
    format!("How to choose ({})", known.collect::<Vec<_>>().join("; "))
}

/// Reads `KIND:ID`, or the id of an item.
fn parse_item(text: &str) -> Result<NodeKey, String> {
    let kind = text.split_once(':').and_then(|(kind, id)| Some((NodeKind::parse(kind)?, id)));
    let (kind, id) = kind.unwrap_or((NodeKind::Item, text));
    NodeKey::new(kind, id).map_err(|error| error.to_string())
}

/// Reads `NAME:SHARE:METHOD`.
fn parse_arm(text: &str) -> Result<Arm, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let [name, share, method] = parts.as_slice() else {
        return Err("give NAME:SHARE:METHOD, such as b:0.5:ppr".to_owned());
    };
    let share = share.parse().map_err(|_| format!("`{share}` is no number; give 0.5 or so"))?;
    Ok(Arm { name: (*name).to_owned(), share, method: (*method).to_owned() })
}

impl Recommend {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let masked = self.mask.iter().cloned().collect();
        let moment = Moment { as_of: self.asked.as_of, masked };
        let source = self.asked.source()?;
        let found = source.recommend(self.user.as_ref(), &moment, &self.request())?;
        if self.asked.json() {
            return write_json(out, &found);
        }
        tell_missing(&found.missing_ids);
        answer::recommendations(out, &found)
    }

    fn event(&self, target: &NodeKey) -> SessionEvent {
        SessionEvent { target: target.clone(), action: self.items_action.clone(), at: None }
    }

    fn request(&self) -> ServeRequest {
        ServeRequest {
            params: RecommendParams {
                method: self.method.clone(),
                kinds: self.types.iter().filter_map(|kind| NodeKind::parse(kind)).collect(),
                k: self.k,
            },
            session: self.items.iter().map(|target| self.event(target)).collect(),
            rules: RuleParams {
                filter: self.filter.clone(),
                source: self.source_domain.clone(),
                target: self.target_domain.clone(),
                keep_seen: self.keep_seen,
                diversity: self.diversity,
                exploration: self.exploration,
                policy: match self.policy {
                    Explorer::EpsilonGreedy => Policy::EpsilonGreedy,
                    Explorer::Thompson => Policy::Thompson,
                },
                cap: self.cap.map(|times| Cap { times, window_days: self.cap_days }),
                seed: self.seed,
            },
            experiment: self.experiment.clone().map(|name| (name, self.arm.clone())),
            request_id: self.request_id.clone(),
            preview: !self.shown,
            now: Timestamp::now(),
        }
    }
}
