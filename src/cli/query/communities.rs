//! `predilect query communities`: which nodes belong together.

use std::collections::BTreeMap;
use std::io::Write;

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use petgraph::visit::{EdgeRef, IntoEdgeReferences};
use serde::Serialize;

use super::super::source::{NodeAnswer, Source, node_answer};
use super::super::write_json;
use super::Asked;
use crate::explain::rfc_3339;
use crate::graph::NodeIndex;
use crate::schema::{NodeKind, Timestamp};
use crate::snapshot::Snapshot;
use crate::traverse::{Budget, CommunityParams};

/// What makes nodes belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Method {
    /// More weight among them than chance would give: communities of great modularity.
    #[default]
    Modularity,
    /// Any path between them.
    Components,
}

/// Groups of nodes that belong together
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect query communities --store graph --kind item --k 5")]
pub(super) struct Communities {
    #[command(flatten)]
    asked: Asked,
    /// What makes nodes belong together
    #[arg(long, value_enum, default_value_t, value_name = "METHOD")]
    method: Method,
    /// Name members of this kind alone, and leave out groups without any
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<String>,
    /// At most so many groups, the largest first
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
    /// At most so many members of each, those with the most weight in it first
    #[arg(long, default_value_t = 5, value_name = "N")]
    members: usize,
    /// Above 1: more and smaller communities; below: fewer and larger ones
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    resolution: f64,
    /// Seed of the order in which nodes are looked at: the same one, the same communities
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(NodeKind::ALL.map(NodeKind::name))
}

/// Groups as of a time.
#[derive(Serialize)]
struct Answer {
    #[serde(serialize_with = "rfc_3339")]
    as_of: Timestamp,
    nodes: usize,
    /// All there are.
    groups: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    modularity: Option<f64>,
    /// The largest.
    largest: Vec<Group>,
}

/// A group as answers tell of it.
#[derive(Serialize)]
struct Group {
    nodes: usize,
    kinds: BTreeMap<&'static str, usize>,
    members: Vec<NodeAnswer>,
}

impl Communities {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let Source::Store(engine) = self.asked.source()? else {
            anyhow::bail!("communities are asked of a store: give --store");
        };
        let snapshot = engine.snapshot_as_of(self.asked.as_of)?;
        let (labels, groups, modularity) = match self.method {
            Method::Modularity => {
                let Self { resolution, seed, .. } = *self;
                let params = CommunityParams { resolution, seed, ..CommunityParams::default() };
                let found = engine.communities(&snapshot, &params)?;
                (found.labels, found.count, Some(found.modularity))
            }
            Method::Components => {
                let found = engine.components(&snapshot, &Budget::default())?;
                (found.labels, found.count, None)
            }
        };
        let answer = Answer {
            as_of: snapshot.as_of,
            nodes: labels.len(),
            groups,
            modularity,
            largest: self.largest(&snapshot, &labels),
        };
        if self.asked.json() { write_json(out, &answer) } else { tell(out, &answer) }
    }

    /// The groups with the most members that may be named, ties by their first node.
    fn largest(&self, snapshot: &Snapshot, labels: &[u32]) -> Vec<Group> {
        let kind = self.kind.as_deref().and_then(NodeKind::parse);
        let named = |node: usize| {
            kind.is_none_or(|kind| snapshot.names().kind(NodeIndex::new(node)) == kind)
        };
        let mut within = vec![0.0; labels.len()];
        for edge in snapshot.graph().edge_references() {
            let (source, target) = (edge.source().index(), edge.target().index());
            if labels[source] == labels[target] {
                let weight = snapshot.weigh(edge.id(), edge.data());
                within[source] += weight;
                within[target] += weight;
            }
        }
        let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let mut kinds: BTreeMap<u32, BTreeMap<&'static str, usize>> = BTreeMap::new();
        for (node, label) in labels.iter().enumerate() {
            let name = snapshot.names().kind(NodeIndex::new(node)).name();
            *kinds.entry(*label).or_default().entry(name).or_default() += 1;
            if named(node) {
                members.entry(*label).or_default().push(node);
            }
        }
        let mut largest: Vec<_> = members.into_iter().collect();
        largest.sort_by_key(|(label, members)| (std::cmp::Reverse(members.len()), *label));
        largest.truncate(self.k);
        let group = |(label, mut members): (u32, Vec<usize>)| {
            members.sort_by(|a, b| within[*b].total_cmp(&within[*a]).then(a.cmp(b)));
            members.truncate(self.members);
            let names = members.into_iter().filter_map(|node| {
                let name = snapshot.names().get(NodeIndex::new(node))?;
                Some(node_answer(name.key.clone(), name.label.clone()))
            });
            let members = names.collect();
            let kinds = kinds.remove(&label).unwrap_or_default();
            Group { nodes: kinds.values().sum(), kinds, members }
        };
        largest.into_iter().map(group).collect()
    }
}

fn tell(out: &mut dyn Write, answer: &Answer) -> anyhow::Result<()> {
    let Answer { as_of, nodes, groups, modularity, largest } = answer;
    write!(out, "As of {as_of}, {nodes} nodes in {groups} groups")?;
    match modularity {
        Some(modularity) => writeln!(out, ", modularity {modularity:.4}:")?,
        None => writeln!(out, ":")?,
    }
    for (place, group) in largest.iter().enumerate() {
        let kinds = group.kinds.iter().map(|(kind, n)| format!("{kind} {n}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        writeln!(out, "\n  {:>2}. {} nodes: {kinds}", place + 1, group.nodes)?;
        for member in &group.members {
            writeln!(out, "      {} ({}:{})", member.label, member.kind, member.id)?;
        }
    }
    Ok(())
}
