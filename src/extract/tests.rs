//! Promises of every row of [`EXTRACTORS`].

use super::*;

fn vocabulary(order: impl Fn(&mut Vec<Term>)) -> Vocabulary {
    let term = |name: &str, entity_type: &str, by_encoding| Term {
        entity: name.to_lowercase(),
        entity_type: entity_type.to_owned(),
        surfaces: vec![name.to_owned()],
        by_encoding,
    };
    let mut terms = vec![
        term("Biography", "genre", true),
        term("Science Fiction", "genre", true),
        term("Kitchen & Dining", "category", true),
        term("Bruce Willis", "person", false),
        term("恐怖片", "genre", true),
        term("Sony", "brand", false),
    ];
    order(&mut terms);
    Vocabulary::new(terms)
}

const TEXTS: [&str; 8] = [
    "Ray is a 2004 American biographical film about the musician Ray Charles.",
    "",
    " \n\t ",
    "🎬🍿👍🏽",
    "\u{0}\u{1}\u{7}\u{1b}[0m",
    "看恐怖片用Sony耳机，Bruce Willis 主演的 science-fiction 🎬",
    "AME\u{301}LIE İstanbul ﬁlm Kitchen and Dining",
    "[CLS] [SEP] [MASK] [PAD] ##ing \u{fffd}",
];

#[test]
fn spans_slice_back_and_do_not_overlap() {
    let vocabulary = vocabulary(|_| ());
    for entry in EXTRACTORS {
        let extractor = (entry.build)(None).unwrap();
        let found = extractor.extract(&TEXTS, &vocabulary).unwrap();
        assert_eq!(found.len(), TEXTS.len());
        for (text, extraction) in TEXTS.iter().zip(&found) {
            for pair in extraction.mentions.windows(2) {
                assert!(pair[0].span.byte_end <= pair[1].span.byte_start);
            }
            for mention in &extraction.mentions {
                assert_eq!(mention.span.slice(text), mention.surface, "{}", entry.name);
                let (from, to) = (mention.span.char_start as usize, mention.span.char_end as usize);
                let chars: String = text.chars().skip(from).take(to - from).collect();
                assert_eq!(chars, mention.surface);
                assert!((0.0..=1.0).contains(&mention.confidence));
            }
        }
        let entities: Vec<_> =
            found[5].mentions.iter().map(|m| m.entity.as_deref().unwrap()).collect();
        assert_eq!(entities, ["恐怖片", "sony", "bruce willis", "science fiction"]);
        assert_eq!(found[6].mentions.len(), 1);
        assert!([1, 2, 3, 4, 7].iter().all(|&empty| found[empty].mentions.is_empty()));
    }
}

#[test]
fn order_of_texts_and_terms_does_not_matter() {
    let (one, two) = (vocabulary(|_| ()), vocabulary(|terms| terms.reverse()));
    for entry in EXTRACTORS {
        let extractor = (entry.build)(None).unwrap();
        let forward = extractor.extract(&TEXTS, &one).unwrap();
        let reversed: Vec<&str> = TEXTS.into_iter().rev().collect();
        let mut backward = extractor.extract(&reversed, &two).unwrap();
        backward.reverse();
        assert_eq!(forward, backward, "{}", entry.name);
        let alone = extractor.extract(&TEXTS[..1], &one).unwrap();
        assert_eq!(forward[..1], alone[..], "{}", entry.name);
        assert_eq!(extractor.extract(&[], &one).unwrap(), []);
    }
}

#[test]
fn unknown_names_list_the_known() {
    let error = by_name("x", None).err().unwrap().to_string();
    assert_eq!(error, "unknown extractor `x`; known: lexicon, bert");
    assert_eq!(by_name("lexicon", None).unwrap().version(), "lexicon/1");
}
