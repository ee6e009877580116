//! Who answers a query: a store that is opened for it, or a server that has one open.

use serde::Serialize;

use crate::engine::{Engine, EngineError, Moment};
use crate::event::NodeKey;
use crate::explain::rfc_3339;
use crate::interest::Interest;
use crate::recommend::{RecommendParams, Recommendation};
use crate::rpc::Client;
use crate::schema::{NodeKind, Timestamp};
use crate::snapshot::Snapshot;
use crate::store::Evidence;
use crate::traverse::{Budget, PathParams};

/// Edges that a search for similar nodes looks at, at most.
const SIMILAR_VISITS: usize = 10_000_000;

/// Who answers.
pub(super) enum Source {
    /// A store, opened by this process.
    Store(Box<Engine>),
    /// A server.
    Server(Client),
}

/// Interests as of a time.
#[derive(Serialize)]
pub(super) struct Interests {
    pub user: String,
    #[serde(serialize_with = "rfc_3339")]
    pub as_of: Timestamp,
    pub interests: Vec<Interest>,
}

/// Recommendations as of a time.
#[derive(Serialize)]
pub(super) struct Recommendations {
    pub user: String,
    #[serde(serialize_with = "rfc_3339")]
    pub as_of: Timestamp,
    pub method: String,
    pub recommendations: Vec<Recommendation>,
}

/// One interest, and where texts name it.
#[derive(Serialize)]
pub(super) struct Explanation {
    pub user: String,
    #[serde(serialize_with = "rfc_3339")]
    pub as_of: Timestamp,
    #[serde(flatten)]
    pub interest: Interest,
    pub spans: Vec<NamedSpan>,
}

/// Where the text of something that the user acted on names the entity.
#[derive(Clone, Debug, Serialize)]
pub(super) struct NamedSpan {
    pub document: String,
    pub label: String,
    /// What the entity is called.
    #[serde(skip)]
    pub entity: String,
    pub field: String,
    pub byte_start: u32,
    pub byte_end: u32,
    pub char_start: u32,
    pub char_end: u32,
    pub surface: String,
    pub confidence: f32,
    pub method: String,
    /// The sentence around it.
    pub sentence: String,
}

/// A node as answers name it.
#[derive(Serialize)]
pub(super) struct NodeAnswer {
    pub kind: NodeKind,
    pub id: String,
    pub label: String,
}

/// A path as answers name it.
#[derive(Serialize)]
pub(super) struct PathAnswer {
    pub score: f64,
    pub nodes: Vec<NodeAnswer>,
    pub relations: Vec<String>,
}

/// A node like another.
#[derive(Serialize)]
pub(super) struct SimilarAnswer {
    #[serde(flatten)]
    pub node: NodeAnswer,
    pub score: f64,
}

impl Source {
    pub fn interests(
        &self,
        user: &NodeKey,
        moment: &Moment,
        types: Vec<String>,
        k: usize,
    ) -> anyhow::Result<Interests> {
        let (as_of, interests) = match self {
            Self::Store(engine) => {
                let (snapshot, interests) = engine.interests(user, moment, types, k)?;
                (snapshot.as_of, interests)
            }
            Self::Server(client) => client.interests(user, moment, types, k)?,
        };
        Ok(Interests { user: user.name.clone(), as_of, interests })
    }

    pub fn recommend(
        &self,
        user: &NodeKey,
        moment: &Moment,
        params: &RecommendParams,
    ) -> anyhow::Result<Recommendations> {
        let (as_of, recommendations) = match self {
            Self::Store(engine) => {
                let (snapshot, answers) = engine.recommend(user, moment, params)?;
                (snapshot.as_of, answers)
            }
            Self::Server(client) => client.recommend(user, moment, params)?,
        };
        let (user, method) = (user.name.clone(), params.method.clone());
        Ok(Recommendations { user, as_of, method, recommendations })
    }

    pub fn explain(
        &self,
        user: &NodeKey,
        entity: &NodeKey,
        moment: &Moment,
    ) -> anyhow::Result<Explanation> {
        let types = vec![entity.entity_type().to_owned()];
        let answer = self.interests(user, moment, types, usize::MAX)?;
        let found = answer.interests.into_iter().find(|found| found.entity == entity.name);
        let Some(interest) = found else {
            anyhow::bail!("{user} has no interest in {entity} as of {}", answer.as_of);
        };
        let spans = match self {
            Self::Store(engine) => spans(engine, &interest)?,
            Self::Server(_) => Vec::new(),
        };
        Ok(Explanation { user: answer.user, as_of: answer.as_of, interest, spans })
    }

    /// The paths, and whether the search ended before all were found.
    pub fn paths(
        &self,
        (from, to): (&NodeKey, &NodeKey),
        as_of: Option<Timestamp>,
        params: &PathParams,
    ) -> anyhow::Result<(Vec<PathAnswer>, bool)> {
        let engine = self.store()?;
        let snapshot = engine.snapshot_as_of(as_of)?;
        let found = engine.paths(&snapshot, (from, to), params)?;
        let relation = |edge| {
            let data = snapshot.graph().edge_weight(edge);
            data.map_or("?", |data| snapshot.schema().relation_name(data.relation)).to_owned()
        };
        let paths = found.paths.into_iter().map(|path| PathAnswer {
            score: path.score,
            nodes: path.nodes.into_iter().map(|node| node_answer(&snapshot, node)).collect(),
            relations: path.edges.into_iter().map(relation).collect(),
        });
        Ok((paths.collect(), found.capped))
    }

    /// The nodes, and whether the search ended before all were seen.
    pub fn similar(
        &self,
        key: &NodeKey,
        as_of: Option<Timestamp>,
        k: usize,
    ) -> anyhow::Result<(Vec<SimilarAnswer>, bool)> {
        let engine = self.store()?;
        let snapshot = engine.snapshot_as_of(as_of)?;
        let found = engine.similar(&snapshot, key, k, &Budget::visits(SIMILAR_VISITS))?;
        let answer = |(node, score)| SimilarAnswer { node: node_answer(&snapshot, node), score };
        Ok((found.nodes.into_iter().map(answer).collect(), found.capped))
    }

    fn store(&self) -> anyhow::Result<&Engine> {
        match self {
            Self::Store(engine) => Ok(engine),
            Self::Server(_) => anyhow::bail!("ask this of a store: give --store"),
        }
    }
}

fn node_answer(snapshot: &Snapshot, node: crate::graph::NodeIndex) -> NodeAnswer {
    let name = snapshot.names().get(node);
    NodeAnswer {
        kind: snapshot.names().kind(node),
        id: name.map(|name| name.key.name.clone()).unwrap_or_default(),
        label: snapshot.names().label(node).to_owned(),
    }
}

/// Where the texts behind an interest name it, in the order of its contributions.
pub(super) fn spans(engine: &Engine, interest: &Interest) -> Result<Vec<NamedSpan>, EngineError> {
    let entity = NodeKey { kind: NodeKind::Entity, name: interest.entity.clone() };
    let mut spans = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for event in interest.contributions.iter().filter_map(|why| why.contribution.event.as_ref()) {
        if !seen.insert(&event.target) {
            continue;
        }
        for kind in [NodeKind::Item, NodeKind::Content] {
            let document = NodeKey { kind, name: event.target.clone() };
            spans.extend(spans_in(engine, &document, &entity, &interest.label)?);
        }
    }
    Ok(spans)
}

/// Where the texts of one document name an entity.
fn spans_in(
    engine: &Engine,
    document: &NodeKey,
    entity: &NodeKey,
    called: &str,
) -> Result<Vec<NamedSpan>, EngineError> {
    let mut spans = Vec::new();
    for (_, evidence) in engine.evidence(document, engine.schema().mentions(), entity)? {
        let Evidence::Mention { field, bytes, chars, surface, confidence, method } = evidence
        else {
            continue;
        };
        let Some(text) = engine.node(document)?.document else { continue };
        let label = text.title().unwrap_or(&document.name).to_owned();
        let sentence = text.text.get(&field).map_or("", |text| sentence(text, bytes));
        spans.push(NamedSpan {
            document: document.name.clone(),
            label,
            entity: called.to_owned(),
            byte_start: bytes.0,
            byte_end: bytes.1,
            char_start: chars.0,
            char_end: chars.1,
            sentence: sentence.to_owned(),
            field,
            surface,
            confidence,
            method,
        });
    }
    spans.sort_by(|a, b| (&b.field, b.byte_start).cmp(&(&a.field, a.byte_start)).reverse());
    Ok(spans)
}

/// The sentence of `text` around a span in bytes.
fn sentence(text: &str, (start, end): (u32, u32)) -> &str {
    let (Some(before), Some(after)) = (text.get(..start as usize), text.get(end as usize..)) else {
        return "";
    };
    let ends = |c: char, next: Option<char>| {
        matches!(c, '。' | '！' | '？' | '\n')
            || (matches!(c, '.' | '!' | '?') && next.is_none_or(char::is_whitespace))
    };
    let from = before
        .char_indices()
        .filter(|(at, c)| ends(*c, before[at + c.len_utf8()..].chars().next().or(Some('x'))))
        .map(|(at, c)| at + c.len_utf8())
        .next_back()
        .unwrap_or(0);
    let to = after
        .char_indices()
        .find(|(at, c)| ends(*c, after[at + c.len_utf8()..].chars().next()))
        .map_or(text.len(), |(at, c)| end as usize + at + c.len_utf8());
    text[from..to].trim()
}

#[cfg(test)]
mod tests {
    use super::sentence;

    fn check(text: &str, word: &str, expected: &str) {
        let start = text.find(word).unwrap();
        let span = (start as u32, (start + word.len()) as u32);
        assert_eq!(sentence(text, span), expected);
    }

    #[test]
    fn sentences_are_found() {
        check("One. Two spies. Three.", "spies", "Two spies.");
        check("One spy", "spy", "One spy");
        check("It made $1.5 million. A spy!", "million", "It made $1.5 million.");
        check("帐篷先看防雨。再带一只保温杯，好。", "保温杯", "再带一只保温杯，好。");
    }
}
