//! Words of a text, as the units that spans are made of.

use std::ops::Range;

use super::super::normalize::is_unspaced;
use super::tokens::Tokens;

/// A word: its tokens and its bytes, half open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) tokens: Range<usize>,
    pub(super) bytes: Range<usize>,
}

/// Joins tokens into words: a token goes on with the word before it when they touch between two
/// letters or digits, neither of a script without spaces.
///
/// Tokens without a byte of text belong to no word.
pub(super) fn words(text: &str, tokens: &Tokens) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (index, &(start, end)) in tokens.offsets.iter().enumerate() {
        let Some(written) = text.get(start..end).filter(|written| !written.is_empty()) else {
            continue;
        };
        let joins = |word: &Word| {
            word.bytes.end == start
                && text[word.bytes.clone()].chars().next_back().is_some_and(is_inner)
                && written.chars().next().is_some_and(is_inner)
        };
        match words.last_mut() {
            // Tokens that came from one character share its bytes.
            Some(word) if word.bytes.end > start || joins(word) => {
                word.tokens.end = index + 1;
                word.bytes.end = word.bytes.end.max(end);
            }
            _ => words.push(Word { tokens: index..index + 1, bytes: start..end }),
        }
    }
    words
}

fn is_inner(character: char) -> bool {
    character.is_alphanumeric() && !is_unspaced(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_the_pieces_of_a_word() {
        let text = "noise-cancelling 耳机 5G";
        let offsets =
            vec![(0, 5), (5, 6), (6, 12), (12, 16), (17, 20), (20, 23), (24, 25), (25, 26)];
        let tokens = Tokens { read: vec![1.into(); offsets.len()], offsets };
        let found: Vec<&str> =
            words(text, &tokens).into_iter().map(|word| &text[word.bytes]).collect();
        assert_eq!(found, ["noise", "-", "cancelling", "耳", "机", "5G"]);
    }
}
