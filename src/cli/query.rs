//! `predilect query`: interests, recommendations and why.

mod communities;
mod crowd;
mod recommend;
mod rules;

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::PossibleValuesParser;

use super::answer;
use super::source::Source;
use super::{
    ExitCode, Output, OutputArg, keep_snapshot, note, parse_entity, parse_key, parse_time,
    parse_user, write_json,
};
use crate::engine::{Engine, Likeness, Moment};
use crate::event::NodeKey;
use crate::rpc::Client;
use crate::schema::Timestamp;
use crate::traverse::PathParams;

/// Ask what a user is into, what to show them, and why
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    question: Question,
}

#[derive(Subcommand)]
enum Question {
    Interests(Interests),
    Recommend(Box<recommend::Recommend>),
    Explain(Explain),
    Paths(Paths),
    Similar(Similar),
    Communities(communities::Communities),
    Rank(crowd::Rank),
    FrequentlyWith(crowd::FrequentlyWith),
    Rules(rules::Rules),
    Trending(crowd::Trending),
    Audience(crowd::Audience),
}

/// Whom to ask, about which moment.
#[derive(clap::Args)]
struct Asked {
    /// Folder of the store
    #[arg(long, value_name = "DIR", required_unless_present = "server")]
    store: Option<PathBuf>,
    /// A server that has the store open, such as <http://127.0.0.1:7433>
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    server: Option<String>,
    /// Answer as of this time; without it, as of the last event
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of: Option<Timestamp>,
    #[command(flatten)]
    output: OutputArg,
}

/// About whom.
#[derive(clap::Args)]
struct AboutUser {
    /// The user
    #[arg(long, value_name = "ID", value_parser = parse_user)]
    user: NodeKey,
    /// Answer as if these events weighed nothing
    #[arg(long, num_args = 1.., value_name = "EVENT_ID")]
    mask: Vec<String>,
}

/// What a user is into, as of a time
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect query interests --store graph --user alice --types brand category --output json")]
struct Interests {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    about: AboutUser,
    /// Types of entity; all of them without it
    #[arg(long, num_args = 1.., value_name = "TYPE")]
    types: Vec<String>,
    /// At most so many
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
}

/// Every event and every text behind one interest
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect query explain --store graph --user alice --entity brand:sony")]
struct Explain {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    about: AboutUser,
    /// The entity, by its type and name
    #[arg(long, value_name = "TYPE:NAME", value_parser = parse_entity)]
    entity: NodeKey,
}

/// The likeliest ways from one node to another
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect query paths --store graph --from user:alice --to item:qc-ultra")]
struct Paths {
    #[command(flatten)]
    asked: Asked,
    /// Where to start
    #[arg(long, value_name = "KIND:ID", value_parser = parse_key)]
    from: NodeKey,
    /// Where to arrive
    #[arg(long, value_name = "KIND:ID", value_parser = parse_key)]
    to: NodeKey,
    /// At most so many
    #[arg(long, default_value_t = 5, value_name = "N")]
    k: usize,
    /// Edges of a path, at most
    #[arg(long, default_value_t = 3, value_name = "N")]
    max_hops: usize,
}

/// Nodes of the same kind with the most similar neighbours, or rows of the graph's embedding
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect query similar --store graph --from item:wh-1000xm5
  predilect query similar --store graph --from item:wh-1000xm5 --method embedding")]
struct Similar {
    #[command(flatten)]
    asked: Asked,
    /// The node
    #[arg(long, value_name = "KIND:ID", value_parser = parse_key)]
    from: NodeKey,
    /// By what they are alike
    #[arg(long, default_value = Likeness::Neighbors.name(), value_name = "METHOD",
          value_parser = PossibleValuesParser::new(Likeness::ALL.map(Likeness::name)))]
    method: String,
    /// At most so many
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
}

impl Asked {
    fn source(&self) -> anyhow::Result<Source> {
        Ok(match (&self.store, &self.server) {
            (_, Some(url)) => Source::Server(Client::connect(url)?),
            (Some(store), None) => {
                let engine = Box::new(Engine::open(store, false, None, None)?);
                keep_snapshot(&engine);
                Source::Store(engine)
            }
            (None, None) => anyhow::bail!("give --store or --server"),
        })
    }

    fn moment(&self, about: &AboutUser) -> Moment {
        Moment { as_of: self.as_of, masked: about.mask.iter().cloned().collect() }
    }

    fn json(&self) -> bool {
        self.output.output == Output::Json
    }
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.question {
            Question::Interests(question) => question.run(out),
            Question::Recommend(question) => question.run(out),
            Question::Explain(question) => question.run(out),
            Question::Paths(question) => question.run(out),
            Question::Similar(question) => question.run(out),
            Question::Communities(question) => question.run(out),
            Question::Rank(question) => question.run(out),
            Question::FrequentlyWith(question) => question.run(out),
            Question::Rules(question) => question.run(out),
            Question::Trending(question) => question.run(out),
            Question::Audience(question) => question.run(out),
        }?;
        Ok(ExitCode::Done)
    }
}

impl Interests {
    fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let moment = self.asked.moment(&self.about);
        let source = self.asked.source()?;
        let found = source.interests(&self.about.user, &moment, self.types.clone(), self.k)?;
        if self.asked.json() { write_json(out, &found) } else { answer::interests(out, &found) }
    }
}

impl Explain {
    fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let moment = self.asked.moment(&self.about);
        let found = self.asked.source()?.explain(&self.about.user, &self.entity, &moment)?;
        if self.asked.json() { write_json(out, &found) } else { answer::explanation(out, &found) }
    }
}

impl Paths {
    fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let params = PathParams { max_hops: self.max_hops, k: self.k, ..PathParams::default() };
        let source = self.asked.source()?;
        let (paths, capped) = source.paths((&self.from, &self.to), self.asked.as_of, &params)?;
        if capped {
            note("the search ended at its limit: there may be more paths");
        }
        if self.asked.json() { write_json(out, &paths) } else { answer::paths(out, &paths) }
    }
}

impl Similar {
    fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let source = self.asked.source()?;
        let likeness = Likeness::parse(&self.method).unwrap_or_default();
        let asked = (likeness, self.k);
        let (similar, capped) = source.similar(&self.from, self.asked.as_of, asked)?;
        if capped {
            note("the search ended at its limit: there may be more nodes");
        }
        if self.asked.json() { write_json(out, &similar) } else { answer::similar(out, &similar) }
    }
}
