//! A field that is wrong, in every text format, at every position.

use crate::case::{Case, Format, N_GOOD, Packing, Told, WRONG, good, with};

/// The field, what stands in it, and what the reason says.
pub fn defects() -> Vec<(&'static str, String, &'static str)> {
    let word = |text: &str| text.to_owned();
    vec![
        ("event_id", word(""), "`event_id` is missing"),
        ("event_id", "x".repeat(1 << 20), "`event_id` is longer than 512 bytes"),
        ("event_id", word("a\u{7}b"), "`event_id` has a control character"),
        ("user", word(""), "`user` is missing"),
        ("user", "x".repeat(513), "`user` is longer than 512 bytes"),
        ("user", "x".repeat(1 << 20), "`user` is longer than 512 bytes"),
        ("user", word("a\u{1b}[31m"), "`user` has a control character"),
        ("user", word("cafe\u{301}"), "normal form C"),
        ("target", word(""), "`target` is missing"),
        ("target", "😀".repeat(200), "`target` is longer than 512 bytes"),
        ("target", word("a\u{9f}"), "`target` has a control character"),
        ("target_kind", word("shop"), "`target_kind` is `shop`; known here: user, item"),
        ("target_kind", word("user"), "`target_kind` is `user`"),
        ("action", word(""), "unknown action ``; known: viewed"),
        ("action", word("teleported"), "unknown action `teleported`; known: viewed"),
        ("action", "y".repeat(1 << 20), "unknown action"),
        ("at", word(""), "`at` is \"\"; give RFC 3339"),
        ("at", word("yesterday"), "`at` is \"yesterday\""),
        ("at", word("2025-02-30T00:00:00Z"), "`at` is \"2025-02-30T00:00:00Z\""),
        ("at", word("2025-01-01"), "`at` is \"2025-01-01\""),
        ("at", word("12000-01-01T00:00:00Z"), "1970 to 9999"),
        ("at", word("1960-01-01T00:00:00Z"), "1970 to 9999"),
        ("at", word("-5"), "`at` is \"-5\""),
        ("at", word("1e12"), "`at` is \"1e12\""),
        ("at", word("99999999999999999999999"), "1970 to 9999"),
        ("value", word("NaN"), "`value` is NaN; give a finite number"),
        ("value", word("inf"), "`value` is inf; give a finite number"),
        ("value", word("-Infinity"), "`value` is -inf; give a finite number"),
        ("value", word("1e400"), "`value` is 1e400, which is out of range"),
        ("value", word("-1e999"), "`value` is -1e999, which is out of range"),
        ("value", word("much"), "`value` is \"much\"; give a number"),
        ("value", word("0x10"), "`value` is \"0x10\"; give a number"),
        ("value", word("1 000"), "`value` is \"1 000\"; give a number"),
        ("value", word("11"), "11"),
        ("session", word("s\u{8}"), "`session` has a control character"),
        ("session", "s".repeat(513), "`session` is longer than 512 bytes"),
    ]
}

/// One wrong row among four good ones; the packing changes from case to case.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in Format::ALL {
        for (field, text, says) in defects() {
            for position in [0, N_GOOD / 2, N_GOOD] {
                let wrong = format.row(&with(good(WRONG), field, &text), field);
                let packing = Packing::ALL[cases.len() % 3];
                let about = format!("{field} at {position}: {}", &says[..says.len().min(40)]);
                let mut case = among_good(format, wrong, position, packing, says);
                case.about = about;
                case.repair = Some((field, good(WRONG)));
                cases.push(case);
            }
        }
    }
    cases
}

/// A file of good rows with one that must be refused at `position`.
pub fn among_good(
    format: Format,
    wrong: Vec<u8>,
    position: usize,
    packing: Packing,
    says: &str,
) -> Case {
    let mut rows: Vec<Vec<u8>> = (0..N_GOOD).map(|row| format.row(&good(row), "")).collect();
    rows.insert(position, wrong);
    let (bytes, places) = format.file(&rows, "\n");
    let (line, byte) = places[position];
    Case {
        name: format!("bad.{}{}", format.suffix(), packing.suffix()),
        bytes: packing.pack(&bytes),
        good: (0..N_GOOD).map(good).collect(),
        rejects: vec![Told { line, byte: Some(byte), says: says.to_owned() }],
        ..Case::default()
    }
}
