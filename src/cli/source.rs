//! Who answers a query: a store that is opened for it, or a server that has one open.

mod crowd;

use serde::Serialize;

use crate::engine::{Engine, Fallback, Likeness, Moment, ServeRequest};
use crate::event::NodeKey;
use crate::explain::{Route, TextSpan, rfc_3339};
use crate::interest::Interest;
use crate::recommend::{Effect, Placed};
use crate::rpc::{Client, ServedAnswer, SimilarNode};
use crate::schema::{NodeKind, Timestamp};
use crate::snapshot::Name;
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
    /// A server answers as of its last event unless a time is given, and does not tell which.
    #[serde(serialize_with = "maybe_rfc_3339", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    pub interests: Vec<Interest>,
}

/// Recommendations as of a time.
#[derive(Serialize)]
pub(super) struct Recommendations {
    /// None for a session that does not say whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A server answers as of its last event unless a time is given, and does not tell which.
    #[serde(serialize_with = "maybe_rfc_3339", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    pub method: String,
    /// In the log of what was shown; empty where it was not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recommendation_id: String,
    pub policy: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arm: String,
    /// What rules did.
    pub effects: Vec<Effect>,
    pub recommendations: Vec<Placed>,
    /// Ids of the session that the graph does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_ids: Vec<String>,
    /// Why what everybody cares for is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

/// One interest, and where texts name it.
#[derive(Serialize)]
pub(super) struct Explanation {
    pub user: String,
    /// A server answers as of its last event unless a time is given, and does not tell which.
    #[serde(serialize_with = "maybe_rfc_3339", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    #[serde(flatten)]
    pub interest: Interest,
    pub spans: Vec<NamedSpan>,
    /// Are there more spans?
    #[serde(skip)]
    pub capped: bool,
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
    /// The sentence around it; a server does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
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
    /// Which relations are walked from their source to their target.
    #[serde(skip)]
    pub forward: Vec<bool>,
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
                (Some(snapshot.as_of), interests)
            }
            Self::Server(client) => {
                (moment.as_of, client.interests(&user.name, moment, &types, k)?)
            }
        };
        Ok(Interests { user: user.name.clone(), as_of, interests })
    }

    pub fn recommend(
        &self,
        user: Option<&NodeKey>,
        moment: &Moment,
        request: &ServeRequest,
    ) -> anyhow::Result<Recommendations> {
        let (as_of, answer) = match self {
            Self::Store(engine) => {
                let served = engine.serve(user, moment, request)?;
                let answer = ServedAnswer {
                    results: served.answer.results,
                    effects: served.answer.effects,
                    recommendation_id: served.recommendation_id,
                    method: served.method,
                    policy: served.policy.to_owned(),
                    arm: served.arm,
                    missing: served.missing,
                    fallback: served.fallback,
                };
                (Some(served.snapshot.as_of), answer)
            }
            Self::Server(client) => {
                let user = user.map(|user| user.name.as_str());
                (moment.as_of, client.serve(user, moment, request)?)
            }
        };
        Ok(Recommendations {
            user: user.map(|user| user.name.clone()),
            as_of,
            method: answer.method,
            recommendation_id: answer.recommendation_id,
            policy: answer.policy,
            arm: answer.arm,
            effects: answer.effects,
            recommendations: answer.results,
            missing_ids: answer.missing,
            fallback: answer.fallback,
        })
    }

    pub fn explain(
        &self,
        user: &NodeKey,
        entity: &NodeKey,
        moment: &Moment,
    ) -> anyhow::Result<Explanation> {
        let (as_of, found) = match self {
            Self::Store(engine) => {
                let (snapshot, found) = engine.explain_interest(user, entity, moment)?;
                (Some(snapshot.as_of), found)
            }
            Self::Server(client) => {
                (moment.as_of, client.explain(&user.name, &entity.name, moment)?)
            }
        };
        let mut spans = Vec::new();
        for span in found.evidence {
            spans.push(self.named(&found.interest, span)?);
        }
        let (user, interest) = (user.name.clone(), found.interest);
        Ok(Explanation { user, as_of, interest, spans, capped: found.evidence_capped })
    }

    /// The span with the title of its document, and with the sentence around it where the text is
    /// at hand.
    fn named(&self, interest: &Interest, span: TextSpan) -> anyhow::Result<NamedSpan> {
        let mut events =
            interest.contributions.iter().filter_map(|why| why.contribution.event.as_ref());
        let about = events.find(|event| event.target == span.document.name);
        let mut label = about.map_or(&span.document.name, |event| &event.label).clone();
        let bytes = (span.span.byte_start, span.span.byte_end);
        let sentence = match self {
            Self::Store(engine) => {
                let document = engine.node(&span.document)?.document.unwrap_or_default();
                let text = if let Some(event_id) = &span.event_id {
                    // The event's target is what is judged, not what was reviewed.
                    label = document.title().unwrap_or(&label).to_owned();
                    engine.text_of_event(event_id)?
                } else {
                    document.text.get(&span.field).cloned()
                };
                text.map(|text| sentence(&text, bytes).to_owned())
            }
            Self::Server(_) => None,
        };
        Ok(NamedSpan {
            document: span.document.name,
            label,
            entity: interest.label.clone(),
            field: span.field,
            byte_start: bytes.0,
            byte_end: bytes.1,
            char_start: span.span.char_start,
            char_end: span.span.char_end,
            surface: span.surface,
            confidence: span.confidence,
            method: span.method,
            sentence,
        })
    }

    /// The paths, and whether the search ended before all were found.
    pub fn paths(
        &self,
        (from, to): (&NodeKey, &NodeKey),
        as_of: Option<Timestamp>,
        params: &PathParams,
    ) -> anyhow::Result<(Vec<PathAnswer>, bool)> {
        let (routes, capped) = match self {
            Self::Store(engine) => {
                let snapshot = engine.snapshot_as_of(as_of)?;
                let found = engine.paths(&snapshot, (from, to), params)?;
                let routes = found.paths.iter().filter_map(|path| Route::of(&snapshot, path));
                (routes.collect(), found.capped)
            }
            Self::Server(client) => {
                let moment = Moment { as_of, ..Moment::default() };
                client.paths(from, to, &moment, params)?
            }
        };
        Ok((routes.into_iter().map(path_answer).collect(), capped))
    }

    /// The nodes, and whether the search ended before all were seen.
    pub fn similar(
        &self,
        key: &NodeKey,
        as_of: Option<Timestamp>,
        asked: (Likeness, usize),
    ) -> anyhow::Result<(Vec<SimilarAnswer>, bool)> {
        let engine = match self {
            Self::Store(engine) => engine,
            Self::Server(client) => {
                let (found, capped) = client.similar(key, as_of, asked)?;
                let answer = |SimilarNode { key, label, score }| SimilarAnswer {
                    node: node_answer(key, label),
                    score,
                };
                return Ok((found.into_iter().map(answer).collect(), capped));
            }
        };
        let snapshot = engine.snapshot_as_of(as_of)?;
        let found = engine.alike(&snapshot, key, asked, &Budget::visits(SIMILAR_VISITS))?;
        let answer = |(node, score)| {
            let name: &Name = snapshot.names().get(node)?;
            let node = node_answer(name.key.clone(), name.label.clone());
            Some(SimilarAnswer { node, score })
        };
        Ok((found.nodes.into_iter().filter_map(answer).collect(), found.capped))
    }
}

fn path_answer(route: Route) -> PathAnswer {
    PathAnswer {
        score: route.score,
        nodes: route.stops.into_iter().map(|stop| node_answer(stop.key, stop.label)).collect(),
        forward: route.steps.iter().map(|step| step.forward).collect(),
        relations: route.steps.into_iter().map(|step| step.relation).collect(),
    }
}

pub(super) fn node_answer(key: NodeKey, label: String) -> NodeAnswer {
    NodeAnswer { kind: key.kind, id: key.name, label }
}

/// Writes a time as RFC 3339, where there is one.
#[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
fn maybe_rfc_3339<S: serde::Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc_3339(at, to),
        None => to.serialize_none(),
    }
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
