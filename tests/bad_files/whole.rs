//! Files of text that are refused as a whole: their encoding or their header is wrong.

use crate::case::{COLUMNS, Case, Format, Packing, good};

/// A way to write a text.
type Encode = fn(&str) -> Vec<u8>;

/// Encodings that are not UTF-8.
pub fn encodings() -> Vec<Case> {
    let encodings: [(&str, &str, Encode); 6] = [
        ("UTF-16LE", "\u{feff}", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16BE", "\u{feff}", |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("UTF-16LE", "", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16BE", "", |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("UTF-32LE", "\u{feff}", |text| {
            text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect()
        }),
        ("UTF-32BE", "\u{feff}", |text| {
            text.chars().flat_map(|c| (c as u32).to_be_bytes()).collect()
        }),
    ];
    let mut cases = Vec::new();
    for format in Format::ALL {
        let (bytes, _) = format.file(&[format.row(&good(0), "")], "\r\n");
        let text = String::from_utf8(bytes).unwrap();
        for (name, mark, encode) in encodings {
            let packing = Packing::ALL[cases.len() % 3];
            cases.push(Case {
                about: format!("{name} with the mark {mark:?}"),
                name: format!("bad.{}{}", format.suffix(), packing.suffix()),
                bytes: packing.pack(&encode(&format!("{mark}{text}"))),
                error: Some(format!("is {name}; convert it to UTF-8: iconv -f {name} -t UTF-8")),
                ..Case::default()
            });
        }
    }
    cases
}

/// Headers that do not name the columns.
pub fn headers() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in [Format::Csv, Format::Tsv] {
        let separator = if format == Format::Csv { "," } else { "\t" };
        let whole = String::from_utf8(format.header()).unwrap();
        let row = String::from_utf8(format.row(&good(0), "")).unwrap();
        let mut headers: Vec<(String, String, String)> = vec![
            (
                "nothing".into(),
                String::new(),
                "is empty; its first line must name the columns".into(),
            ),
            ("only lines".into(), "\n\r\n\r\n".into(), "is empty; its first line".into()),
            ("only a mark".into(), "\u{feff}".into(), "is empty; its first line".into()),
            ("no header".into(), row.clone(), "unknown column `e0`; known: event_id".into()),
            ("JSON".into(), "{\"event_id\":1}\n".into(), "looks like JSON; rename it to".into()),
            ("a JSON array".into(), "[{}]\n".into(), "looks like JSON; rename it to".into()),
            (
                "another separator".into(),
                whole.replace(separator, ";"),
                "unknown column `event_id;user;".into(),
            ),
            (
                "a name more".into(),
                format!("{whole}{separator}shop\n"),
                "unknown column `shop`".into(),
            ),
            ("an empty name".into(), format!("{whole}{separator}\n"), "unknown column ``".into()),
            (
                "another case".into(),
                whole.to_uppercase(),
                "unknown column `EVENT_ID`; known: event_id".into(),
            ),
            ("blanks".into(), whole.replace("user", " user"), "unknown column ` user`".into()),
            (
                "an open quote".into(),
                format!("\"{whole}\n{row}"),
                "a quote in the row is never".into(),
            ),
            (
                "a bad quote".into(),
                whole.replace("user", "\"us\"er"),
                "field 2 goes on after its closing quote".into(),
            ),
            ("NUL".into(), whole.replace("user", "\0user"), "has a NUL byte, at byte 9".into()),
            ("a long name".into(), "x".repeat(1 << 20), "unknown column `xxx".into()),
            ("a very long name".into(), "x".repeat(3 << 20), "the row has more than".into()),
            ("many names".into(), separator.repeat(100_000), "has 100001 columns".into()),
        ];
        for needed in ["event_id", "user", "target", "action", "at"] {
            let names: Vec<&str> = COLUMNS.into_iter().filter(|name| *name != needed).collect();
            let says = format!("the header has no column `{needed}`; add it, or give a --mapping");
            headers.push((format!("no {needed}"), names.join(separator), says));
        }
        for name in COLUMNS {
            let says = format!("column `{name}` is there twice");
            headers.push((format!("{name} twice"), format!("{whole}{separator}{name}\n"), says));
        }
        for (about, text, says) in headers {
            cases.push(Case {
                about,
                name: format!("bad.{}", format.suffix()),
                bytes: text.into_bytes(),
                error: Some(says),
                ..Case::default()
            });
        }
    }
    cases
}
