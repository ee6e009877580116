//! Which pieces are kept, and the tokenizer that reads with them.

use std::collections::HashSet;

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::ImportError;
use super::packed::Packed;

/// Stands for a space and begins every word.
const SPACE: char = '\u{2581}';

/// What becomes a space, after NFKC: white space, control characters, marks of no width and what
/// cannot be shown. After the table of characters in the file, which drops most control characters
/// instead. Written so that Oniguruma, the engine outside Rust, reads it too.
const BLANK: &str = r"[\s\p{Cc}\x{200b}-\x{200f}\x{feff}\x{fffd}\x{2581}]+";

/// Why a piece is kept; the first come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// Begin, end, padding, unknown.
    Special,
    /// One character of any script, so that nothing common is unknown.
    Character,
    /// The English encoder has the word, or the ending.
    English,
    /// ASCII, in whatever language.
    Ascii,
}

/// The pieces to keep, ascending: by reason, then the most probable, `n_pieces` at most.
///
/// Left out are words outside ASCII and all pieces of several Han characters.
pub(super) fn kept(
    packed: &Packed<'_>,
    english: &HashSet<String>,
    n_pieces: usize,
) -> Result<Vec<usize>, ImportError> {
    let mut candidates: Vec<(Reason, usize)> = (packed.pieces.iter().enumerate())
        .filter_map(|(index, (text, _))| {
            let special = packed.special.contains(&index).then_some(Reason::Special);
            Some((special.or_else(|| reason(text, english))?, index))
        })
        .collect();
    candidates.sort_by(|&(reason, a), &(other, b)| {
        let (score, other_score) = (packed.pieces[a].1, packed.pieces[b].1);
        reason.cmp(&other).then(other_score.total_cmp(&score)).then(a.cmp(&b))
    });
    let needed = candidates.partition_point(|&(reason, _)| reason <= Reason::Character);
    if n_pieces < needed {
        return Err(ImportError::TooFewPieces { asked: n_pieces, needed });
    }
    candidates.truncate(n_pieces);
    let mut kept: Vec<usize> = candidates.into_iter().map(|(_, index)| index).collect();
    kept.sort_unstable();
    Ok(kept)
}

/// Why to keep the piece `text`, if at all; what NFKC changes is never met.
fn reason(text: &str, english: &HashSet<String>) -> Option<Reason> {
    if !text.nfkc().eq(text.chars()) || text.chars().any(char::is_control) {
        return None;
    }
    let word = text.strip_prefix(SPACE);
    let letters = word.unwrap_or(text);
    if text.chars().nth(1).is_none() {
        return Some(Reason::Character);
    }
    if !letters.is_ascii() {
        return None;
    }
    let lower = letters.to_ascii_lowercase();
    let known = if word.is_some() { lower } else { format!("##{lower}") };
    Some(if english.contains(&known) { Reason::English } else { Reason::Ascii })
}

/// `tokenizer.json`: NFKC, blanks to one space, words begin with `▁`, every Han character apart,
/// then the most probable pieces, between the special ones.
///
/// The pieces are those of the file, so the ids are their places in `kept`.
pub(super) fn tokenizer(packed: &Packed<'_>, kept: &[usize]) -> Value {
    let vocabulary: Vec<Value> = kept
        .iter()
        .map(|&index| {
            let (text, score) = packed.pieces[index];
            json!([text, (f64::from(score) * 1e6).round() / 1e6])
        })
        .collect();
    let place = |piece: usize| kept.partition_point(|&other| other < piece);
    let mut special = packed.special;
    special.sort_unstable();
    let added: Vec<Value> = special
        .iter()
        .map(|&piece| {
            json!({"id": place(piece), "content": packed.pieces[piece].0, "special": true,
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false})
        })
        .collect();
    let [begin, end, _, unknown] = packed.special;
    let (begin_text, end_text) = (packed.pieces[begin].0, packed.pieces[end].0);
    let token = |piece: &str| json!({"SpecialToken": {"id": piece, "type_id": 0}});
    let surrounded =
        json!([token(begin_text), {"Sequence": {"id": "A", "type_id": 0}}, token(end_text)]);
    let metaspace = json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first",
        "split": true});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFKC"},
            {"type": "Replace", "pattern": {"Regex": BLANK}, "content": " "},
        ]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            metaspace,
            {"type": "Split", "pattern": {"Regex": r"\p{Han}"}, "behavior": "Isolated",
                "invert": false},
        ]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": surrounded,
            "pair": surrounded,
            "special_tokens": {
                begin_text: {"id": begin_text, "ids": [place(begin)], "tokens": [begin_text]},
                end_text: {"id": end_text, "ids": [place(end)], "tokens": [end_text]},
            },
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": place(unknown), "vocab": vocabulary,
            "byte_fallback": false},
    })
}
