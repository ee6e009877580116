//! Where a text names an entity, or a review judges one.

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
    /// How it was found: `surface`, `encoding`, `model`, and after a colon how it was linked where
    /// the extractor did not.
    pub method: String,
    /// The event whose text it is: a review of `document`, whose `field` is `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}

impl TextSpan {
    /// The span that `evidence` tells of, when it is a mention in `document` or an opinion in a
    /// review of it.
    pub fn of(document: &NodeKey, evidence: Evidence) -> Option<Self> {
        let span = |bytes: (u32, u32), chars: (u32, u32)| Span {
            byte_start: bytes.0,
            byte_end: bytes.1,
            char_start: chars.0,
            char_end: chars.1,
        };
        let document = document.clone();
        match evidence {
            Evidence::Mention { field, bytes, chars, surface, confidence, method } => {
                let span = span(bytes, chars);
                Some(Self { document, field, span, surface, confidence, method, event_id: None })
            }
            Evidence::Opinion { event_id, confidence, aspect, polarity, .. } => Some(Self {
                document,
                field: "text".to_owned(),
                span: span(aspect.bytes, aspect.chars),
                surface: aspect.surface,
                confidence,
                method: format!("model:{polarity}"),
                event_id: Some(event_id),
            }),
            Evidence::Event { .. } | Evidence::Attribute { .. } | Evidence::Given { .. } => None,
        }
    }
}
