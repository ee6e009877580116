//! Files of labelled text, good and bad.

use std::fs;

use super::*;

const LINE: &str = r#"{"text":"看Sony电视","entities":[{"start":1,"end":5,"type":"brand"},{"start":5,"end":7,"type":"product"}],"relations":[{"head":0,"tail":1,"type":"makes"}]}"#;

fn of(text: &str) -> Result<Vec<Labelled>, LabelError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    read(file.path())
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let partly = Labelled { complete: false, ..Labelled::new("a\u{2028}b \"c\"\n") };
    let texts = [of(LINE).unwrap().remove(0), partly, Labelled::new("")];
    write(&path, &texts).unwrap();
    assert_eq!(read(&path).unwrap(), texts);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().next(), Some(LINE));
    write(&path, &texts[..1]).unwrap();
    assert_eq!(read(&path).unwrap().len(), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    assert!(write(&folder.path().join("no/labels.jsonl"), &texts).is_err());
}

#[test]
fn surfaces_are_slices() {
    let labelled = of(LINE).unwrap().remove(0);
    let surfaces: Vec<_> = labelled.entities.iter().map(|e| labelled.surface(e)).collect();
    assert_eq!(surfaces, ["Sony", "电视"]);
    for (start, end) in [(0, 9), (5, 5), (6, 5), (99, 100), (0, usize::MAX)] {
        let entity = LabelledEntity { start, end, entity_type: "x".to_owned() };
        assert_eq!(labelled.surface(&entity), "", "{start}..{end}");
    }
}

#[test]
fn what_is_left_out_is_nothing() {
    let texts =
        of("\u{feff}{\"text\":\"a\",\"id\":7}\r\n\n{\"text\":\"b\",\"complete\":false}").unwrap();
    assert_eq!(texts[0], Labelled::new("a"));
    assert!(texts[0].complete && !texts[1].complete);
    assert_eq!(of("").unwrap(), []);
}

/// Asserts that the second line is refused with this message.
fn check_refused(line: &str, expected: &str) {
    let message = of(&format!("{LINE}\n{line}\n")).unwrap_err().to_string();
    assert!(message.contains(" line 2: ") && message.contains(expected), "{message}");
}

#[test]
fn bad_lines_are_refused() {
    let with = |entity: &str, relation: &str| {
        format!(r#"{{"text":"ab","entities":[{entity}],"relations":[{relation}]}}"#)
    };
    let good = r#"{"start":0,"end":1,"type":"x"}"#;
    check_refused(&with(r#"{"start":0,"end":3,"type":"x"}"#, ""), "entity 0..3 does not lie");
    check_refused(&with(r#"{"start":1,"end":1,"type":"x"}"#, ""), "entity 1..1 does not lie");
    check_refused(&with(r#"{"start":0,"end":1,"type":" "}"#, ""), "an entity without a type");
    check_refused(&with(r#"{"start":-1,"end":1,"type":"x"}"#, ""), "invalid value");
    check_refused(&with(good, r#"{"head":0,"tail":1,"type":"r"}"#), "names entity 1 of 1");
    check_refused(&with(good, r#"{"head":0,"tail":0,"type":""}"#), "a relation without a type");
    check_refused("{}", "missing field `text`");
    check_refused("text", "not the JSON of this format at column 2");
}

#[test]
fn files_that_are_none_are_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"{\"text\":\"a\"}\n{\"text\":\"\xe9\"}\n").unwrap();
    let message = read(file.path()).unwrap_err().to_string();
    assert!(message.contains("line 2: not UTF-8; convert"), "{message}");
    let message = read(std::path::Path::new("no/such.jsonl")).unwrap_err().to_string();
    assert!(message.starts_with("cannot access no/such.jsonl"), "{message}");
}
