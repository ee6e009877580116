//! Where a text names an entity.

use serde::Serialize;

use crate::event::NodeKey;
use crate::extract::Span;
use crate::store::Evidence;

/// A place in a document's text that names an entity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextSpan {
    /// The item or content that the text belongs to.
    pub document: NodeKey,
    /// The text field.
    pub field: String,
    /// Bytes and characters, half open.
    pub span: Span,
    /// The span's text.
    pub surface: String,
    /// How sure the extractor is, in [0, 1].
    pub confidence: f32,
    /// How it was found: `surface`, `encoding`, `model`.
    pub method: String,
}

impl TextSpan {
    /// The span that `evidence` tells of, when it is a mention in `document`.
    pub fn of(document: &NodeKey, evidence: Evidence) -> Option<Self> {
        let Evidence::Mention { field, bytes, chars, surface, confidence, method } = evidence
        else {
            return None;
        };
        let span =
            Span { byte_start: bytes.0, byte_end: bytes.1, char_start: chars.0, char_end: chars.1 };
        Some(Self { document: document.clone(), field, span, surface, confidence, method })
    }
}
