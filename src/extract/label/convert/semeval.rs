//! `semeval`: `RELATION<TAB>sentence`, the two nominals between `<e1> </e1>` and `<e2> </e2>`.
//!
//! `Cause-Effect(e2,e1)` is the relation `Cause-Effect` from the second to the first; `Other` is
//! none. The tags go, with the spaces inside them. A sentence has other nominals that nobody marked, so
//! the labels are not complete.

use super::{Converted, Dropped, Fault, Labelled, Problem, each_line};

/// Type of both entities: the set tells no other.
const NOMINAL: &str = "nominal";

pub(super) fn parse(text: &str) -> Result<Converted, Fault> {
    each_line(text, labelled)
}

fn labelled(row: &str, _: &mut Dropped) -> Result<Labelled, Problem> {
    let broken = || Problem::Parts {
        expected: "RELATION(e1,e2) or Other, a tab, and a sentence with <e1>…</e1> and <e2>…</e2>",
    };
    let (label, sentence) = row.split_once('\t').ok_or_else(broken)?;
    let (text, spans) = untagged(sentence.trim()).ok_or_else(broken)?;
    let mut labelled = Labelled::new(text);
    let [first, second] = spans.map(|(start, end)| labelled.add_entity(start, end, NOMINAL));
    let (relation, ends) = label.split_once('(').unwrap_or((label, ""));
    match ends {
        "e1,e2)" => labelled.add_relation(first, second, relation),
        "e2,e1)" => labelled.add_relation(second, first, relation),
        "" if label == "Other" => true,
        _ => return Err(broken()),
    };
    labelled.complete = false;
    labelled.check().map(|()| labelled)
}

/// The sentence without its tags, and the spans, in characters, of what stood in the two.
fn untagged(sentence: &str) -> Option<(String, [(usize, usize); 2])> {
    let mut text = String::new();
    let mut rest = sentence;
    let mut spans = [(0, 0); 2];
    for (span, (open, close)) in spans.iter_mut().zip([("<e1>", "</e1>"), ("<e2>", "</e2>")]) {
        let (before, after) = rest.split_once(open)?;
        let (inside, after) = after.split_once(close)?;
        text.push_str(before);
        if text.ends_with(char::is_alphanumeric) {
            text.push(' ');
        }
        let start = text.chars().count();
        text.push_str(inside.trim());
        *span = (start, text.chars().count());
        if after.starts_with(char::is_alphanumeric) {
            text.push(' ');
        }
        rest = after;
    }
    text.push_str(rest);
    Some((text, spans))
}
