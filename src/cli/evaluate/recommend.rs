//! `predilect evaluate recommend`: how good recommendations are, by the protocols of published tables.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::row::{Row, table};
use super::{clicks, temporal};
use crate::cli::stopwatch::{Stopwatch, peak_mib};
use crate::cli::{ExitCode, Output, OutputArg, parse_time, write_json};
use crate::evaluate::recommend::{
    Behaviors, Clicks, CrossDomain, EvaluateError, Layout, LeaveOneOut, Split, Task, best_among,
    explained, measure, rank, tune,
};
use crate::model::{self, Entry, Model, Params};
use crate::schema::Timestamp;

/// Methods that every figure is put beside, where they apply.
const FLOORS: &[&str] = &["popular", "item_cosine", "rp3beta", "ease"];

/// Methods that are measured once more without a part of theirs: the method, the knob that leaves the
/// part out when it is 0, and the name of the row.
const ABLATIONS: &[(&str, &str, &str)] = &[
    ("fused", "behavior", "text only"),
    ("fused", "text", "behavior only"),
    ("fused", "epochs", "squares only"),
];

/// The method that tunes the others and adds up the best.
const BEST: &str = "best";

/// Rank items for users whose next ones are known, and measure
#[derive(clap::Args)]
#[command(after_help = methods(), after_long_help = methods())]
pub(crate) struct Args {
    /// What the files are and what is ranked
    #[arg(long, value_enum, value_name = "NAME")]
    protocol: Protocol,
    /// What to fit to: split
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// What to find: split, behaviors
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Layout of the lines of --train
    #[arg(long, value_enum, default_value_t, value_name = "LAYOUT")]
    train_layout: LayoutArg,
    /// Layout of the lines of --test
    #[arg(long, value_enum, default_value_t, value_name = "LAYOUT")]
    test_layout: LayoutArg,
    /// Each user's items, oldest first: leave-one-out
    #[arg(long, value_name = "FILE")]
    sequences: Option<PathBuf>,
    /// Items' attributes: a JSON object of lists by item, or an item and an attribute a line
    #[arg(long, value_name = "FILE")]
    attributes: Option<PathBuf>,
    /// What is written about items, a JSON object a line: item, title, keywords, description, attributes
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,
    /// Who knows whom, a user and a friend a line: split
    #[arg(long, value_name = "FILE")]
    friends: Option<PathBuf>,
    /// Rank what is to be found among so many items drawn from those that the user never did [default: among all]: split
    #[arg(long, value_name = "N")]
    negatives: Option<usize>,
    /// Times that they are drawn for each user
    #[arg(long, default_value_t = 1, requires = "negatives", value_name = "N")]
    draws: usize,
    /// What is written about the source's items: cross-domain
    #[arg(long, value_name = "FILE")]
    source_items: Option<PathBuf>,
    /// What was done in the domain that is known of the users: cross-domain
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Ids of those who are in both domains, the source's and the target's [default: equal ids]:
    /// cross-domain
    #[arg(long, value_name = "FILE")]
    shared: Option<PathBuf>,
    /// Share of those in both to hide in the target, where there is no --test: cross-domain
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    hide: f64,
    /// A behaviour and its file, the weakest first: behaviors
    #[arg(long, value_name = "NAME=FILE", value_parser = parse_behavior)]
    behavior: Vec<(String, PathBuf)>,
    /// What was done in the domain that is ranked: cross-domain. The behaviour to predict: behaviors; temporal, where it is else the strongest common one
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Folder of the store: temporal
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The moment after which events are to be found [default: after nine tenths of them]: temporal
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    cut: Option<Timestamp>,
    /// What may be looked at to choose parameters: behaviors
    #[arg(long, value_name = "FILE")]
    valid: Option<PathBuf>,
    /// Lines of user, item, and 1 or 0: ctr
    #[arg(long, value_name = "FILE")]
    ratings: Option<PathBuf>,
    /// Lines of head, relation and tail, whose heads are items: ctr
    #[arg(long, value_name = "FILE")]
    kg: Option<PathBuf>,
    /// The method, or `best`: those that apply, tuned and added up
    #[arg(long, default_value = BEST, value_name = "NAME")]
    method: String,
    /// Methods that `best` may use, by commas; all when nothing is said, but networks only on small data
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    among: Vec<String>,
    /// A parameter of the method
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
    param: Vec<(String, f64)>,
    /// Choose the method's parameters on a part cut from what there is to fit to
    #[arg(long)]
    tune: bool,
    /// Methods to measure beside it, by commas; `none` for none
    #[arg(long, value_delimiter = ',', default_values = FLOORS, value_name = "NAMES")]
    beside: Vec<String>,
    /// Places of a ranking that count
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
    /// Seed of all choices
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// Given files: all items are ranked but those of the training part.
    Split,
    /// The last item of each sequence is to be found among all.
    LeaveOneOut,
    /// Several behaviours, one of which is to be predicted.
    Behaviors,
    /// Users of one domain are new to another, whose items are ranked.
    CrossDomain,
    /// Pairs of a user and an item are told to be clicks or not.
    Ctr,
    /// The events of a store: what came after a moment is to be found.
    Temporal,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum LayoutArg {
    /// As the lines show: tabs part a pair, blanks a list.
    #[default]
    Auto,
    /// A user, then items.
    Lists,
    /// A user and an item, then anything.
    Pairs,
    /// A user, an item to find, then those to rank it among.
    Negatives,
}

impl From<LayoutArg> for Layout {
    fn from(layout: LayoutArg) -> Self {
        match layout {
            LayoutArg::Auto => Self::Auto,
            LayoutArg::Lists => Self::Lists,
            LayoutArg::Pairs => Self::Pairs,
            LayoutArg::Negatives => Self::Negatives,
        }
    }
}

fn methods() -> String {
    let mut text = "\
Files may be packed (.gz, .zst). With --output json: recall, precision, hr, ndcg, map, mrr and more
at --k, half of each one's 95 % interval, what the fit took, and the same of the methods beside it.

Methods and their parameters:
"
    .to_owned();
    for entry in model::MODELS {
        text.push_str(&format!("  {:<14}{}\n", entry.name, entry.about));
        for knob in entry.knobs {
            text.push_str(&format!("    {:<12}{} [{}]\n", knob.name, knob.about, knob.default));
        }
    }
    text.push_str("\
\nExample:
  predilect evaluate recommend --protocol split --train train.txt --test test.txt --method best --k 20
  predilect evaluate recommend --protocol leave-one-out --sequences sequences.txt --method ease --tune
  predilect evaluate recommend --protocol cross-domain --source books.tsv --target music.tsv");
    text
}

fn parse_behavior(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("give NAME=FILE, such as view=view.tsv")?;
    Ok((name.to_owned(), PathBuf::from(path)))
}

fn parse_param(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE, such as l2=300")?;
    let value = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
    Ok((name.to_owned(), value))
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        if self.k == 0 {
            bail!("--k must be at least 1");
        }
        if self.negatives == Some(0) || self.draws == 0 {
            bail!("--negatives and --draws must be at least 1");
        }
        if self.protocol == Protocol::Ctr {
            let ratings = self.ratings.clone().context("this protocol needs --ratings")?;
            let asked = clicks::Asked {
                clicks: Clicks::read(&ratings, self.kg.as_deref())?,
                seed: self.seed,
                method: &self.method,
                among: &self.among,
                beside: &self.beside,
                k: self.k,
                output: self.output.output,
            };
            asked.run(out)?;
            return Ok(ExitCode::Done);
        }
        let (task, again) = match self.protocol {
            Protocol::Temporal => {
                let store = self.store.as_deref().context("this protocol needs --store")?;
                let temporal = temporal::read(store, self.cut, self.target.as_deref())?;
                (temporal.new, temporal.all)
            }
            _ => (self.task()?, None),
        };
        let (row, beside) = (self.measure(&task)?, self.beside(&task)?);
        let again = again.map(|task| anyhow::Ok((self.measure(&task)?, self.beside(&task)?)));
        let again = again.transpose()?;
        match self.output.output {
            Output::Json => {
                let mut answer = row.json();
                answer["protocol"] =
                    json!(self.protocol.to_possible_value().map(|name| name.get_name().to_owned()));
                answer["seed"] = json!(self.seed);
                answer["peak_mib"] = json!(peak_mib());
                answer["beside"] = beside.iter().map(Row::json).collect();
                if let Some((row, beside)) = &again {
                    answer["with_repeats"] = row.json();
                    answer["with_repeats"]["beside"] = beside.iter().map(Row::json).collect();
                }
                write_json(out, &answer)?;
            }
            Output::Text => {
                table(out, &row, &beside)?;
                if let Some((row, beside)) = &again {
                    writeln!(out, "\nwith what was done before:")?;
                    table(out, row, beside)?;
                }
            }
        }
        Ok(ExitCode::Done)
    }

    /// The method without each of its parts, and those that every figure is put beside.
    fn beside(&self, task: &Task) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (_, knob, label) in ABLATIONS.iter().filter(|row| row.0 == self.method) {
            let entry = model::by_name(&self.method)?;
            let params = self.given(entry, entry.defaults())?.with(knob, 0.0);
            rows.push(Row { name: (*label).to_owned(), ..self.one(task, entry, &params)? });
        }
        let none = self.beside.iter().any(|name| name == "none");
        if task.training.side.friends.is_some() && self.protocol == Protocol::Split && !none {
            let mut task = task.clone();
            task.training.side.friends = None;
            // A method that is nothing without friends has no such row.
            let row = self.measure(&task).ok();
            rows.extend(row.map(|row| Row { name: "without friends".to_owned(), ..row }));
        }
        for name in self.beside.iter().filter(|name| *name != "none" && **name != self.method) {
            let entry = model::by_name(name)?;
            if (entry.applies)(&task.training) {
                rows.push(self.one(task, entry, &entry.defaults())?);
            }
        }
        Ok(rows)
    }

    fn task(&self) -> anyhow::Result<Task> {
        let given = |path: &Option<PathBuf>, flag: &str| {
            path.clone().with_context(|| format!("this protocol needs --{flag}"))
        };
        Ok(match self.protocol {
            Protocol::Split => {
                let test = given(&self.test, "test")?;
                let task = Split {
                    train: given(&self.train, "train")?,
                    train_layout: self.train_layout.into(),
                    test: test.clone(),
                    test_layout: self.test_layout.into(),
                    attributes: self.attributes.clone(),
                    items: self.items.clone(),
                    friends: self.friends.clone(),
                }
                .read()?;
                match self.negatives {
                    None => task,
                    Some(n) => task
                        .among(n, self.draws, self.seed)
                        .ok_or(EvaluateError::Drawn { path: test })?,
                }
            }
            Protocol::LeaveOneOut => LeaveOneOut {
                sequences: given(&self.sequences, "sequences")?,
                attributes: self.attributes.clone(),
                items: self.items.clone(),
            }
            .read()?,
            Protocol::Behaviors => Behaviors {
                behaviors: self.behavior.clone(),
                target: self.target.clone().context("this protocol needs --target")?,
                test: given(&self.test, "test")?,
                valid: self.valid.clone(),
                items: self.items.clone(),
            }
            .read()?,
            Protocol::CrossDomain => {
                if !(self.hide > 0.0 && self.hide < 1.0) {
                    bail!("--hide must lie between 0 and 1");
                }
                CrossDomain {
                    source: given(&self.source, "source")?,
                    target: given(&self.target.as_ref().map(PathBuf::from), "target")?,
                    shared: self.shared.clone(),
                    test: self.test.clone(),
                    hide: self.hide,
                    seed: self.seed,
                    items: self.items.clone(),
                    source_items: self.source_items.clone(),
                }
                .read()?
            }
            Protocol::Ctr => bail!("this protocol's data are pairs"),
            Protocol::Temporal => bail!("this protocol's data is a store"),
        })
    }

    /// The method that was asked for.
    fn measure(&self, task: &Task) -> anyhow::Result<Row> {
        if self.method == BEST {
            let watch = Stopwatch::start();
            let among: Result<Vec<_>, _> = self.among.iter().map(|n| model::by_name(n)).collect();
            let recipe = best_among(task, &among?, self.k, self.seed)?;
            let model = recipe.fit(&task.training, self.seed)?;
            return Ok(self.row(task, BEST, json!(recipe), &model, watch.stop()));
        }
        let entry = model::by_name(&self.method)?;
        let mut params = entry.defaults();
        if self.tune {
            params = tune(entry, &task.validations(self.seed), &params, self.k, self.seed)?.params;
        }
        self.one(task, entry, &self.given(entry, params)?)
    }

    /// Parameters with those that were given.
    fn given(&self, entry: &Entry, mut params: Params) -> anyhow::Result<Params> {
        for (name, value) in &self.param {
            params = params.with(entry.knob(name)?.name, *value);
        }
        Ok(params)
    }

    fn one(&self, task: &Task, entry: &Entry, params: &Params) -> anyhow::Result<Row> {
        let watch = Stopwatch::start();
        let model = (entry.fit)(&task.training, params, self.seed)?;
        Ok(self.row(task, entry.name, json!(params), model.as_ref(), watch.stop()))
    }

    fn row(
        &self,
        task: &Task,
        name: &str,
        params: Value,
        model: &dyn Model,
        fit_s: (f64, Option<f64>),
    ) -> Row {
        let watch = Stopwatch::start();
        let rankings = rank(model, task, self.k);
        let rank_s = watch.stop();
        let metrics = measure(task, rankings, self.k);
        let explained = explained(model, task, self.k);
        Row { name: name.to_owned(), params, metrics, explained, fit_s, rank_s }
    }
}
