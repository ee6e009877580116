//! The tokens of a batch: text after text, nothing padded.

use std::ops::Range;

use super::super::tokens::Token;

/// Tokens of some texts, special ones included.
#[derive(Debug, Default, Clone)]
pub(super) struct Rows {
    pub(super) tokens: Vec<Token>,
    /// The rows of each text.
    pub(super) texts: Vec<Range<usize>>,
}

impl Rows {
    /// Adds the tokens of a text between the two special ones.
    pub(super) fn push(&mut self, tokens: &[Token], (before, after): (Token, Token)) {
        let start = self.tokens.len();
        self.tokens.push(before);
        self.tokens.extend_from_slice(tokens);
        self.tokens.push(after);
        self.texts.push(start..self.tokens.len());
    }

    /// The place of each row in its text.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.texts.iter().flat_map(|text| 0..text.len())
    }
}
