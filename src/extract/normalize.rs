//! Text made alike for matching, with the way back to the original bytes.
//!
//! Each character is mapped on its own: compatibility decomposition (NFKD), combining diacritics
//! dropped, lower case. So "Amélie", "AME\u{301}LIE" and full-width or ligature letters meet, and
//! Turkish "İ" meets "i". Hyphens and any run of white space become one space ("science-fiction"
//! is "Science Fiction"), "&" becomes "and", and the typographic apostrophe the plain one.

use unicode_normalization::UnicodeNormalization;

/// Marks a byte inside the mapping of a character, where no match may start or end.
const INSIDE: u32 = u32::MAX;

/// A text made alike, and where each of its bytes comes from.
#[derive(Debug, Default)]
pub(crate) struct Normalized {
    text: String,
    /// For each byte of `text`: the original offset of the character that it begins, or `INSIDE`.
    starts: Vec<u32>,
    /// For each byte of `text`: the original end of the character that it finishes, or `INSIDE`.
    ends: Vec<u32>,
}

impl Normalized {
    /// Normalises `original`, which is shorter than 4 GiB.
    pub(crate) fn new(original: &str) -> Self {
        let mut normalized = Self::default();
        for (offset, character) in original.char_indices() {
            normalized.push(offset as u32, character);
        }
        normalized
    }

    /// The normalised text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The original byte range of the normalised `start..end`, if both are borders of characters.
    ///
    /// Diacritics that follow the last character belong to it.
    pub(crate) fn original(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let from = *self.starts.get(start)?;
        let to = *self.ends.get(end.checked_sub(1)?)?;
        (from != INSIDE && to != INSIDE).then_some((from as usize, to as usize))
    }

    fn push(&mut self, offset: u32, character: char) {
        let before = self.text.len();
        let original_end = offset + character.len_utf8() as u32;
        if is_space(character) {
            if !self.text.ends_with(' ') {
                self.text.push(' ');
            }
        } else if character == '&' {
            self.text.push_str("and");
        } else {
            let kept = std::iter::once(character).nfkd().filter(|&c| !is_diacritic(c));
            self.text.extend(kept.flat_map(char::to_lowercase).filter(|&c| !is_diacritic(c)).map(
                |c| match c {
                    '\u{2018}' | '\u{2019}' | '\u{2bc}' => '\'',
                    other => other,
                },
            ));
        }
        let added = self.text.len() - before;
        if added == 0 {
            if let Some(last) = self.ends.last_mut() {
                *last = original_end;
            }
            return;
        }
        self.starts.resize(before + added, INSIDE);
        self.ends.resize(before + added, INSIDE);
        self.starts[before] = offset;
        self.ends[before + added - 1] = original_end;
    }
}

/// The normalised form of a term.
pub(crate) fn normalize(term: &str) -> String {
    Normalized::new(term.trim()).text.trim().to_owned()
}

/// Whether `left` and `right`, side by side, are inside one word.
pub(crate) fn is_joined(left: char, right: char) -> bool {
    is_word(left) && is_word(right) && !is_unspaced(left) && !is_unspaced(right)
}

/// Whether a character is part of a word, in any script.
pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || is_diacritic(character)
}

/// Whether a script writes its words without spaces: Han, Kana, Thai, Lao, Khmer, Burmese.
pub(crate) fn is_unspaced(character: char) -> bool {
    is_han(character)
        || matches!(character, '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'
            | '\u{ff66}'..='\u{ff9f}' | '\u{e00}'..='\u{eff}' | '\u{1780}'..='\u{17ff}'
            | '\u{1000}'..='\u{109f}')
}

/// Whether a character is a Han character.
pub(crate) fn is_han(character: char) -> bool {
    matches!(character, '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Combining marks of Latin, Greek and Cyrillic; those of Indic scripts carry the vowels and stay.
pub(crate) fn is_diacritic(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}')
}

fn is_space(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{200b}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        assert_eq!(normalize(input), expected);
    }

    #[test]
    fn makes_alike() {
        check("Science-Fiction", "science fiction");
        check("  Kitchen  &\tDining ", "kitchen and dining");
        check("Amélie", "amelie");
        check("AME\u{301}LIE", "amelie");
        check("İstanbul", "istanbul");
        check("ﬁlm", "film");
        check("Ｓｏｎｙ", "sony");
        check("O’Brien", "o'brien");
        check("ẞ", "ß");
        check("科幻片", "科幻片");
        check("हिन्दी", "हिन्दी");
    }

    #[test]
    fn maps_back_whole_characters_only() {
        let ligature = Normalized::new("a ﬁlm");
        assert_eq!(ligature.text(), "a film");
        assert_eq!(ligature.original(2, 6), Some((2, 7)));
        assert_eq!(ligature.original(3, 6), None);
        let marked = Normalized::new("cafe\u{301} x");
        assert_eq!(marked.original(0, 4), Some((0, 6)));
        assert_eq!(marked.original(0, 0), None);
        assert_eq!(marked.original(0, 99), None);
    }

    #[test]
    fn knows_words() {
        assert!(is_joined('p', 'a') && is_joined('S', '3') && !is_joined('a', '-'));
        assert!(!is_joined('影', 'a') && !is_joined('电', '影'));
    }
}
