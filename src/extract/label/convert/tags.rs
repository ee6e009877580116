//! Tags of tokens become spans of tokens: BIO, and the schemes that also mark ends and singles.
//!
//! An inside without a beginning of its own type begins an entity, the usual repair, so IOB1 and
//! IOB2 are read alike (Ramshaw & Marcus 1995).

use std::ops::Range;

/// Which tags a format has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scheme {
    /// `O`, `B-TYPE`, `I-TYPE`.
    Bio,
    /// BIOES, BILOU and BMES: `M` is read as `I`, `L` as `E`, `U` as `S`.
    Bieos,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Begin,
    Inside,
    End,
    Single,
}

impl Scheme {
    /// What a tag may be, in words.
    pub fn known(self) -> &'static str {
        match self {
            Self::Bio => "O, B-TYPE, I-TYPE; for ends and singles take the format `bieos`",
            Self::Bieos => "O, B-TYPE, I-TYPE or M-TYPE, E-TYPE or L-TYPE, S-TYPE or U-TYPE",
        }
    }

    /// The part of an entity that a tag names, and its type; `Ok(None)` outside, `Err` for no tag.
    fn part(self, tag: &str) -> Result<Option<(Part, &str)>, ()> {
        if tag == "O" {
            return Ok(None);
        }
        let (letter, entity_type) = tag.split_once('-').filter(|(_, t)| !t.is_empty()).ok_or(())?;
        let part = match (letter, self) {
            ("B", _) => Part::Begin,
            ("I", _) | ("M", Self::Bieos) => Part::Inside,
            ("E" | "L", Self::Bieos) => Part::End,
            ("S" | "U", Self::Bieos) => Part::Single,
            _ => return Err(()),
        };
        Ok(Some((part, entity_type)))
    }

    /// The entities of one sentence, in order: spans of tokens and types.
    ///
    /// # Errors
    /// The index of the first tag that is none.
    pub fn spans<'t>(self, tags: &[&'t str]) -> Result<Vec<(Range<usize>, &'t str)>, usize> {
        let mut spans: Vec<(Range<usize>, &str)> = Vec::new();
        let mut open = false;
        for (at, tag) in tags.iter().enumerate() {
            let Some((part, entity_type)) = self.part(tag).map_err(|()| at)? else {
                open = false;
                continue;
            };
            let goes_on = open && matches!(part, Part::Inside | Part::End);
            match spans.last_mut() {
                Some((range, last)) if goes_on && *last == entity_type => range.end = at + 1,
                _ => spans.push((at..at + 1, entity_type)),
            }
            open = matches!(part, Part::Begin | Part::Inside);
        }
        Ok(spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: `start-end type` of each entity, joined by commas.
    fn check(scheme: Scheme, tags: &str, expected: &str) {
        let tags: Vec<&str> = tags.split(' ').collect();
        let spans = scheme.spans(&tags).unwrap();
        let found: Vec<String> =
            spans.iter().map(|(range, t)| format!("{}-{} {t}", range.start, range.end)).collect();
        assert_eq!(found.join(", "), expected, "{tags:?}");
    }

    #[test]
    fn bio() {
        check(Scheme::Bio, "O B-a I-a O", "1-3 a");
        check(Scheme::Bio, "B-a B-a I-a", "0-1 a, 1-3 a");
        check(Scheme::Bio, "I-a I-a O I-b", "0-2 a, 3-4 b");
        check(Scheme::Bio, "B-a I-b I-b O", "0-1 a, 1-3 b");
        check(Scheme::Bio, "B-creative-work I-creative-work", "0-2 creative-work");
        check(Scheme::Bio, "O", "");
    }

    #[test]
    fn ends_and_singles() {
        check(Scheme::Bieos, "S-a B-a I-a E-a E-a", "0-1 a, 1-4 a, 4-5 a");
        check(Scheme::Bieos, "U-a B-a I-a L-a I-a", "0-1 a, 1-4 a, 4-5 a");
        check(Scheme::Bieos, "B-a M-a E-a O B-a S-a", "0-3 a, 4-5 a, 5-6 a");
        check(Scheme::Bieos, "B-a L-b", "0-1 a, 1-2 b");
    }

    #[test]
    fn what_is_no_tag() {
        assert_eq!(Scheme::Bio.spans(&["O", "S-a"]), Err(1));
        for tag in ["B", "B-", "o", "X-a", "", "Ba"] {
            assert_eq!(Scheme::Bieos.spans(&[tag]), Err(0), "{tag}");
        }
    }
}
