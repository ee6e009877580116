//! Rows that cannot be taken apart, and what stands between rows.

use crate::case::{Case, Format, MAX_ROW_BYTES, N_GOOD, Packing, Told, WRONG, good, with};
use crate::fields::among_good;

/// Rows of CSV and TSV that are no rows, at every position.
pub fn separated() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in [Format::Csv, Format::Tsv] {
        let separator = if format == Format::Csv { "," } else { "\t" };
        let whole = String::from_utf8(format.row(&good(WRONG), "")).unwrap();
        let mut bytes_of_user = whole.clone().into_bytes();
        bytes_of_user[4] = 0xff;
        let nul = |text: &str| text.replace('u', "\0").into_bytes();
        let quoted = |user: &str| whole.replace("u9", user).into_bytes();
        let defects: Vec<(&str, Vec<u8>, String)> = vec![
            ("one field", b"x".to_vec(), "the row has 1 fields, the header has 9".into()),
            ("a blank", b" ".to_vec(), "the row has 1 fields".into()),
            ("short", whole.rsplit_once(separator).unwrap().0.into(), "has 8 fields".into()),
            ("long", format!("{whole}{separator}").into(), "has 10 fields".into()),
            ("very long", separator.repeat(100_000).into(), "has 100001 fields".into()),
            ("not UTF-8", bytes_of_user.clone(), "`user` is not UTF-8".into()),
            ("only bad bytes", vec![0xc0; 40], "the row has 1 fields".into()),
            ("NUL in a name", nul(&whole), "the row has a NUL byte, at byte ".into()),
            ("a run of NUL", vec![0; 4096], "the row has a NUL byte, at byte ".into()),
            ("garbage after a quote", quoted("\"u\"9"), "field 2 goes on after".into()),
            ("blank after a quote", quoted("\"u\" "), "field 2 goes on after".into()),
            ("three quotes", quoted("\"u\"\"\"9"), "field 2 goes on after".into()),
            ("another separator", whole.replace(separator, ";").into(), "has 1 fields".into()),
            ("over the limit", vec![b'x'; MAX_ROW_BYTES + 1], too_long(MAX_ROW_BYTES + 1)),
            ("far over it", vec![b'x'; 3 * MAX_ROW_BYTES], too_long(3 * MAX_ROW_BYTES)),
            ("a formula", whole.replace("rated", "=1+1").into(), "unknown action `=1+1`".into()),
        ];
        for (about, wrong, says) in defects {
            for position in [0, N_GOOD / 2, N_GOOD] {
                let packing = Packing::ALL[cases.len() % 3];
                let mut case = among_good(format, wrong.clone(), position, packing, &says);
                case.about = format!("{about} at {position}");
                cases.push(case);
            }
        }
        cases.extend(quotes(format, &whole));
    }
    cases
}

fn too_long(found: usize) -> String {
    format!("the row has more than {MAX_ROW_BYTES} bytes ({found})")
}

/// Quotes that are never closed.
fn quotes(format: Format, whole: &str) -> Vec<Case> {
    let open = whole.replace("u9", "\"u9").into_bytes();
    let says = "a quote in the row is never closed";
    let mut last = among_good(format, open.clone(), N_GOOD, Packing::Plain, says);
    last.about = "an open quote in the last row".to_owned();
    // Without the newline at the end too.
    let mut bare = last.clone();
    bare.bytes.pop();
    bare.about = "an open quote at the very end".to_owned();
    // The quote takes in rows up to the limit; the first row after the next newline is whole again.
    let filler = vec![b'x'; 1 << 16];
    let n_filler = MAX_ROW_BYTES / filler.len() + 2;
    let mut rows = vec![format.row(&good(0), ""), open];
    rows.extend(vec![filler; n_filler]);
    rows.extend([format.row(&good(1), ""), format.row(&good(2), "")]);
    let (bytes, places) = format.file(&rows, "\n");
    let reject = |place: (u64, u64), says: &str| Told {
        line: place.0,
        byte: Some(place.1),
        says: says.to_owned(),
    };
    // The row that is open, and the filler that comes after the newline at which reading goes on.
    let crossing = places[2..]
        .iter()
        .position(|place| place.1 + (1 << 16) > places[1].1 + MAX_ROW_BYTES as u64)
        .unwrap();
    let mut rejects = vec![reject(places[1], "the row has more than 2097152 bytes")];
    let left = places[2 + crossing + 1..2 + n_filler].iter();
    rejects.extend(left.map(|place| reject(*place, "the row has 1 fields")));
    let far = Case {
        about: "an open quote before many rows".to_owned(),
        name: format!("bad.{}.zst", format.suffix()),
        bytes: Packing::Zstd.pack(&bytes),
        good: (0..3).map(good).collect(),
        rejects,
        ..Case::default()
    };
    vec![last, bare, far]
}

/// Objects that are none, or not what they must be; in JSON lines and in arrays.
pub fn json() -> Vec<Case> {
    let whole = String::from_utf8(Format::Jsonl.row(&good(WRONG), "")).unwrap();
    let with = |more: &str| format!("{}{more}}}", whole.strip_suffix('}').unwrap()).into_bytes();
    let put = |old: &str, new: &str| {
        assert!(whole.contains(old));
        whole.replace(old, new).into_bytes()
    };
    let deep = |open: &str, close: &str| {
        with(&format!(",\"text\":{}1{}", open.repeat(100_000), close.repeat(100_000)))
    };
    let many = format!("[{}0]", "0,".repeat(150_000));
    let mut bytes_of_user = whole.clone().into_bytes();
    let place = whole.find("u9").unwrap();
    bytes_of_user[place] = 0xff;
    let no_object = "not a JSON object at column";
    let defects: Vec<(&str, Vec<u8>, &str)> = vec![
        ("an empty list", b"[]".to_vec(), no_object),
        ("a list", b"[1,2]".to_vec(), no_object),
        ("a number", b"7".to_vec(), no_object),
        ("a text", b"\"e9\"".to_vec(), no_object),
        ("null", b"null".to_vec(), no_object),
        ("a bare word", b"event".to_vec(), no_object),
        ("two objects", format!("{whole} {whole}").into(), "trailing characters"),
        ("more after it", format!("{whole}x").into(), "trailing characters"),
        ("a comma at its end", with(","), "trailing comma"),
        ("no colon", put("\"user\":", "\"user\" "), "expected `:`"),
        ("single quotes", put("\"u9\"", "'u9'"), "expected value"),
        ("a comment", put("\"u9\"", "/* */ \"u9\""), "expected value"),
        ("a bare NaN", put("7.5", "NaN"), "expected value"),
        ("a bare Infinity", put("7.5", "Infinity"), "expected value"),
        ("1e400", put("7.5", "1e400"), "number out of range"),
        ("-1e999", put("7.5", "-1e999"), "number out of range"),
        ("a zero before", put("7.5", "07.5"), "invalid number"),
        ("a tab in a text", put("u9", "u\t9"), "control character"),
        ("a NUL in a text", put("u9", "u\0"), "control character"),
        ("only NUL", vec![0; 4096], no_object),
        ("an escape that is none", put("u9", "u\\x"), "invalid escape"),
        ("a lone leading surrogate", put("u9", "\\ud800"), no_object),
        ("a lone trailing surrogate", put("u9", "\\udc00"), no_object),
        ("surrogates in the wrong order", put("u9", "\\udc00\\ud800"), no_object),
        ("not UTF-8", bytes_of_user, "the line is not UTF-8"),
        ("an escaped control character", put("u9", "\\u0007"), "`user` has a control character"),
        ("an escaped NUL", put("u9", "\\u0000"), "`user` has a control character"),
        ("a key twice", with(",\"user\":\"u9\""), "the key `user` is there twice"),
        ("a key twice below", with(",\"x\":{\"a\":1,\"a\":2}"), "the key `a` is there twice"),
        ("lists 100,000 deep", deep("[", "]"), "recursion limit exceeded"),
        ("objects 100,000 deep", deep("{\"a\":", "}"), "recursion limit exceeded"),
        ("150,000 values", with(&format!(",\"text\":{many}")), "more than 100000 values"),
        ("a field that is none", with(",\"shop\":\"s\""), "unknown field `shop`; known: event_id"),
        ("a number for a name", put("\"u9\"", "9"), "`user` is the number 9; give a text"),
        ("a flag for a name", put("\"u9\"", "true"), "`user` is true; give a text"),
        ("null for a name", put("\"u9\"", "null"), "`user` is missing"),
        ("a list for a name", put("\"u9\"", "[\"u9\"]"), "`user` is a list; give a text"),
        ("an object for a name", put("\"u9\"", "{\"id\":1}"), "`user` is an object; give a text"),
        ("a number for a text", with(",\"text\":7"), "`text` is the number 7; give a text"),
        (
            "a broken time",
            put("\"2025-01-10T00:00:00Z\"", "1.5"),
            "`at` is the number 1.5; give RFC",
        ),
        (
            "a large time",
            put("\"2025-01-10T00:00:00Z\"", "18446744073709551615"),
            "`at` is the number",
        ),
        ("an early time", put("\"2025-01-10T00:00:00Z\"", "-1"), "`at` is \"-1\""),
        ("a list of times", put("\"2025-01-10T00:00:00Z\"", "[1]"), "`at` is a list"),
        ("a flag for a value", put("7.5", "true"), "`value` is true; give a number"),
        ("a list for a value", put("7.5", "[7.5]"), "`value` is a list; give a number"),
        ("an object for a value", put("7.5", "{}"), "`value` is an object; give a number"),
        ("an empty object", b"{}".to_vec(), "`event_id` is missing"),
        ("over the limit", vec![b'7'; MAX_ROW_BYTES + 1], "the row has more than 2097152 bytes"),
        ("far over it", vec![b'7'; 3 * MAX_ROW_BYTES], "the row has more than 2097152 bytes"),
    ];
    let mut cases = Vec::new();
    for format in [Format::Jsonl, Format::Json] {
        for (about, wrong, says) in &defects {
            for position in [0, N_GOOD] {
                let packing = Packing::ALL[cases.len() % 3];
                let mut case = among_good(format, wrong.clone(), position, packing, says);
                case.about = format!("{about} at {position}");
                cases.push(case);
            }
        }
    }
    // What ends a line ends no element of an array.
    for (about, wrong, says) in [
        ("an open object", &b"{\"event_id\":\"e9\""[..], "EOF while parsing"),
        ("an open text", b"{\"event_id\":\"e9", "EOF while parsing"),
        ("an open bracket", b"{\"event_id\":[\"e9\"}", no_object),
        ("a key alone", b"{\"event_id\"}", no_object),
        ("a bracket", b"]", no_object),
        ("a comma", b",", no_object),
    ] {
        let mut case = among_good(Format::Jsonl, wrong.to_vec(), 2, Packing::Plain, says);
        case.about = about.to_owned();
        cases.push(case);
    }
    cases
}

/// Newlines of every kind, texts that hold some, and a mark at the start; one row is wrong in each.
pub fn newlines() -> Vec<Case> {
    let mut cases = Vec::new();
    let says = "`user` is missing";
    for format in Format::ALL {
        let wrong = format.row(&with(good(WRONG), "user", ""), "user");
        for (about, newline) in [("CRLF", "\r\n"), ("CR", "\r"), ("LF twice", "\n\n")] {
            let mut rows: Vec<Vec<u8>> =
                (0..N_GOOD).map(|row| format.row(&good(row), "")).collect();
            rows.insert(2, wrong.clone());
            let (bytes, places) = format.file(&rows, newline);
            let (line, byte) = places[2];
            // Each empty line counts.
            let line = if newline == "\n\n" { 2 * line - 1 } else { line };
            cases.push(Case {
                about: about.to_owned(),
                name: format!("bad.{}", format.suffix()),
                bytes,
                good: (0..N_GOOD).map(good).collect(),
                rejects: vec![Told { line, byte: Some(byte), says: says.to_owned() }],
                ..Case::default()
            });
        }
        let mut marked = among_good(format, wrong.clone(), 2, Packing::Plain, says);
        marked.bytes.splice(0..0, *b"\xef\xbb\xbf");
        marked.rejects[0].byte = marked.rejects[0].byte.map(|byte| byte + 3);
        marked.about = "a mark at the start".to_owned();
        let mut twice = marked.clone();
        twice.name += ".gz";
        twice.bytes = Packing::Gzip.pack(&twice.bytes);
        twice.about = "a mark at the start of what is packed".to_owned();
        cases.extend([marked, twice]);
        let mut mixed = among_good(format, wrong, 2, Packing::Plain, says);
        let (mut n_newlines, mut shift) = (0, 0);
        let wrong_line = mixed.rejects[0].line;
        mixed.bytes = mixed
            .bytes
            .iter()
            .flat_map(|&byte| match byte {
                b'\n' => {
                    n_newlines += 1;
                    let newline = ["\n", "\r\n", "\r"][n_newlines % 3];
                    shift += u64::from(newline.len() == 2 && (n_newlines as u64) < wrong_line);
                    newline.bytes().collect()
                }
                byte => vec![byte],
            })
            .collect();
        mixed.rejects[0].byte = mixed.rejects[0].byte.map(|byte| byte + shift);
        mixed.about = "LF, CRLF and CR in turn".to_owned();
        cases.push(mixed);
    }
    for format in [Format::Csv, Format::Tsv] {
        // The text has three line ends, so that the wrong row begins on line 6.
        let lines = String::from_utf8(format.row(&with(good(0), "text", "TEXT"), "")).unwrap();
        let rows = vec![
            lines.replace("TEXT", "\"a\nb\r\nc\rd \"\"e\"\"\"").into_bytes(),
            format.row(&with(good(WRONG), "user", ""), ""),
        ];
        let (bytes, places) = format.file(&rows, "\n");
        cases.push(Case {
            about: "a text of several lines".to_owned(),
            name: format!("bad.{}", format.suffix()),
            bytes,
            good: vec![with(good(0), "text", "a\nb\r\nc\rd \"e\"")],
            rejects: vec![Told { line: 6, byte: Some(places[1].1), says: says.to_owned() }],
            ..Case::default()
        });
    }
    cases
}

/// Arrays that are not whole, and what stands between their elements.
pub fn arrays() -> Vec<Case> {
    let row = |number| String::from_utf8(Format::Json.row(&good(number), "")).unwrap();
    let (a, b) = (row(0), row(1));
    let case = |about: &str, text: String, n_good: usize, rejects: Vec<(u64, u64, &str)>| Case {
        about: about.to_owned(),
        name: "bad.json".to_owned(),
        bytes: text.into_bytes(),
        good: (0..n_good).map(good).collect(),
        rejects: rejects
            .into_iter()
            .map(|(line, byte, says)| Told { line, byte: Some(byte), says: says.to_owned() })
            .collect(),
        ..Case::default()
    };
    let whole = |about: &str, text: String, says: &str| Case {
        error: Some(says.to_owned()),
        ..case(about, text, 0, vec![])
    };
    let (len, never) = (a.len() as u64, "the array is never closed: the file is cut off");
    let cut_at = |text: &str| format!("at byte {}: {never}", text.len());
    vec![
        case("an empty array", "[]".into(), 0, vec![]),
        case("an empty array with blanks", " \n[ \n]\n ".into(), 0, vec![]),
        case("no array", String::new(), 0, vec![]),
        case("lines after all", format!("{a}\n{b}\n"), 2, vec![]),
        case(
            "a comma at the end",
            format!("[{a},{b},]"),
            2,
            vec![(1, 2 * len + 3, "remove the comma")],
        ),
        case("two commas", format!("[{a},,{b}]"), 2, vec![(1, len + 2, "before this comma")]),
        case("a comma first", format!("[,{a}]"), 1, vec![(1, 1, "before this comma")]),
        case("no comma", format!("[{a} {b}]"), 0, vec![(1, 1, "trailing characters")]),
        case("all in one line", format!("[{a},7,{b}]"), 2, vec![(1, len + 2, "not a JSON object")]),
        case("laid out", format!("[\n {{\n}},\n{a}]"), 1, vec![(2, 3, "`event_id` is missing")]),
        case(
            "a wrong layout",
            format!("[{{\n  \"event_id\": x\n}},\n{a}]"),
            1,
            vec![(1, 1, "not a JSON object at column 15 of its line 2: expected value")],
        ),
        case(
            "an open text",
            format!("[{{\"event_id\":\"e9,\n{a},\n{b}]"),
            2,
            vec![(1, 1, "a text in the row is not closed on its line")],
        ),
        case("a brace too many", format!("[{a}}},{b}]"), 0, vec![(1, 1, "trailing characters")])
            .but(|case| case.good = vec![good(1)]),
        case("arrays in it", format!("[[{a}],{b}]"), 0, vec![(1, 1, "not a JSON object")])
            .but(|case| case.good = vec![good(1)]),
        case(
            "brackets in a text",
            format!("[{a},{{\"x\":\"]}}\\\"],\"}}]"),
            1,
            vec![(1, len + 2, "unknown field `x`")],
        ),
        whole("cut off after the bracket", "[".into(), &cut_at("[")),
        whole("cut off in an element", format!("[{a},{{\"ev"), &cut_at(&format!("[{a},{{\"ev"))),
        whole("cut off before a comma", format!("[{a}"), &cut_at(&format!("[{a}"))),
        whole("cut off after a comma", format!("[{a},\n"), &cut_at(&format!("[{a},\n"))),
        whole("an open brace", format!("[{{\"event_id\":1,{a}]"), never),
        whole("an open bracket", format!("[[{a},{b}]"), never),
        whole("100,000 open", "[".repeat(100_000), never),
        whole("more after it", format!("[{a}]{b}"), "the file goes on after its array"),
        whole("two arrays", format!("[{a}]\n[{b}]\n"), "the file goes on after its array"),
        whole("CSV", "event_id,user\n".into(), "holds neither an array of objects"),
        whole("a bare number", "7".into(), "holds neither an array of objects"),
        whole("a bracket the wrong way", format!("]{a}["), "holds neither an array of objects"),
    ]
}

impl Case {
    fn but(mut self, change: impl Fn(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
