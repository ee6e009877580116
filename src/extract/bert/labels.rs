//! What the heads of a model were trained to find: `heads.json` in its folder.

use serde::{Deserialize, Serialize};

/// Names and settings of the heads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// Types with an offset of their own, in order of the rows.
    pub types: Vec<String>,
    /// Relations with an offset of their own, in order of the rows.
    pub relations: Vec<String>,
    /// Which relations were seen between which types: type of the head, relation, type of the
    /// tail, by index.
    pub signatures: Vec<(usize, usize, usize)>,
    /// What scores of spans are divided by, so that a confidence is the share of right answers.
    pub temperature: f32,
    /// The score from which a relation counts as stated.
    pub relation_threshold: f32,
}

impl Labels {
    /// Whether every index names something and the settings are numbers that can be used.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let (types, relations) = (self.types.len(), self.relations.len());
        let known = |&(head, relation, tail): &(usize, usize, usize)| {
            head < types && relation < relations && tail < types
        };
        if !self.signatures.iter().all(known) {
            return Err("a signature names a type or relation that is not listed");
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err("temperature must be above 0");
        }
        if !self.relation_threshold.is_finite() {
            return Err("relation_threshold must be a number");
        }
        Ok(())
    }
}

/// How a name is read to the encoder: words in lower case, apart.
///
/// `OrgBased_In` and `model-name` become "org based in" and "model name".
pub fn readable(name: &str) -> String {
    let mut words = String::new();
    let mut previous: Option<char> = None;
    for character in name.chars() {
        let is_border = character == '_' || character == '-' || character.is_whitespace();
        let starts = character.is_uppercase() && previous.is_some_and(char::is_lowercase);
        if (is_border || starts) && !words.ends_with(' ') && !words.is_empty() {
            words.push(' ');
        }
        if !is_border {
            words.extend(character.to_lowercase());
        }
        previous = Some(character);
    }
    words.trim_end().to_owned()
}

/// A word as the two known words that it joins, the first as long as can be; none when it joins no two.
pub(super) fn parted(word: &str, known: &dyn Fn(&str) -> bool) -> Option<String> {
    /// Letters of a part, at least: shorter ones are endings.
    const LEAST: usize = 4;
    let borders = word.char_indices().map(|(border, _)| border).rev();
    let parts = borders.map(|border| word.split_at(border)).find(|(first, second)| {
        let is_word = |part: &str| part.chars().count() >= LEAST && known(part);
        is_word(first) && is_word(second)
    })?;
    Some(format!("{} {}", parts.0, parts.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        for (name, words) in [
            ("OrgBased_In", "org based in"),
            ("model-name", "model name"),
            ("Brand", "brand"),
            ("RATINGS_AVERAGE", "ratings average"),
            ("影视作品", "影视作品"),
            ("WoA", "wo a"),
        ] {
            assert_eq!(readable(name), words);
        }
    }

    #[test]
    fn joined_words_are_parted() {
        let known = ["music", "musical", "artist", "party", "political", "uni", "sex", "album"];
        let part = |word| parted(word, &|part| known.contains(&part));
        assert_eq!(part("musicalartist").as_deref(), Some("musical artist"));
        assert_eq!(part("politicalparty").as_deref(), Some("political party"));
        assert_eq!(part("unisex"), None);
        assert_eq!(part("albums"), None);
        assert_eq!(part("影视作品影视作品"), None);
    }
}
