//! `predilect merge` and `predilect unmerge`: entities that are one, and are not after all.

use std::io::Write;
use std::path::PathBuf;

use super::{ExitCode, parse_entity};
use crate::engine::Engine;
use crate::event::NodeKey;
use crate::rpc::Client;
use crate::schema::Timestamp;
use crate::store::Merge;

/// Where the graph is that is to be changed.
#[derive(clap::Args)]
pub(super) struct Place {
    /// Folder of the store
    #[arg(long, value_name = "DIR", required_unless_present = "server")]
    store: Option<PathBuf>,
    /// A server that has the store open, such as <http://127.0.0.1:7433>
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    server: Option<String>,
}

/// A graph that can be changed.
enum Graph {
    Store(Box<Engine>),
    Server(Client),
}

impl Place {
    fn open(&self) -> anyhow::Result<Graph> {
        Ok(match (&self.store, &self.server) {
            (_, Some(url)) => Graph::Server(Client::connect(url)?),
            (store, None) => {
                let path = store.as_deref().unwrap_or(std::path::Path::new(""));
                Graph::Store(Box::new(Engine::open(path, false, None, None)?))
            }
        })
    }
}

/// Have one entity read as another: their edges unite, evidence stays where it was written
#[derive(clap::Args)]
#[command(after_help = "\
`predilect duplicates` lists entities that may be one; `predilect unmerge` takes a merge back.

Example:
  predilect merge --store graph --entity brand:sony-corp --into brand:sony --reason 'same maker'")]
pub(super) struct MergeArgs {
    #[command(flatten)]
    place: Place,
    /// The entity that is to be read as the other
    #[arg(long, value_name = "TYPE:NAME", value_parser = parse_entity)]
    entity: NodeKey,
    /// The entity that it is to be read as
    #[arg(long, value_name = "TYPE:NAME", value_parser = parse_entity)]
    into: NodeKey,
    /// Why, for whoever asks later
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Who decided it
    #[arg(long, default_value = "command line", value_name = "NAME")]
    by: String,
}

impl MergeArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let Self { place, entity, into, reason, by } = self;
        match place.open()? {
            Graph::Store(engine) => {
                let (entity, into) = (entity.clone(), into.clone());
                engine.merge(Merge::new(entity, into, Timestamp::now(), by, reason))?;
            }
            Graph::Server(mut client) => client.merge(&entity.name, &into.name, by, reason)?,
        }
        writeln!(out, "{entity} is read as {into}")?;
        Ok(ExitCode::Done)
    }
}

/// Have a merged entity read as itself again
#[derive(clap::Args)]
#[command(after_help = "\
The graph is then as if the entity had never been merged.

Example:
  predilect unmerge --store graph --entity brand:sony-corp")]
pub(super) struct UnmergeArgs {
    #[command(flatten)]
    place: Place,
    /// The merged entity
    #[arg(long, value_name = "TYPE:NAME", value_parser = parse_entity)]
    entity: NodeKey,
}

impl UnmergeArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let lifted = match self.place.open()? {
            Graph::Store(engine) => engine.unmerge(&self.entity)?.0,
            Graph::Server(mut client) => client.unmerge(&self.entity.name)?,
        };
        writeln!(out, "{} is read as {} no more", lifted.entity, lifted.into)?;
        Ok(ExitCode::Done)
    }
}
