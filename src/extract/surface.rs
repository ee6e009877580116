//! The `lexicon` extractor: the catalogue's terms as they are written.
//!
//! One Aho-Corasick automaton over all normalised surfaces reads each text once, so the time does
//! not grow with the number of terms.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::{AhoCorasick, MatchKind};

use super::normalize::{Normalized, is_joined, is_unspaced, is_word, normalize};
use super::span::SpanWalk;
use super::vocabulary::Derived;
use super::{
    ExtractError, Extraction, Extractor, Mention, Method, Term, Vocabulary, check_lengths,
};

/// Finds terms as they are written, without a model.
///
/// A match ignores case, diacritics, width and hyphens, and does not begin or end inside a word
/// ("art" is not in "party"; scripts without spaces have no such borders). Concepts also match in
/// the English plural or singular. Of overlapping matches the longest is kept, then the one of
/// higher confidence, the earlier one, the lower entity id.
///
/// The confidence of a match, set by hand and not fitted, is the first line that applies:
///
/// | surface of the term | confidence |
/// | --- | --- |
/// | one Han character | 0.50 |
/// | at most 2 letters or digits, case as in the term (else: no match) | 0.60 |
/// | two Han characters | 0.85 |
/// | case as in the term, several words or a capital letter | 0.95 |
/// | several words, or a script without spaces | 0.90 |
/// | one word of a name, case differs ("apple" for "Apple") | 0.55 |
/// | one word | 0.75 |
///
/// and is multiplied by 0.95 when the match is inflected.
#[derive(Debug, Default)]
pub struct Lexicon {
    index: Derived<Index>,
}

/// A surface of a term, ready to be matched.
#[derive(Debug)]
struct Pattern {
    term: usize,
    surface: String,
    inflected: bool,
}

#[derive(Debug)]
struct Index {
    automaton: AhoCorasick,
    /// Who is meant by the automaton's pattern of the same index.
    patterns: Vec<Vec<Pattern>>,
}

/// A match in original bytes, before overlaps are resolved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) term: usize,
    pub(crate) confidence: f32,
}

impl Extractor for Lexicon {
    fn version(&self) -> &'static str {
        "lexicon/1"
    }

    fn extract(
        &self,
        texts: &[&str],
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Extraction>, ExtractError> {
        check_lengths(texts)?;
        let matcher = self.matcher(vocabulary)?;
        Ok(texts.iter().map(|text| mentions(text, vocabulary, &matcher.find(text))).collect())
    }
}

/// The automaton of one vocabulary, shared by threads.
pub(crate) struct Matcher<'v> {
    index: std::sync::Arc<Index>,
    terms: &'v [Term],
}

impl Lexicon {
    /// The matcher of `vocabulary`, which is built once and kept until another vocabulary comes.
    pub(crate) fn matcher<'v>(
        &self,
        vocabulary: &'v Vocabulary,
    ) -> Result<Matcher<'v>, ExtractError> {
        let index = self.index.get(vocabulary, || Index::build(vocabulary.terms()))?;
        Ok(Matcher { index, terms: vocabulary.terms() })
    }
}

impl Index {
    fn build(terms: &[Term]) -> Result<Self, ExtractError> {
        let mut by_form: BTreeMap<String, Vec<Pattern>> = BTreeMap::new();
        for (index, term) in terms.iter().enumerate() {
            for surface in &term.surfaces {
                let form = normalize(surface);
                let mut forms = vec![(form.clone(), false)];
                if term.by_encoding {
                    forms.extend(inflections(&form).map(|inflected| (inflected, true)));
                }
                for (form, inflected) in forms.into_iter().filter(|(form, _)| !form.is_empty()) {
                    let surface = surface.clone();
                    by_form.entry(form).or_default().push(Pattern {
                        term: index,
                        surface,
                        inflected,
                    });
                }
            }
        }
        let (forms, patterns): (Vec<_>, Vec<_>) = by_form.into_iter().unzip();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&forms)
            .map_err(|source| ExtractError::VocabularyTooLarge { n_terms: terms.len(), source })?;
        Ok(Self { automaton, patterns })
    }
}

impl Matcher<'_> {
    /// The matches in `text`, by position and without overlap.
    pub(crate) fn find(&self, text: &str) -> Vec<Match> {
        resolve(self.hits(text), |m| (m.start, m.end), Match::compare)
    }

    /// Every match in `text`, before overlaps are resolved.
    pub(crate) fn hits(&self, text: &str) -> Vec<Match> {
        let normalized = Normalized::new(text);
        let mut found = Vec::new();
        for hit in self.index.automaton.find_overlapping_iter(normalized.text()) {
            if !is_whole(normalized.text(), hit.start(), hit.end()) {
                continue;
            }
            let Some((start, end)) = normalized.original(hit.start(), hit.end()) else { continue };
            for pattern in &self.index.patterns[hit.pattern().as_usize()] {
                let name = !self.terms[pattern.term].by_encoding;
                if let Some(confidence) = confidence(pattern, name, &text[start..end]) {
                    found.push(Match { start, end, term: pattern.term, confidence });
                }
            }
        }
        found
    }
}

impl Match {
    fn compare(&self, other: &Self) -> Ordering {
        let length = |m: &Self| m.end - m.start;
        (length(other).cmp(&length(self)))
            .then(other.confidence.total_cmp(&self.confidence))
            .then(self.start.cmp(&other.start))
            .then(self.term.cmp(&other.term))
    }
}

/// Keeps, best first by `compare`, what overlaps nothing kept before; the answer is by position.
pub(crate) fn resolve<T>(
    mut found: Vec<T>,
    range: impl Fn(&T) -> (usize, usize),
    compare: impl Fn(&T, &T) -> Ordering,
) -> Vec<T> {
    found.sort_by(compare);
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    found.retain(|item| {
        let (start, end) = range(item);
        let free = taken.range(..end).next_back().is_none_or(|(_, &other_end)| other_end <= start);
        if free {
            taken.insert(start, end);
        }
        free
    });
    found.sort_by_key(range);
    found
}

/// Turns matches, which lie in order, into mentions.
fn mentions(text: &str, vocabulary: &Vocabulary, matches: &[Match]) -> Extraction {
    let mut walk = SpanWalk::new(text);
    let mentions = matches.iter().map(|found| {
        let term = &vocabulary.terms()[found.term];
        Mention {
            span: walk.span(found.start, found.end),
            surface: text[found.start..found.end].to_owned(),
            entity_type: term.entity_type.clone(),
            entity: Some(term.entity.clone()),
            confidence: found.confidence,
            method: Method::Surface,
        }
    });
    Extraction { mentions: mentions.collect(), relations: Vec::new() }
}

/// The confidence of a match by the table of [`Lexicon`]; `None` when it does not count.
fn confidence(pattern: &Pattern, name: bool, written: &str) -> Option<f32> {
    let surface = &pattern.surface;
    let n_letters = surface.chars().filter(|&c| is_word(c)).count();
    let exact = if pattern.inflected { written.starts_with(surface) } else { written == surface };
    let words = surface.split_whitespace().nth(1).is_some();
    let base = match (surface.chars().all(is_unspaced), n_letters) {
        (true, 1) => 0.50,
        (true, 2) => 0.85,
        (false, ..=2) if !exact || pattern.inflected => return None,
        (false, ..=2) => 0.60,
        _ if exact && (words || surface.chars().any(char::is_uppercase)) => 0.95,
        (true, _) => 0.90,
        _ if words => 0.90,
        _ if name && !exact => 0.55,
        _ => 0.75,
    };
    Some(if pattern.inflected { base * 0.95 } else { base })
}

/// Whether the match neither begins nor ends inside a word.
fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let (before, inside, after) = (&text[..start], &text[start..end], &text[end..]);
    let joined = |left: &str, right: &str| matches!((left.chars().next_back(), right.chars().next()), (Some(l), Some(r)) if is_joined(l, r));
    !joined(before, inside) && !joined(inside, after) && !is_contraction(after)
}

/// Whether what follows is an apostrophe and letters other than the possessive s ("don't").
fn is_contraction(after: &str) -> bool {
    let Some(rest) = after.strip_prefix('\'') else { return false };
    let mut letters = rest.chars().take_while(|&c| is_word(c) && !is_unspaced(c));
    match (letters.next(), letters.next()) {
        (None, _) | (Some('s'), None) => false,
        (Some(_), _) => true,
    }
}

/// The plurals and the singular of a normalised English term, by its last word.
fn inflections(form: &str) -> impl Iterator<Item = String> {
    let mut forms = BTreeSet::new();
    let last = form.rsplit(' ').next().unwrap_or_default();
    if last.len() >= 3 && last.bytes().all(|byte| byte.is_ascii_lowercase()) {
        let hisses = ["s", "x", "z", "ch", "sh"].iter().any(|ending| last.ends_with(ending));
        forms.insert(format!("{form}{}", if hisses { "es" } else { "s" }));
        if let Some(stem) = form.strip_suffix('y')
            && !stem.ends_with(['a', 'e', 'o', 'u'])
        {
            forms.insert(format!("{stem}ies"));
        }
        let keeps = ["ss", "us", "is", "ies"].iter().any(|ending| last.ends_with(ending));
        if let Some(singular) = form.strip_suffix('s').filter(|_| last.len() >= 5 && !keeps) {
            forms.insert(singular.to_owned());
        }
    }
    forms.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(surface: &str, by_encoding: bool) -> Term {
        let surfaces = vec![surface.to_owned()];
        Term { entity: surface.to_owned(), entity_type: "tag".to_owned(), surfaces, by_encoding }
    }

    /// `surface:confidence` of each match; a term that ends in `!` is a name.
    fn check(terms: &[&str], text: &str, expected: &[(&str, f32)]) {
        let terms = terms.iter().map(|t| term(t.trim_end_matches('!'), !t.ends_with('!')));
        let vocabulary = Vocabulary::new(terms.collect());
        let found = Lexicon::default().extract(&[text], &vocabulary).unwrap();
        let mentions = &found[0].mentions;
        let found: Vec<_> = mentions.iter().map(|m| (m.surface.as_str(), m.confidence)).collect();
        assert_eq!(found, expected, "{terms:?} in {text:?}", terms = vocabulary.terms());
        for mention in mentions {
            assert_eq!(mention.span.slice(text), mention.surface);
            let (start, end) = (mention.span.char_start, mention.span.char_end);
            let chars = text.chars().skip(start as usize).take((end - start) as usize);
            assert_eq!(chars.collect::<String>(), mention.surface);
        }
    }

    #[test]
    fn borders_of_words() {
        check(
            &["art"],
            "a party of artists; state-of-the-art, art.",
            &[("art", 0.75), ("art", 0.75)],
        );
        check(&["don!"], "don't ask Don's, don", &[("Don", 0.55), ("don", 0.75)]);
        check(&["PS!"], "PS3 ps PS", &[("PS", 0.60)]);
        check(&["恐怖片", "Sony!"], "看恐怖片用Sony耳机", &[("恐怖片", 0.90), ("Sony", 0.95)]);
    }

    #[test]
    fn other_ways_to_write() {
        check(&["Science Fiction"], "a science-fiction\nfilm", &[("science-fiction", 0.90)]);
        check(&["Kitchen & Dining"], "kitchen and dining", &[("kitchen and dining", 0.90)]);
        check(&["Amélie!"], "AME\u{301}LIE cafe", &[("AME\u{301}LIE", 0.55)]);
        check(&["café!"], "cafe\u{301}", &[("cafe\u{301}", 0.55)]);
        check(&["İstanbul!"], "👍🏽 istanbul İSTANBUL", &[("istanbul", 0.55), ("İSTANBUL", 0.55)]);
        check(&["film"], "a ﬁlm", &[("ﬁlm", 0.75)]);
        check(&["ilm"], "a ﬁlm", &[]);
        check(&["か"], "が", &[]);
        check(&["\u{301}", "", " "], "a\u{301} \u{301}", &[]);
    }

    #[test]
    fn inflects_concepts_only() {
        check(&["Comedy"], "two comedies", &[("comedies", 0.75 * 0.95)]);
        check(&["Headphones"], "a headphone", &[("headphone", 0.75 * 0.95)]);
        check(&["Watch"], "watches", &[("watches", 0.75 * 0.95)]);
        check(&["Apple!"], "apples, apple, Apple", &[("apple", 0.55), ("Apple", 0.95)]);
    }

    #[test]
    fn longest_wins() {
        check(
            &["York!", "New York!", "New York Times!"],
            "The New York Times",
            &[("New York Times", 0.95)],
        );
        check(&["a b!", "b c d!"], "a b c d", &[("b c d", 0.95)]);
    }

    #[test]
    fn empty_things() {
        check(&["x"], "", &[]);
        check(&[], "text", &[]);
        check(&["drama"], " \t\n\u{0}\u{7}", &[]);
    }

    proptest::proptest! {
        /// Any text and any vocabulary: spans slice back, lie in order and do not overlap.
        #[test]
        fn spans_slice_back(text in "[a-cA-C é\u{301}İﬁ恐怖片が'&🎬-]{0,40}|\\PC{0,40}",
                            surfaces in proptest::collection::vec("[a-c é恐İ'&-]{0,4}|\\PC{0,4}", 0..12),
                            by_encoding: bool) {
            let terms = surfaces.iter().map(|s| term(s, by_encoding));
            let vocabulary = Vocabulary::new(terms.clone().collect());
            let reversed = Vocabulary::new(terms.rev().collect());
            let lexicon = Lexicon::default();
            let found = lexicon.extract(&[&text, ""], &vocabulary).unwrap();
            proptest::prop_assert_eq!(&found[..1], &lexicon.extract(&[&text], &reversed).unwrap()[..]);
            let mut end = 0;
            for mention in &found[0].mentions {
                proptest::prop_assert!(mention.span.byte_start >= end);
                proptest::prop_assert!(mention.span.byte_end > mention.span.byte_start);
                proptest::prop_assert_eq!(mention.span.slice(&text), mention.surface.as_str());
                let (from, to) = (mention.span.char_start as usize, mention.span.char_end as usize);
                let chars: String = text.chars().skip(from).take(to - from).collect();
                proptest::prop_assert_eq!(&chars, &mention.surface);
                proptest::prop_assert!((0.0..=1.0).contains(&mention.confidence));
                end = mention.span.byte_end;
            }
        }
    }
}
