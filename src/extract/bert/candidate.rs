//! Phrases of a text that may name a concept in other words.

use super::super::normalize::{is_unspaced, is_word};
use super::super::surface::Match;
use super::tokens::Tokens;

/// Words of a phrase, at most.
const MAX_WORDS: usize = 4;
/// Characters of a phrase in a script without spaces: from, to.
const HAN_LENGTHS: (usize, usize) = (2, 6);
/// Longer words are no words of a concept (serial numbers, addresses, noise).
const MAX_WORD_BYTES: usize = 64;

/// Words that neither begin nor end a phrase. ASCII, sorted.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "an", "and", "are", "as", "at", "be", "been", "before",
    "being", "between", "both", "but", "by", "can", "could", "did", "do", "does", "during", "each",
    "for", "from", "had", "has", "have", "he", "her", "hers", "him", "his", "how", "i", "if", "in",
    "into", "is", "it", "its", "may", "me", "more", "most", "my", "no", "not", "of", "on", "one",
    "only", "or", "other", "our", "out", "over", "own", "same", "she", "should", "so", "some",
    "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "through", "to", "too", "two", "under", "until", "up", "very", "was", "we", "were",
    "what", "when", "where", "which", "while", "who", "whom", "whose", "why", "will", "with",
    "would", "you", "your",
];

/// A phrase: its bytes and its tokens, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) first_token: usize,
    pub(super) end_token: usize,
}

/// A word, or one character of a script without spaces.
#[derive(Debug, Clone, Copy)]
struct Word {
    start: usize,
    end: usize,
    unspaced: bool,
}

/// What may be a candidate.
pub(super) struct Limits<'f> {
    /// Whether the model reads Chinese.
    pub(super) han: bool,
    /// Tokens of a phrase, at most.
    pub(super) max_tokens: usize,
    /// Whether a token stands for a word that the model does not know.
    pub(super) is_unknown: &'f dyn Fn(u32) -> bool,
}

/// The phrases of `text` that overlap no match, by first word.
///
/// Word n-grams of 1 to 4 words with only spaces between, and, when the model reads Chinese,
/// n-grams of 2 to 6 characters of scripts without spaces. Time is linear in the text.
pub(super) fn candidates(
    text: &str,
    tokens: &Tokens,
    matches: &[Match],
    limits: &Limits<'_>,
) -> Vec<Candidate> {
    let words = words(text);
    let usable: Vec<Option<(usize, usize)>> = token_ranges(&words, tokens)
        .into_iter()
        .zip(&words)
        .map(|(range, word)| {
            range.filter(|&(first, end)| {
                word.end - word.start <= MAX_WORD_BYTES
                    && (!word.unspaced || limits.han)
                    && !tokens.read[first..end].iter().any(|token| (limits.is_unknown)(token.id))
                    && !is_covered(matches, word)
            })
        })
        .collect();
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let Some((first_token, _)) = usable[index] else { continue };
        let (fewest, most) = if word.unspaced { HAN_LENGTHS } else { (1, MAX_WORDS) };
        if is_stop_word(&text[word.start..word.end]) {
            continue;
        }
        for last in index..words.len().min(index + most) {
            let (Some((_, end_token)), next) = (usable[last], words[last]) else { break };
            let gap = if last > index { &text[words[last - 1].end..next.start] } else { "" };
            let apart = if word.unspaced { !gap.is_empty() } else { !gap.trim().is_empty() };
            if apart
                || next.unspaced != word.unspaced
                || end_token - first_token > limits.max_tokens
            {
                break;
            }
            let written = &text[next.start..next.end];
            if last + 1 >= index + fewest
                && !is_stop_word(written)
                && text[word.start..next.end].chars().any(char::is_alphabetic)
            {
                found.push(Candidate { start: word.start, end: next.end, first_token, end_token });
            }
        }
    }
    found
}

/// Splits into words; hyphens and apostrophes between letters belong to the word.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut characters = text.char_indices().peekable();
    let mut open = false;
    while let Some((start, character)) = characters.next() {
        let end = start + character.len_utf8();
        let next_is_letter =
            characters.peek().is_some_and(|&(_, next)| is_word(next) && !is_unspaced(next));
        let joins = matches!(character, '-' | '\'' | '\u{2019}' | '\u{2010}') && next_is_letter;
        match words.last_mut() {
            _ if is_unspaced(character) => {
                words.push(Word { start, end, unspaced: true });
                open = false;
            }
            Some(word) if open && (is_word(character) || joins) => word.end = end,
            _ if is_word(character) => {
                words.push(Word { start, end, unspaced: false });
                open = true;
            }
            _ => open = false,
        }
    }
    words
}

/// The tokens of each word: those that share a byte with it.
fn token_ranges(words: &[Word], tokens: &Tokens) -> Vec<Option<(usize, usize)>> {
    let mut first = 0;
    let mut ranges = Vec::with_capacity(words.len());
    for word in words {
        while tokens.offsets.get(first).is_some_and(|&(_, end)| end <= word.start) {
            first += 1;
        }
        let inside = tokens.offsets[first..].iter().take_while(|&&(start, _)| start < word.end);
        let n_tokens = inside.count();
        ranges.push((n_tokens > 0).then_some((first, first + n_tokens)));
    }
    ranges
}

/// Whether a match, of which there are none that overlap, shares a byte with the word.
fn is_covered(matches: &[Match], word: &Word) -> bool {
    let after = matches.partition_point(|found| found.end <= word.start);
    matches.get(after).is_some_and(|found| found.start < word.end)
}

fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One token per word, as a tokenizer that knows every word would give.
    fn phrases(text: &str, matches: &[(usize, usize)], han: bool) -> Vec<String> {
        let offsets: Vec<_> = words(text).iter().map(|word| (word.start, word.end)).collect();
        let tokens = Tokens { read: vec![1.into(); offsets.len()], offsets };
        let matches: Vec<_> = matches
            .iter()
            .map(|&(start, end)| Match { start, end, term: 0, confidence: 1.0 })
            .collect();
        let limits = Limits { han, max_tokens: 32, is_unknown: &|_| false };
        let found = candidates(text, &tokens, &matches, &limits);
        found.iter().map(|c| text[c.start..c.end].to_owned()).collect()
    }

    #[test]
    fn stop_words_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn finds_phrases() {
        assert_eq!(phrases("the funny film", &[], false), ["funny", "funny film", "film"]);
        assert_eq!(phrases("sci-fi, noir", &[], false), ["sci-fi", "noir"]);
        assert_eq!(phrases("king of spain", &[], false), ["king", "king of spain", "spain"]);
        assert_eq!(phrases("big drama film", &[(4, 9)], false), ["big", "film"]);
        assert_eq!(phrases("1984 2001", &[], false), [""; 0]);
        assert_eq!(phrases("恐怖片", &[], true), ["恐怖", "恐怖片", "怖片"]);
        assert_eq!(phrases("恐怖片", &[], false), [""; 0]);
        assert_eq!(phrases("🎬 👍🏽", &[], true), [""; 0]);
    }

    #[test]
    fn long_words_are_no_phrases() {
        assert_eq!(phrases(&"x".repeat(1 << 20), &[], false), [""; 0]);
    }
}
