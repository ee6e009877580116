//! Placeholder until the extraction branch is merged.
use crate::schema::NodeKind;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct ExtractError;
#[derive(Clone, Copy)]
pub struct Span {
    pub byte_start: u32,
    pub byte_end: u32,
    pub char_start: u32,
    pub char_end: u32,
}
pub enum Method {
    Surface,
}
impl Method {
    pub fn name(&self) -> &'static str {
        "surface"
    }
}
pub struct Mention {
    pub span: Span,
    pub surface: String,
    pub entity_type: String,
    pub entity: Option<String>,
    pub confidence: f32,
    pub method: Method,
}
#[derive(Default)]
pub struct Extraction {
    pub mentions: Vec<Mention>,
}
pub struct Term {
    pub entity: String,
    pub entity_type: String,
    pub surfaces: Vec<String>,
    pub by_encoding: bool,
}
pub struct Vocabulary;
impl Vocabulary {
    pub fn new(_: Vec<Term>) -> Self {
        let _ = NodeKind::User;
        Self
    }
    pub fn hash(&self) -> [u8; 32] {
        [0; 32]
    }
}
pub trait Extractor: Send + Sync {
    fn version(&self) -> &str;
    fn extract(
        &self,
        texts: &[&str],
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Extraction>, ExtractError>;
}
