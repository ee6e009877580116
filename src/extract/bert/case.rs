//! How a word is written, which an uncased vocabulary forgets: the encoder gets it as one more
//! embedding per token, so that "Apple" in a sentence can be told from "apple".

use super::tokens::Tokens;
use super::words::Word;

/// Name of the table of embeddings: `[Case::N, hidden]`, zero in a base that was not trained with it.
pub(super) const CASES: &str = "embeddings.case_embeddings.weight";

/// How the word of a token is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Case {
    /// Without capitals: adds nothing to the token.
    #[default]
    Small,
    /// A capital and small letters after it: "Sony".
    Capitalized,
    /// Capitals alone: "NASA".
    Capitals,
    /// One capital and no other letter: the "J" of "J. R. R. Tolkien".
    Initial,
    /// Capitals within: `iPhone`, `McCartney`.
    Mixed,
}

impl Case {
    /// Rows of the table: every case but small letters.
    pub(super) const N: usize = 4;

    fn of(word: &str) -> Self {
        let mut letters = word.chars().filter(|letter| letter.is_alphabetic());
        let first_is_capital = letters.next().is_some_and(char::is_uppercase);
        let (n_others, n_capitals) = letters.fold((0, 0), |(others, capitals), letter| {
            (others + 1, capitals + usize::from(letter.is_uppercase()))
        });
        match (first_is_capital, n_capitals) {
            (false, 0) => Self::Small,
            (true, 0) if n_others == 0 => Self::Initial,
            (true, 0) => Self::Capitalized,
            (true, _) if n_capitals == n_others => Self::Capitals,
            _ => Self::Mixed,
        }
    }

    /// The row of the table, if the case has one.
    pub(super) fn row(self) -> Option<usize> {
        (self as usize).checked_sub(1)
    }
}

/// Notes with each token how its word is written; `words` are those of `text`.
pub(super) fn note_cases(text: &str, words: &[Word], tokens: &mut Tokens) {
    for word in words {
        let case = Case::of(&text[word.bytes.clone()]);
        tokens.read[word.tokens.clone()].iter_mut().for_each(|token| token.case = case);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_how_words_are_written() {
        for (word, case) in [
            ("sony", Case::Small),
            ("1984", Case::Small),
            ("耳", Case::Small),
            ("Sony", Case::Capitalized),
            ("Ärzte", Case::Capitalized),
            ("NASA", Case::Capitals),
            ("5G", Case::Initial),
            ("J", Case::Initial),
            ("iPhone", Case::Mixed),
            ("McCartney", Case::Mixed),
        ] {
            assert_eq!(Case::of(word), case, "{word}");
        }
    }
}
