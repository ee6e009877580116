//! Tokens put together to a text that knows where each of them stands.

use std::ops::Range;

use super::{Labelled, Problem};

/// A text made of tokens.
pub(super) struct Joined {
    /// The text, to which labels are added.
    pub labelled: Labelled,
    /// First character and one past the last, of each token.
    bounds: Vec<(usize, usize)>,
}

impl Joined {
    /// The tokens with `separator` between them.
    pub fn new<'t>(tokens: impl IntoIterator<Item = &'t str>, separator: &str) -> Self {
        let mut text = String::new();
        let mut bounds = Vec::new();
        let mut n_chars = 0;
        for token in tokens {
            if !bounds.is_empty() {
                text.push_str(separator);
                n_chars += separator.chars().count();
            }
            let start = n_chars;
            text.push_str(token);
            n_chars += token.chars().count();
            bounds.push((start, n_chars));
        }
        Self { labelled: Labelled::new(text), bounds }
    }

    /// Adds the entity that these tokens are, and gives its index.
    pub fn add_entity(
        &mut self,
        tokens: Range<usize>,
        entity_type: &str,
    ) -> Result<usize, Problem> {
        let Range { start, end } = tokens;
        let n_tokens = self.bounds.len();
        match self.bounds.get(start..end) {
            Some([first, .., last]) => Ok(self.labelled.add_entity(first.0, last.1, entity_type)),
            Some([only]) => Ok(self.labelled.add_entity(only.0, only.1, entity_type)),
            _ => Err(Problem::TokenSpan { start, end, n_tokens }),
        }
    }
}
