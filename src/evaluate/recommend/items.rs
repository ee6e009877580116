//! What is written about items: lines of JSON become words and attributes by item.

use std::path::Path;

use serde_json::Value;

use super::EvaluateError;
use super::files::{Ids, Lines};
use crate::model::{Side, Sparse};

/// Names that the item's id goes by.
const IDS: &[&str] = &["item", "item_id", "id"];

/// Fields of running text; pairs of neighbouring words of the first one count as words too.
const TEXTS: &[&str] = &["title", "keywords", "description"];

/// The field of attributes, each taken whole.
const ATTRIBUTES: &str = "attributes";

/// What a file says of each item, in the file's order.
#[derive(Clone, Debug, Default)]
pub struct ItemTexts {
    words: Ids,
    attributes: Ids,
    /// The item's id, its words and its attributes, one cell an occurrence.
    items: Vec<(String, Vec<u32>, Vec<u32>)>,
}

impl ItemTexts {
    /// Reads lines such as `{"item": 7, "title": "…", "keywords": "…", "attributes": ["…"]}`; all
    /// fields but the item's id may be absent, others are passed over.
    ///
    /// # Errors
    /// [`EvaluateError::Read`], [`EvaluateError::Line`].
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let mut texts = Self::default();
        let mut lines = Lines::open(path)?;
        while let Some(line) = lines.next()? {
            let fields: serde_json::Map<String, Value> = serde_json::from_str(line)
                .map_err(|error| lines.wrong(format!("expected an item as JSON: {error}")))?;
            let Some(id) = IDS.iter().find_map(|name| fields.get(*name)).and_then(text) else {
                return Err(lines.wrong(format!("expected an id in one of {}", IDS.join(", "))));
            };
            texts.push(id, &fields);
        }
        Ok(texts)
    }

    fn push(&mut self, id: String, fields: &serde_json::Map<String, Value>) {
        let mut found = Vec::new();
        for (place, name) in TEXTS.iter().enumerate() {
            let split: Vec<String> =
                strings(fields.get(*name)).iter().flat_map(|text| words(text)).collect();
            found.extend(split.iter().map(|word| self.words.number(word)));
            if place == 0 {
                let pairs = split.windows(2).map(|pair| pair.join(" "));
                found.extend(pairs.map(|pair| self.words.number(&pair)));
            }
        }
        let attributes = strings(fields.get(ATTRIBUTES));
        let attributes = attributes.iter().map(|name| self.attributes.number(name)).collect();
        self.items.push((id, found, attributes));
    }

    /// Reads the file, if there is one, and gives every item of it a number in `items`, so that those
    /// that nobody did are ranked as well.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn numbered(path: Option<&Path>, items: &mut Ids) -> Result<Self, EvaluateError> {
        let texts = path.map(Self::read).transpose()?.unwrap_or_default();
        texts.number(items);
        Ok(texts)
    }

    /// Gives every item a number in `items`.
    pub fn number(&self, items: &mut Ids) {
        for (id, ..) in &self.items {
            items.number(id);
        }
    }

    /// Adds words and attributes to what is known of `items`; attributes only where none are known.
    pub fn add(&self, items: &Ids, side: &mut Side) {
        let (mut words, mut attributes) = (Vec::new(), Vec::new());
        for (id, of_words, of_attributes) in &self.items {
            let Some(item) = items.get(id) else { continue };
            words.extend(of_words.iter().map(|word| (item, *word, 1.0)));
            attributes.extend(of_attributes.iter().map(|attribute| (item, *attribute, 1.0)));
        }
        if !words.is_empty() {
            side.words = Some(Sparse::from_cells(items.len(), self.words.len(), words));
        }
        if !attributes.is_empty() && side.attributes.is_none() {
            let cells = Sparse::from_cells(items.len(), self.attributes.len(), attributes);
            side.attributes = Some(cells.mapped(|_, _, value| value.min(1.0)));
        }
    }

    /// Appends another file's items, whose ids get `prefix`; equal words are one.
    pub fn join(&mut self, prefix: &str, other: &Self) {
        for (id, words, attributes) in &other.items {
            let words = words.iter().map(|word| self.words.number(other.words.name(*word)));
            let words = words.collect();
            let attributes = attributes
                .iter()
                .map(|name| self.attributes.number(other.attributes.name(*name)))
                .collect();
            self.items.push((format!("{prefix}{id}"), words, attributes));
        }
    }
}

/// A word, number or truth as text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A text, or each of a list of them.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The words of a text in lower case: runs of letters and digits of two or more; scripts without
/// blanks between words give pairs of neighbouring characters.
fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lower = text.to_lowercase();
    for run in lower.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let characters: Vec<char> = run.chars().collect();
        if characters.iter().any(|c| unspaced(*c)) {
            found.extend(characters.windows(2).map(|pair| pair.iter().collect::<String>()));
        } else if characters.len() > 1 {
            found.push(run.to_owned());
        }
    }
    found
}

/// Whether the character is of a script that sets no blanks between words: kana and Han.
fn unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_runs_and_han_goes_by_pairs() {
        assert_eq!(words("OPI Nail-Lacquer, 0.5 oz"), ["opi", "nail", "lacquer", "oz"]);
        assert_eq!(words("北京烤鸭 a"), ["北京", "京烤", "烤鸭"]);
    }

    #[test]
    fn a_line_gives_words_pairs_of_the_title_and_attributes() {
        let line =
            r#"{"item": 7, "title": "Nail Lacquer", "keywords": "nail", "attributes": ["OPI"]}"#;
        let mut texts = ItemTexts::default();
        let fields = serde_json::from_str::<Value>(line).unwrap();
        texts.push("7".to_owned(), fields.as_object().unwrap());
        let mut items = Ids::default();
        texts.number(&mut items);
        let mut side = Side::default();
        texts.add(&items, &mut side);
        let cells: Vec<(&str, f32)> = side
            .words
            .as_ref()
            .unwrap()
            .cells(0)
            .map(|(word, count)| (texts.words.name(word), count))
            .collect();
        assert_eq!(cells, [("nail", 2.0), ("lacquer", 1.0), ("nail lacquer", 1.0)]);
        assert_eq!(side.attributes.unwrap().n_cells(), 1);
    }
}
