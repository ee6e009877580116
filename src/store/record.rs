//! What the store keeps: nodes, edges and the evidence that edges are folded from.

use std::sync::LazyLock;

use blake3::Hasher;
use serde::{Deserialize, Serialize};

use super::{Space, StoreError, keyspace};
use crate::event::{Document, NodeKey};
use crate::schema::{NodeKind, RelationId, Timestamp, decay};

/// A node on disk: the kind in the upper 3 bits, a hash of the name in the others.
///
/// The id follows from the name alone, so the order in which nodes arrive never shows, and no
/// look-up stands between a name and its edges. [`StoreError::Collision`] guards against the two
/// names in 2^61 that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The id of the node with this key.
    pub fn of(key: &NodeKey) -> Self {
        let hash = blake3::hash(key.name.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        Self(u64::from_be_bytes(first) >> 3 | (key.kind as u64) << 61)
    }

    /// The node's kind.
    pub fn kind(self) -> Option<NodeKind> {
        NodeKind::ALL.get((self.0 >> 61) as usize).copied()
    }
}

/// What tells one edge from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EdgeKey {
    /// Where it starts.
    pub source: NodeId,
    /// What it means.
    pub relation: RelationId,
    /// Where it leads.
    pub target: NodeId,
}

/// What tells one piece of evidence from another: a hash of where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvidenceId(pub [u8; 16]);

impl EvidenceId {
    /// The id of what `parts` name together.
    fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }

    /// The id of the event with this id.
    pub fn of_event(event_id: &str) -> Self {
        Self::of(&[b"event", event_id.as_bytes()])
    }
}

/// When and which: the order in which an edge folds its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// When it happened; [`Timestamp::MIN`] for what has no time.
    pub at: Timestamp,
    /// Which it is.
    pub id: EvidenceId,
}

/// A place in a text and what stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phrase {
    /// The span in bytes, half open.
    pub bytes: (u32, u32),
    /// The span in characters, half open.
    pub chars: (u32, u32),
    /// The span's text.
    pub surface: String,
}

/// Why an edge exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Evidence {
    /// A user acted.
    Event {
        /// The sender's id of the event.
        event_id: String,
        /// Signed weight at the event's own time.
        strength: f64,
        /// The value as it came.
        value: Option<f64>,
        /// The visit it belongs to.
        session: Option<String>,
        /// What the user wrote.
        text: Option<String>,
    },
    /// A catalogue field says so.
    Attribute {
        /// The field.
        field: String,
        /// The value as it is written there.
        surface: String,
    },
    /// A review gives an opinion on it.
    Opinion {
        /// The sender's id of the review's event.
        event_id: String,
        /// Signed weight at the event's own time, for the edge that it stands under.
        strength: f64,
        /// The name of the polarity, such as `negative`.
        polarity: String,
        /// How sure the extractor is, in [0, 1].
        confidence: f32,
        /// What the opinion is about, in the event's text.
        aspect: Phrase,
        /// The words that say it.
        opinion: Phrase,
    },
    /// A text names it.
    Mention {
        /// The text field.
        field: String,
        /// The span in bytes, half open.
        bytes: (u32, u32),
        /// The span in characters, half open.
        chars: (u32, u32),
        /// The span's text.
        surface: String,
        /// How sure the extractor is, in [0, 1].
        confidence: f32,
        /// How it was found: `surface`, `encoding`, `model`; after a colon how it was linked, where
        /// the extractor did not: `model:alias`, `model:encoding`, `model:new`.
        method: String,
    },
    /// A file of edges says so. An edge has one of a time; of several the one that weighs most stays.
    Given {
        /// Signed weight at the time.
        weight: f32,
    },
}

impl Evidence {
    /// The id that follows from where the evidence comes from.
    pub fn id(&self) -> EvidenceId {
        match self {
            Self::Event { event_id, .. } => EvidenceId::of_event(event_id),
            Self::Attribute { field, surface } => {
                EvidenceId::of(&[b"attribute", field.as_bytes(), surface.as_bytes()])
            }
            Self::Opinion { event_id, aspect, opinion, .. } => EvidenceId::of(&[
                b"opinion",
                event_id.as_bytes(),
                &aspect.bytes.0.to_be_bytes(),
                &aspect.bytes.1.to_be_bytes(),
                &opinion.bytes.0.to_be_bytes(),
                &opinion.bytes.1.to_be_bytes(),
            ]),
            Self::Mention { field, bytes: (start, end), .. } => EvidenceId::of(&[
                b"mention",
                field.as_bytes(),
                &start.to_be_bytes(),
                &end.to_be_bytes(),
            ]),
            Self::Given { .. } => *GIVEN,
        }
    }

    /// How much it speaks for the edge, before the relation's own weight and before it fades.
    pub fn strength(&self) -> f64 {
        match self {
            Self::Event { strength, .. } | Self::Opinion { strength, .. } => *strength,
            Self::Attribute { .. } => 1.0,
            Self::Mention { confidence, .. } => f64::from(*confidence),
            Self::Given { weight } => f64::from(*weight),
        }
    }

    /// Does it stay where a file of edges says `other` of the same edge and time?
    pub(super) fn outweighs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Given { weight }, Self::Given { weight: other }) => {
                weight.total_cmp(other).is_gt()
            }
            _ => false,
        }
    }

    /// The target as the evidence spells it.
    pub fn surface(&self) -> Option<&str> {
        match self {
            Self::Event { .. } | Self::Given { .. } => None,
            Self::Opinion { aspect, .. } => Some(&aspect.surface),
            Self::Attribute { surface, .. } | Self::Mention { surface, .. } => Some(surface),
        }
    }
}

/// The id of all evidence from files of edges: an edge has one piece of it at a time.
static GIVEN: LazyLock<EvidenceId> = LazyLock::new(|| EvidenceId::of(&[b"given"]));

/// The place of what a file of edges says of an edge at a time.
pub(super) fn given(at: Timestamp) -> Stamp {
    Stamp { at, id: *GIVEN }
}

/// A piece of evidence with the edge that it speaks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Where the edge starts.
    pub source: NodeKey,
    /// What the edge means.
    pub relation: RelationId,
    /// Where the edge leads.
    pub target: NodeKey,
    /// When it happened; [`Timestamp::MIN`] for what has no time.
    pub at: Timestamp,
    /// Why.
    pub evidence: Evidence,
}

impl Fact {
    /// The key of the fact's edge.
    pub fn edge(&self) -> EdgeKey {
        EdgeKey {
            source: NodeId::of(&self.source),
            relation: self.relation,
            target: NodeId::of(&self.target),
        }
    }

    /// The place of the fact in the edge's fold.
    pub fn stamp(&self) -> Stamp {
        Stamp { at: self.at, id: self.evidence.id() }
    }
}

/// An edge: the fold of its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Pieces of evidence.
    pub count: u32,
    /// The first one's time.
    pub first: Timestamp,
    /// The last one's time.
    pub last: Timestamp,
    /// Strength at `last`: the decayed sum where the relation fades, else the strongest piece.
    pub sum: f64,
    /// The spelling of the target that sorts first, where evidence spells it.
    pub surface: Option<String>,
}

impl Edge {
    /// The edge of one piece of evidence, or `edge` with one more that comes after all others.
    pub fn fold(
        edge: Option<Self>,
        at: Timestamp,
        evidence: &Evidence,
        half_life_days: Option<f64>,
    ) -> Self {
        let strength = evidence.strength();
        let surface = evidence.surface().map(str::to_owned);
        let Some(mut edge) = edge else {
            return Self { count: 1, first: at, last: at, sum: strength, surface };
        };
        edge.sum = match half_life_days {
            Some(_) => edge.sum * decay(at.since(edge.last), half_life_days) + strength,
            None => edge.sum.max(strength),
        };
        edge.count = edge.count.saturating_add(1);
        edge.last = at;
        edge.surface = match (edge.surface, surface) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        edge
    }
}

/// A node: its key, and its document when it came as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Kind and name.
    pub key: NodeKey,
    /// What the catalogue says of it; a node that only edges name has none.
    pub document: Option<Document>,
}

/// What a document's mentions, or a review's opinions, were made from. Any difference makes them
/// stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractionState {
    /// Hash of the document's text fields, or of the event's text.
    pub text: [u8; 32],
    /// Hash of the vocabulary.
    pub vocabulary: [u8; 32],
    /// The extractor's version; empty for a review that nobody has read.
    pub version: String,
}

impl ExtractionState {
    /// The state of an event's text that nobody has read.
    pub fn unread(text: &str) -> Self {
        let text = *blake3::hash(text.as_bytes()).as_bytes();
        Self { text, vocabulary: [0; 32], version: String::new() }
    }
}

pub(super) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    postcard::to_stdvec(record).expect("records hold only types that postcard writes, into a Vec")
}

pub(super) fn decode<'v, T: Deserialize<'v>>(
    space: Space,
    key: &[u8],
    value: &'v [u8],
) -> Result<T, StoreError> {
    match postcard::take_from_bytes(value) {
        Ok((record, [])) => Ok(record),
        _ => Err(StoreError::Corrupt { space, key: keyspace::hex(key) }),
    }
}
