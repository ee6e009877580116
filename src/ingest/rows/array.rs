//! Rows of a JSON array, cut off one by one: the array is never held as a whole.

use serde_json::{Map, Value};

use super::json;
use super::source::Source;
use super::{IngestError, Reject, Sink, unreadable};

/// What ended an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Comma,
    /// The bracket that closes the array.
    Bracket,
    /// A line that ended within a text, where JSON has none.
    Line,
}

/// Tells where an element of an array ends.
#[derive(Default)]
struct Element {
    depth: u64,
    in_text: bool,
    escaped: bool,
    end: Option<End>,
}

impl Element {
    /// Does the element end with this byte?
    fn ends(&mut self, byte: u8) -> bool {
        if self.in_text {
            match byte {
                b'\n' | b'\r' => self.end = Some(End::Line),
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b',' if self.depth == 0 => self.end = Some(End::Comma),
                b']' if self.depth == 0 => self.end = Some(End::Bracket),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        self.end.is_some()
    }
}

/// Reads the elements of an array; a file that begins with an object holds JSON lines.
pub(super) fn elements(
    mut source: Source,
    sink: Sink<'_, Map<String, Value>>,
) -> Result<(), IngestError> {
    let blank = |byte: u8| byte.is_ascii_whitespace();
    match source.pass(blank)? {
        None => return Ok(()),
        Some(b'{') => return json::lines(source, sink),
        Some(b'[') => source.take()?,
        Some(_) => {
            let reason = "holds neither an array of objects nor an object a line; it must begin with `[` \
                          or `{`";
            return Err(unreadable(source.path(), reason));
        }
    }
    let mut row = Vec::new();
    let mut is_first = true;
    loop {
        if source.pass(blank)? == Some(b']') && is_first {
            source.take()?;
            break;
        }
        is_first = false;
        let mut element = Element::default();
        let cut = source.cut(&mut row, &mut |byte| element.ends(byte), |_| false)?;
        let (Some(cut), Some(end)) = (cut, element.end) else {
            return Err(source.not_whole("the array is never closed: the file is cut off"));
        };
        let text = row.trim_ascii();
        let refuse = |reason: &str| Err(Reject::of_raw(cut.at, reason, text));
        let read = match end {
            _ if cut.is_long => refuse(&source.too_long(&cut, "shorten it")),
            End::Line => refuse("a text in the row is not closed on its line; close it"),
            End::Comma if text.is_empty() => refuse("nothing stands before this comma; remove it"),
            End::Bracket if text.is_empty() => {
                refuse("nothing stands between the last comma and the bracket; remove the comma")
            }
            _ => json::object(cut.at, text),
        };
        sink(cut.at, read)?;
        if end == End::Bracket {
            break;
        }
    }
    match source.pass(blank)? {
        None => Ok(()),
        Some(_) => Err(source.not_whole("the file goes on after its array; give a file an array")),
    }
}
