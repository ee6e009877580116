//! The extraction backlog: documents whose mentions were made from another text, another
//! vocabulary or another model than there are now, or were never made.
//!
//! The vocabulary is the catalogue's own: every text attribute of every document. Mentions are a
//! function of text, vocabulary and model alone, so going through the backlog gives the same graph
//! whatever order the documents came in.

use std::collections::BTreeMap;

use super::{IngestError, mutations};
use crate::event::{Document, NodeKey, Value, entity_name};
use crate::extract::{Extraction, Extractor, Term, Vocabulary};
use crate::schema::Schema;
use crate::store::{EdgeKey, ExtractionState, GraphStore, NodeId, View};

/// How many documents go through the extractor and into one batch together.
const CHUNK: usize = 256;

/// Documents that wait for extraction.
pub struct Backlog {
    /// The catalogue's terms.
    pub vocabulary: Vocabulary,
    /// Who waits, ascending by id.
    pub waiting: Vec<NodeId>,
    version: String,
}

/// What going through a backlog did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Extracted {
    /// Documents that went through the extractor.
    pub documents: u64,
    /// Mentions found in them that are linked to an entity.
    pub mentions: u64,
    /// Edges that changed.
    #[serde(skip)]
    pub edges: Vec<EdgeKey>,
}

impl Backlog {
    /// Collects the vocabulary and the documents that wait.
    ///
    /// # Errors
    /// Those of reads.
    pub fn of(
        view: &View<'_>,
        schema: &Schema,
        extractor: &dyn Extractor,
    ) -> Result<Self, IngestError> {
        let mut terms: BTreeMap<String, Term> = BTreeMap::new();
        let mut documents = Vec::new();
        for item in view.nodes()? {
            let (id, node) = item?;
            let Some(document) = node.document else { continue };
            collect(schema, &document, &mut terms);
            if !document.text.is_empty() {
                documents.push((id, text_hash(&document)));
            }
        }
        let vocabulary = Vocabulary::new(terms.into_values().collect());
        let version = extractor.version().to_owned();
        let mut waiting = Vec::new();
        for (id, text) in documents {
            let wanted =
                ExtractionState { text, vocabulary: vocabulary.hash(), version: version.clone() };
            if view.extraction(id)?.as_ref() != Some(&wanted) {
                waiting.push(id);
            }
        }
        Ok(Self { vocabulary, waiting, version })
    }
}

/// Adds the terms that a document's attributes bring.
fn collect(schema: &Schema, document: &Document, terms: &mut BTreeMap<String, Term>) {
    for (field, values) in &document.attributes {
        let rule = schema.attribute(field);
        for value in values {
            let Value::Text(surface) = value else { continue };
            let entity = entity_name(&rule.entity_type, surface);
            let term = terms.entry(entity.clone()).or_insert_with(|| Term {
                entity,
                entity_type: rule.entity_type.clone(),
                surfaces: Vec::new(),
                by_encoding: schema.by_encoding(&rule.entity_type),
            });
            if !term.surfaces.contains(surface) {
                term.surfaces.push(surface.clone());
            }
        }
    }
}

fn text_hash(document: &Document) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in document.text.iter().flat_map(|(field, text)| [field, text]) {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Extracts from every waiting document and writes what was found, a chunk at a time; `done` hears
/// how many documents are through.
///
/// # Errors
/// Those of the extractor and the store; chunks before it stay.
pub fn extract_backlog(
    store: &GraphStore,
    extractor: &dyn Extractor,
    backlog: &Backlog,
    done: &mut dyn FnMut(u64),
) -> Result<Extracted, IngestError> {
    let mut total = Extracted::default();
    for chunk in backlog.waiting.chunks(CHUNK) {
        let documents = documents(store, chunk)?;
        let texts: Vec<&str> = documents
            .iter()
            .flat_map(|(_, document)| document.text.values().map(String::as_str))
            .collect();
        let mut found = extractor.extract(&texts, &backlog.vocabulary)?.into_iter();
        let mut changes = Vec::new();
        for (key, document) in &documents {
            let fields: Vec<(&str, Extraction)> = document
                .text
                .keys()
                .map(|field| (field.as_str(), found.next().unwrap_or_default()))
                .collect();
            let state = ExtractionState {
                text: text_hash(document),
                vocabulary: backlog.vocabulary.hash(),
                version: backlog.version.clone(),
            };
            let mentions = fields
                .iter()
                .flat_map(|(field, found)| found.mentions.iter().map(move |m| (*field, m)));
            let known = store.facts_of_document(NodeId::of(key))?;
            changes.extend(mutations::of_mentions(store.schema(), key, mentions, state, &known)?);
            total.documents += 1;
            total.mentions += fields
                .iter()
                .flat_map(|(_, found)| &found.mentions)
                .filter(|mention| mention.entity.is_some())
                .count() as u64;
        }
        total.edges.extend(store.apply(&changes)?.edges);
        done(total.documents);
    }
    store.sync()?;
    Ok(total)
}

fn documents(store: &GraphStore, ids: &[NodeId]) -> Result<Vec<(NodeKey, Document)>, IngestError> {
    let view = store.view();
    let mut documents = Vec::new();
    for id in ids {
        if let Some(node) = view.node(*id)? {
            documents.extend(node.document.map(|document| (node.key, document)));
        }
    }
    Ok(documents)
}
