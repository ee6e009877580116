//! Tokens of a text, with offsets that slice it cleanly.

use super::super::normalize::is_diacritic;
use super::case::Case;
use super::words::words;

/// Bytes of a word, at most; longer ones are unknown.
const MAX_WORD_BYTES: usize = 400;

/// What the encoder reads of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    /// Its row in the table of word embeddings.
    pub(super) id: u32,
    /// How its word is written.
    pub(super) case: Case,
}

impl From<u32> for Token {
    /// A token in small letters.
    fn from(id: u32) -> Self {
        Self { id, case: Case::Small }
    }
}

/// The tokens of one text, without special ones.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// What the encoder reads.
    pub(super) read: Vec<Token>,
    /// Byte range of each in the text, at borders of characters, ascending: with the diacritics that
    /// follow and without blanks, so that a slice from one token to another is clean. A token that
    /// stands for the begin of a word alone has an empty range, where the word begins.
    pub(super) offsets: Vec<(usize, usize)>,
}

/// The tokens with each word of more than [`MAX_WORD_BYTES`] as one unknown token: no model was trained
/// on such words, and a megabyte without a space would take minutes. `WordPiece` does the same.
pub(super) fn shortened(text: &str, tokens: Tokens, unknown: u32) -> Tokens {
    if text.len() <= MAX_WORD_BYTES {
        return tokens;
    }
    let all = words(text, &tokens);
    let mut long = all.iter().filter(|word| word.bytes.len() > MAX_WORD_BYTES).peekable();
    let mut short = Tokens::default();
    for (at, (&token, &range)) in tokens.read.iter().zip(&tokens.offsets).enumerate() {
        match long.peek() {
            Some(word) if word.tokens.contains(&at) => {
                if at == word.tokens.start {
                    short.read.push(unknown.into());
                    short.offsets.push((word.bytes.start, word.bytes.end));
                }
                if at + 1 == word.tokens.end {
                    long.next();
                }
            }
            _ => {
                short.read.push(token);
                short.offsets.push(range);
            }
        }
    }
    short
}

/// A token's range without the blanks before it and with the diacritics after it.
pub(super) fn trim(text: &str, (start, end): (usize, usize)) -> (usize, usize) {
    let (Some(token), Some(after)) = (text.get(start..end), text.get(end..)) else {
        return (start, end);
    };
    let rest = token.trim_start_matches(is_blank);
    let marks = after.chars().take_while(|&character| is_diacritic(character));
    (end - rest.len(), end + marks.map(char::len_utf8).sum::<usize>())
}

/// Whether a character reads as a space or not at all.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2581}' | '\u{feff}' | '\u{fffd}')
}
