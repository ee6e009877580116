//! The extraction backlog: documents whose mentions were made from another text, another
//! vocabulary or another model than there are now, or were never made; and reviews, the texts of
//! events, whose opinions were.
//!
//! The vocabulary is the catalogue's own: every text attribute of every document, and the aliases of
//! entities. Mentions are a function of text, vocabulary and model alone, so going through the
//! backlog gives the same graph whatever order the documents came in. Opinions are one of text,
//! model and the catalogue's own aspects, so a new brand has no review read again.

use std::collections::BTreeSet;

use super::catalogue::Catalogue;
use super::reading::Reading;
use super::{IngestError, mutations, opinion};
use crate::event::{Document, NodeKey};
use crate::extract::{Extraction, Extractor, Vocabulary};
use crate::link::Linker;
use crate::schema::{NodeKind, Schema};
use crate::store::{
    EdgeKey, Evidence, EvidenceId, ExtractionState, Fact, GraphStore, Mutation, NodeId, View,
};

/// How many texts' owners go through the extractor and into one batch together.
const CHUNK: usize = 256;

/// What waits for extraction.
pub struct Backlog {
    /// The catalogue's terms.
    pub vocabulary: Vocabulary,
    /// Documents that wait, ascending by id.
    pub waiting: Vec<NodeId>,
    /// Events whose texts wait, ascending by id.
    pub reviews: Vec<EvidenceId>,
    /// The terms that opinions may be about.
    aspects: Vocabulary,
    wanted: Wanted,
}

/// What an extraction must have been made from, the text aside.
struct Wanted {
    version: String,
    /// Are reviews read? Else none may hold opinions.
    reads_reviews: bool,
}

/// What going through a backlog did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Extracted {
    /// Documents that went through the extractor.
    pub documents: u64,
    /// Mentions found in them that name an entity.
    pub mentions: u64,
    /// Events whose texts went through the extractor.
    pub reviews: u64,
    /// Opinions found in them.
    pub opinions: u64,
    /// Edges that changed.
    #[serde(skip)]
    pub edges: Vec<EdgeKey>,
}

impl Backlog {
    /// Collects the vocabulary, the documents and the reviews that wait.
    ///
    /// # Errors
    /// Those of reads.
    pub fn of(
        view: &View<'_>,
        schema: &Schema,
        extractor: &dyn Extractor,
    ) -> Result<Self, IngestError> {
        let (mut catalogue, mut documents) = (Catalogue::default(), Vec::new());
        for item in view.nodes()? {
            let (id, node) = item?;
            if let Some(document) = node.document {
                catalogue.add(schema, &node.key, &document);
                documents.extend(text_hash(id, &document).map(|text| (id, text)));
            }
        }
        let mut backlog = Self::empty(schema, extractor, &catalogue);
        for (id, text) in documents {
            backlog.take(view, id, text)?;
        }
        for item in view.reviews()? {
            let (id, state) = item?;
            if state != backlog.review(state.text) {
                backlog.reviews.push(id);
            }
        }
        Ok(backlog)
    }

    /// Those of the documents `ids` that wait, by a catalogue that is at hand.
    ///
    /// # Errors
    /// Those of reads.
    pub fn of_documents(
        view: &View<'_>,
        extractor: &dyn Extractor,
        catalogue: &Catalogue,
        ids: &BTreeSet<NodeId>,
    ) -> Result<Self, IngestError> {
        let mut backlog = Self::empty(view.schema(), extractor, catalogue);
        for id in ids {
            let document = view.node(*id)?.and_then(|node| node.document);
            if let Some(text) = document.and_then(|document| text_hash(*id, &document)) {
                backlog.take(view, *id, text)?;
            }
        }
        Ok(backlog)
    }

    /// Those of the events `ids` whose texts wait, by a catalogue that is at hand.
    ///
    /// # Errors
    /// Those of reads.
    pub fn of_events(
        view: &View<'_>,
        extractor: &dyn Extractor,
        catalogue: &Catalogue,
        ids: &BTreeSet<EvidenceId>,
    ) -> Result<Self, IngestError> {
        let mut backlog = Self::empty(view.schema(), extractor, catalogue);
        for id in ids {
            if view.review(*id)?.is_some_and(|state| state != backlog.review(state.text)) {
                backlog.reviews.push(*id);
            }
        }
        Ok(backlog)
    }

    /// How many texts' owners wait.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.reviews.len()
    }

    /// Does nothing wait?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn empty(schema: &Schema, extractor: &dyn Extractor, catalogue: &Catalogue) -> Self {
        let vocabulary = catalogue.vocabulary(schema);
        let rules = schema.reviews.as_ref();
        let reads_reviews = rules.is_some() && extractor.finds_relations();
        Self {
            aspects: catalogue.aspects(schema),
            vocabulary,
            waiting: Vec::new(),
            reviews: Vec::new(),
            wanted: Wanted { version: extractor.version().to_owned(), reads_reviews },
        }
    }

    /// Puts a document among those that wait, if it does.
    fn take(&mut self, view: &View<'_>, id: NodeId, text: [u8; 32]) -> Result<(), IngestError> {
        if view.extraction(id)?.as_ref() != Some(&self.document(text)) {
            self.waiting.push(id);
        }
        Ok(())
    }

    /// What a document's extraction is to be made from.
    fn document(&self, text: [u8; 32]) -> ExtractionState {
        let version = self.wanted.version.clone();
        ExtractionState { text, vocabulary: self.vocabulary.hash(), version }
    }

    /// What a review's extraction is to be made from.
    fn review(&self, text: [u8; 32]) -> ExtractionState {
        if !self.wanted.reads_reviews {
            return ExtractionState { text, vocabulary: [0; 32], version: String::new() };
        }
        let version = self.wanted.version.clone();
        ExtractionState { text, vocabulary: self.aspects.hash(), version }
    }
}

/// A hash of a document's texts, where there are any to be read: an entity's are names of its own.
fn text_hash(id: NodeId, document: &Document) -> Option<[u8; 32]> {
    if id.kind() == Some(NodeKind::Entity) || document.text.is_empty() {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    for part in document.text.iter().flat_map(|(field, text)| [field, text]) {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
    }
    Some(*hasher.finalize().as_bytes())
}

/// Extracts from everything that waits and writes what was found, a chunk at a time; `done` hears
/// how many texts' owners are through.
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
    let mut run = Run::new(store, extractor, &backlog.vocabulary);
    for chunk in backlog.waiting.chunks(CHUNK) {
        run.documents(backlog, chunk, &mut total)?;
        done(total.documents);
    }
    let mut run = Run::new(store, extractor, &backlog.aspects);
    for chunk in backlog.reviews.chunks(CHUNK) {
        run.reviews(backlog, chunk, &mut total)?;
        done(total.documents + total.reviews);
    }
    store.sync()?;
    Ok(total)
}

/// An extractor and a linker of one vocabulary.
struct Run<'a> {
    store: &'a GraphStore,
    reading: Reading<'a>,
    linker: Linker<'a>,
}

impl<'a> Run<'a> {
    fn new(
        store: &'a GraphStore,
        extractor: &'a dyn Extractor,
        vocabulary: &'a Vocabulary,
    ) -> Self {
        let reading = Reading::new(store, extractor, vocabulary);
        let linker = Linker::new(store.schema(), vocabulary, store, extractor.encoder());
        Self { store, reading, linker }
    }

    fn documents(
        &mut self,
        backlog: &Backlog,
        chunk: &[NodeId],
        total: &mut Extracted,
    ) -> Result<(), IngestError> {
        let documents = documents(self.store, chunk)?;
        let texts: Vec<&str> = documents
            .iter()
            .flat_map(|(_, document)| document.text.values().map(String::as_str))
            .collect();
        let found = self.reading.extract(&texts)?;
        let mut linked = self.linker.link(&found)?.into_iter();
        let mut changes = Vec::new();
        for (key, document) in &documents {
            let fields: Vec<_> = document
                .text
                .keys()
                .map(|field| (field.as_str(), linked.next().unwrap_or_default()))
                .collect();
            let mentions =
                fields.iter().flat_map(|(field, found)| found.iter().map(move |m| (*field, m)));
            total.documents += 1;
            total.mentions +=
                mentions.clone().filter(|(_, found)| found.mention.entity.is_some()).count() as u64;
            let id = NodeId::of(key);
            let known = self.store.facts_of_document(id)?;
            let state = backlog.document(text_hash(id, document).unwrap_or_default());
            let schema = self.store.schema();
            changes.extend(mutations::of_mentions(schema, key, mentions, state, &known)?);
        }
        total.edges.extend(self.store.apply(&changes)?.edges);
        Ok(())
    }

    fn reviews(
        &mut self,
        backlog: &Backlog,
        chunk: &[EvidenceId],
        total: &mut Extracted,
    ) -> Result<(), IngestError> {
        let reviews = reviews(self.store, chunk)?;
        let texts: Vec<&str> = reviews.iter().map(|facts| text(&facts[0])).collect();
        let found = if backlog.wanted.reads_reviews {
            self.reading.extract(&texts)?
        } else {
            vec![Extraction::default(); texts.len()]
        };
        let linked = self.linker.link(&found)?;
        let mut changes = Vec::new();
        for ((facts, text), (found, linked)) in
            reviews.iter().zip(texts).zip(found.iter().zip(linked))
        {
            let Some((review, known)) = facts.split_first() else { continue };
            let state = backlog.review(ExtractionState::unread(text).text);
            let said = (&*linked, &*found.relations);
            let new = opinion::of_opinions(self.store.schema(), review, said, state, known)?;
            let added = new.iter().filter(|change| matches!(change, Mutation::Add(_))).count();
            total.reviews += 1;
            // An opinion is evidence of two edges.
            total.opinions += added as u64 / 2;
            changes.extend(new);
        }
        total.edges.extend(self.store.apply(&changes)?.edges);
        Ok(())
    }
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

/// The facts of events that have a text: each event's own, then those of its opinions.
fn reviews(store: &GraphStore, ids: &[EvidenceId]) -> Result<Vec<Vec<Fact>>, IngestError> {
    let mut reviews = Vec::new();
    for id in ids {
        let facts = store.facts_of_event(*id)?;
        if facts.first().is_some_and(|fact| !text(fact).is_empty()) {
            reviews.push(facts);
        }
    }
    Ok(reviews)
}

/// What the user wrote.
fn text(event: &Fact) -> &str {
    match &event.evidence {
        Evidence::Event { text: Some(text), .. } => text,
        _ => "",
    }
}
