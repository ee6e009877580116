//! Encodings of phrases, looked up where they were computed before.

use super::LinkError;
use crate::extract::Encode;
use crate::store::{Cached, CachedText, GraphStore};

/// The encodings of `phrases`, in order; those that the store does not have are computed and kept.
///
/// # Errors
/// [`LinkError::Store`] and [`LinkError::Extract`].
pub fn encodings(
    store: &GraphStore,
    encoder: &dyn Encode,
    phrases: &[&str],
) -> Result<Vec<Vec<f32>>, LinkError> {
    let version = encoder.model();
    let place = |phrase: &&str| CachedText::new(Cached::Encoding, phrase, version);
    let places: Vec<CachedText> = phrases.iter().map(place).collect();
    let kept = store.cached(&places)?.into_iter().map(|bytes| bytes.and_then(|b| parse(&b)));
    let mut found: Vec<Option<Vec<f32>>> = kept.collect();
    let missing: Vec<usize> = (0..phrases.len()).filter(|&at| found[at].is_none()).collect();
    let wanted: Vec<&str> = missing.iter().map(|&at| phrases[at]).collect();
    if !wanted.is_empty() {
        let computed = encoder.encode(&wanted)?;
        let bytes = computed.iter().map(|encoding| format(encoding));
        store.keep(missing.iter().map(|&at| places[at]).zip(bytes).collect())?;
        for (at, encoding) in missing.into_iter().zip(computed) {
            found[at] = Some(encoding);
        }
    }
    Ok(found.into_iter().map(Option::unwrap_or_default).collect())
}

fn format(encoding: &[f32]) -> Vec<u8> {
    encoding.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn parse(bytes: &[u8]) -> Option<Vec<f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// The cosine of two encodings of length 1.
pub(super) fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}
