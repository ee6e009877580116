//! Places in a text, in bytes for the machine and in characters for people.

/// Where in a text something stands: byte and character offsets, half open, exact for any UTF-8.
///
/// A character is a Unicode scalar value (what Rust calls `char` and Python a string element).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Span {
    /// First byte.
    pub byte_start: u32,
    /// One past the last byte.
    pub byte_end: u32,
    /// First character.
    pub char_start: u32,
    /// One past the last character.
    pub char_end: u32,
}

impl Span {
    /// The piece of `text` that the span covers; empty when `text` is not the one it was made for.
    pub fn slice<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.byte_start as usize..self.byte_end as usize).unwrap_or("")
    }

    /// Whether the two spans share a byte.
    pub fn overlaps(&self, other: &Span) -> bool {
        self.byte_start < other.byte_end && other.byte_start < self.byte_end
    }
}

/// Turns ascending byte offsets into [`Span`]s, walking over the text once.
#[derive(Debug)]
pub(crate) struct SpanWalk<'t> {
    text: &'t str,
    byte: usize,
    chars: usize,
}

impl<'t> SpanWalk<'t> {
    /// Starts at the beginning of `text`, which is shorter than 4 GiB.
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, byte: 0, chars: 0 }
    }

    /// The span of bytes `start..end`, both at character borders, `start` not before earlier ones.
    pub(crate) fn span(&mut self, start: usize, end: usize) -> Span {
        self.chars += self.text[self.byte..start].chars().count();
        self.byte = start;
        let inside = self.text[start..end].chars().count();
        Span {
            byte_start: start as u32,
            byte_end: end as u32,
            char_start: self.chars as u32,
            char_end: (self.chars + inside) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, piece: &str, chars: std::ops::Range<u32>) {
        let start = text.find(piece).unwrap();
        let span = SpanWalk::new(text).span(start, start + piece.len());
        assert_eq!(span.slice(text), piece);
        assert_eq!((span.char_start, span.char_end), (chars.start, chars.end));
    }

    #[test]
    fn counts_characters() {
        check("plain drama", "drama", 6..11);
        check("看恐怖片", "恐怖片", 1..4);
        check("👍🏽 drama", "drama", 3..8);
        check("cafe\u{301} noir", "noir", 6..10);
    }

    #[test]
    fn slices_nothing_of_another_text() {
        let span = SpanWalk::new("a drama").span(2, 7);
        assert_eq!(span.slice("é"), "");
    }
}
