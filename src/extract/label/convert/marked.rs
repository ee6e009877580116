//! `marked`: texts marked up by hand, one a line; lines that start with `#` are passed over.
//!
//! ```text
//! The {battery life|aspect:a} of this {Sony|brand} is {excellent|opinion:b}. ## a>b positive
//! ```
//!
//! `{surface|type}` is an entity, `{surface|type:label}` one that relations can name. After ` ## `
//! stand the relations, `head>tail relation`, parted by `;`. A backslash before `{`, `|`, `}`, `#`
//! or another backslash takes it as it is.

use std::collections::BTreeMap;

use super::{Converted, Fault, Labelled, Problem, each_line};

/// What parts a text from its relations; a space or the end follows.
const RELATIONS: [char; 3] = [' ', '#', '#'];

pub(super) fn parse(text: &str) -> Result<Converted, Fault> {
    let is_comment = |row: &str| row.trim_start().starts_with('#');
    // A comment leaves an empty line, so that the others keep their numbers.
    let rows: Vec<&str> = text.lines().map(|row| if is_comment(row) { "" } else { row }).collect();
    each_line(&rows.join("\n"), |row, _| Reader::new(row).read())
}

/// Reads one line, character by character.
struct Reader {
    row: Vec<char>,
    at: usize,
    labelled: Labelled,
    n_chars: usize,
    marks: BTreeMap<String, usize>,
}

impl Reader {
    fn new(row: &str) -> Self {
        let row = row.trim_end().chars().collect();
        Self { row, at: 0, labelled: Labelled::default(), n_chars: 0, marks: BTreeMap::new() }
    }

    fn read(mut self) -> Result<Labelled, Problem> {
        while let Some(&next) = self.row.get(self.at) {
            match next {
                '{' => self.entity()?,
                '}' => return Err(self.broken("`}` closes nothing; write \\} for the character")),
                ' ' if self.ends_here() => self.relations()?,
                _ => {
                    let character = self.character();
                    self.push(character);
                }
            }
        }
        self.labelled.check().map(|()| self.labelled)
    }

    /// Whether the text ends here and the relations begin.
    fn ends_here(&self) -> bool {
        let rest = self.row[self.at..].strip_prefix(&RELATIONS);
        rest.is_some_and(|rest| rest.first().is_none_or(|&next| next == ' '))
    }

    /// Takes one character of the text; a backslash makes the next one plain.
    fn character(&mut self) -> char {
        let escapes = self.row[self.at] == '\\';
        let plain = |c: &&char| ['{', '|', '}', '#', '\\'].contains(c);
        let escaped = self.row.get(self.at + 1).filter(plain).filter(|_| escapes);
        let taken = escaped.copied().unwrap_or(self.row[self.at]);
        self.at += 1 + usize::from(escaped.is_some());
        taken
    }

    fn push(&mut self, character: char) {
        self.labelled.text.push(character);
        self.n_chars += 1;
    }

    /// Reads `{surface|type}` or `{surface|type:label}`.
    fn entity(&mut self) -> Result<(), Problem> {
        let open = self.at;
        let unclosed = || markup(open, "`{` is not closed; an entity is {surface|type}");
        self.at += 1;
        let start = self.n_chars;
        loop {
            match self.row.get(self.at).ok_or_else(unclosed)? {
                '|' => break,
                '{' => return Err(self.broken("entities do not nest; write \\{ for the character")),
                '}' => return Err(self.broken("the entity has no type; write {surface|type}")),
                _ => {
                    let character = self.character();
                    self.push(character);
                }
            }
        }
        let surface: Vec<char> = self.row[open + 1..self.at].to_vec();
        let is_space = |c: Option<&char>| c.is_none_or(|c| c.is_whitespace());
        if is_space(surface.first()) || is_space(surface.last()) {
            return Err(markup(open, "the surface is empty, or has a space at an end"));
        }
        self.at += 1;
        let name_at = self.at;
        let close = self.row[self.at..].iter().position(|&c| c == '}').ok_or_else(unclosed)?;
        let name: String = self.row[self.at..self.at + close].iter().collect();
        self.at += close + 1;
        let (entity_type, mark) = name.split_once(':').unwrap_or((&name, ""));
        if entity_type.trim().is_empty() {
            return Err(markup(name_at, "the type is empty; write {surface|type}"));
        }
        let entity = self.labelled.add_entity(start, self.n_chars, entity_type.trim());
        let mark = mark.trim().to_owned();
        if !mark.is_empty() && self.marks.insert(mark, entity).is_some() {
            return Err(markup(name_at, "the label is taken; give every entity its own"));
        }
        Ok(())
    }

    /// Reads ` ## head>tail relation; …` to the end of the line.
    fn relations(&mut self) -> Result<(), Problem> {
        let rest = self.row.split_off(self.at);
        let mut next = self.at + RELATIONS.len();
        for part in rest[RELATIONS.len()..].split(|&c| c == ';') {
            let at = next;
            next += part.len() + 1;
            let part: String = part.iter().collect();
            if part.trim().is_empty() {
                continue;
            }
            let broken = || markup(at, "a relation is written `head>tail relation`");
            let (ends, relation) =
                part.trim().split_once(char::is_whitespace).ok_or_else(broken)?;
            let (head, tail) = ends.split_once('>').ok_or_else(broken)?;
            let (head, tail) = (self.marked(head, at)?, self.marked(tail, at)?);
            self.labelled.add_relation(head, tail, relation.trim());
        }
        Ok(())
    }

    fn marked(&self, mark: &str, at: usize) -> Result<usize, Problem> {
        self.marks.get(mark).copied().ok_or_else(|| Problem::UnknownMark {
            column: at + 1,
            label: mark.to_owned(),
            known: self.marks.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    fn broken(&self, reason: &'static str) -> Problem {
        markup(self.at, reason)
    }
}

fn markup(at: usize, reason: &'static str) -> Problem {
    Problem::Markup { column: at + 1, reason }
}
