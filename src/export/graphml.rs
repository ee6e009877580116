//! GraphML: one file, for networkx, Gephi and igraph. For graphs that fit their memory.
//!
//! Readers are particular: every key needs `for`, `attr.name` and `attr.type`; a value that is not
//! there must not be written; lists do not exist and are joined by `;`; control characters break the
//! parser even where they are escaped. Times are milliseconds since 1970.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::folder::{Folder, Sink, io_at};
use super::rows::{EdgeRow, Graph, NodeRow, time};
use super::{ExportError, ExportParams};
use crate::event::{NodeKey, Value};
use crate::schema::NodeKind;

const NAMESPACE: &str = "http://graphml.graphdrawing.org/xmlns";

/// Keys that every node may have, with their types; attributes come after them.
const NODE_KEYS: [(&str, &str); 5] = [
    ("kind", "string"),
    ("name", "string"),
    ("label", "string"),
    ("type", "string"),
    ("published_at", "long"),
];
const EDGE_KEYS: [(&str, &str); 6] = [
    ("relation", "string"),
    ("count", "long"),
    ("first", "long"),
    ("last", "long"),
    ("strength", "double"),
    ("worth", "double"),
];

/// Writes `graph.graphml`.
pub(super) fn write(
    graph: &Graph<'_>,
    folder: &mut Folder,
    _params: &ExportParams,
) -> Result<(), ExportError> {
    let types = attribute_types(graph)?;
    folder.file("graph.graphml", |sink| {
        let path = sink.path.clone();
        let io = |source| io_at(&path, source);
        let mut xml = Xml(Writer::new_with_indent(BufWriter::new(sink), b' ', 1));
        xml.head(&types).map_err(io)?;
        let mut rows = 0;
        graph.nodes(|row| {
            rows += 1;
            xml.node(&row, &types).map_err(io)
        })?;
        graph.edges(|row| {
            rows += 1;
            let relation = graph.snapshot().schema().relation_name(row.relation);
            xml.edge(&row, relation).map_err(io)
        })?;
        xml.tail().map_err(io)?;
        Ok(rows)
    })
}

/// The GraphML type of each attribute: what all its values are, else `string`.
fn attribute_types(graph: &Graph<'_>) -> Result<BTreeMap<String, &'static str>, ExportError> {
    let mut types: BTreeMap<String, &'static str> = BTreeMap::new();
    graph.nodes(|row| {
        for (name, values) in row.document.into_iter().flat_map(|document| document.attributes) {
            let found = match values.as_slice() {
                [Value::Number(_)] => "double",
                [Value::Flag(_)] => "boolean",
                _ => "string",
            };
            let known = types.entry(name).or_insert(found);
            if *known != found {
                *known = "string";
            }
        }
        Ok(())
    })?;
    Ok(types)
}

/// What XML 1.0 may hold.
fn clean(text: &str) -> String {
    let allowed = |c: &char| {
        matches!(c, '\t' | '\n' | ' '..='\u{7e}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
            || *c > '\u{ffff}'
    };
    text.chars().filter(allowed).collect()
}

fn id(key: &NodeKey) -> String {
    clean(&format!("{}:{}", key.kind, key.name))
}

struct Xml<'s>(Writer<BufWriter<&'s mut Sink>>);

impl Xml<'_> {
    fn head(&mut self, types: &BTreeMap<String, &'static str>) -> std::io::Result<()> {
        self.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let root = BytesStart::new("graphml").with_attributes([("xmlns", NAMESPACE)]);
        self.0.write_event(Event::Start(root))?;
        for (name, kind) in NODE_KEYS {
            self.key(&format!("n.{name}"), "node", name, kind)?;
        }
        for (place, (name, kind)) in types.iter().enumerate() {
            self.key(&format!("a{place}"), "node", &format!("attribute.{name}"), kind)?;
        }
        for (name, kind) in EDGE_KEYS {
            self.key(&format!("e.{name}"), "edge", name, kind)?;
        }
        let graph = [("id", "predilect"), ("edgedefault", "directed")];
        self.0.write_event(Event::Start(BytesStart::new("graph").with_attributes(graph)))
    }

    fn key(&mut self, id: &str, of: &str, name: &str, kind: &str) -> std::io::Result<()> {
        let name = clean(name);
        let key = [("id", id), ("for", of), ("attr.name", name.as_str()), ("attr.type", kind)];
        self.0.write_event(Event::Empty(BytesStart::new("key").with_attributes(key)))
    }

    fn data(&mut self, key: &str, text: &str) -> std::io::Result<()> {
        let start = BytesStart::new("data").with_attributes([("key", key)]);
        self.0.write_event(Event::Start(start))?;
        self.0.write_event(Event::Text(BytesText::new(&clean(text))))?;
        self.0.write_event(Event::End(BytesEnd::new("data")))
    }

    fn node(
        &mut self,
        row: &NodeRow<'_>,
        types: &BTreeMap<String, &'static str>,
    ) -> std::io::Result<()> {
        let id = id(&row.key);
        let start = BytesStart::new("node").with_attributes([("id", id.as_str())]);
        self.0.write_event(Event::Start(start))?;
        self.data("n.kind", row.key.kind.name())?;
        self.data("n.name", &row.key.name)?;
        self.data("n.label", row.label)?;
        if row.key.kind == NodeKind::Entity {
            self.data("n.type", row.key.entity_type())?;
        }
        if let Some(document) = &row.document {
            if let Some(at) = document.published_at {
                self.data("n.published_at", &at.millis().to_string())?;
            }
            for (place, name) in types.keys().enumerate() {
                if let Some(values) = document.attributes.get(name) {
                    self.data(&format!("a{place}"), &joined(values))?;
                }
            }
        }
        self.0.write_event(Event::End(BytesEnd::new("node")))
    }

    fn edge(&mut self, row: &EdgeRow<'_>, relation: &str) -> std::io::Result<()> {
        let (source, target) = (id(row.source), id(row.target));
        let ends = [("source", source.as_str()), ("target", target.as_str())];
        self.0.write_event(Event::Start(BytesStart::new("edge").with_attributes(ends)))?;
        self.data("e.relation", relation)?;
        self.data("e.count", &row.edge.count.to_string())?;
        if let Some(first) = time(row.edge.first, row.timed) {
            self.data("e.first", &first.to_string())?;
        }
        if let Some(last) = time(row.edge.last, row.timed) {
            self.data("e.last", &last.to_string())?;
        }
        self.data("e.strength", &row.edge.sum.to_string())?;
        self.data("e.worth", &row.worth.to_string())?;
        self.0.write_event(Event::End(BytesEnd::new("edge")))
    }

    fn tail(mut self) -> std::io::Result<()> {
        self.0.write_event(Event::End(BytesEnd::new("graph")))?;
        self.0.write_event(Event::End(BytesEnd::new("graphml")))?;
        let mut out = self.0.into_inner();
        writeln!(out)?;
        out.flush()
    }
}

fn joined(values: &[Value]) -> String {
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
    };
    values.iter().map(text).collect::<Vec<_>>().join(";")
}
