//! Files whose packing is damaged, cut off, or not what the name says.

use std::fmt::Write;

use crate::case::{Case, Format, N_GOOD, Packing, WRONG, good, with};
use crate::fields::among_good;

/// Rows to a batch.
const BATCH: usize = 10_000;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in Format::ALL {
        let rows: Vec<Vec<u8>> = (0..N_GOOD).map(|row| format.row(&good(row), "")).collect();
        let (bytes, _) = format.file(&rows, "\n");
        for packing in [Packing::Gzip, Packing::Zstd] {
            cases.extend(damaged(format, packing, &bytes));
            cases.extend(odd(format, packing));
        }
    }
    cases.extend(cut_off());
    cases
}

/// Files that are refused.
fn damaged(format: Format, packing: Packing, bytes: &[u8]) -> Vec<Case> {
    let packed = packing.pack(bytes);
    let len = packed.len();
    let (name, other) = match packing {
        Packing::Gzip => ("gzip", Packing::Zstd),
        _ => ("zstd", Packing::Gzip),
    };
    let other_name = if name == "gzip" { "zstd" } else { "gzip" };
    let breaks = format!("the {name} stream is damaged or cut off there");
    let flipped = |place: usize| {
        let mut bytes = packed.clone();
        bytes[place] ^= 0x10;
        bytes
    };
    let cut = |at: usize| packed[..at].to_vec();
    let files: Vec<(&str, Vec<u8>, String)> = vec![
        ("not packed", bytes.to_vec(), format!("is named as {name}, but is plain; rename it")),
        ("packed otherwise", other.pack(bytes), format!("is named as {name}, but is {other_name}")),
        ("empty", Vec::new(), format!("is named as {name}, but is empty")),
        ("one byte", cut(1), format!("is named as {name}, but is plain")),
        ("only the magic", cut(4), breaks.clone()),
        ("half of it", cut(len / 2), breaks.clone()),
        ("all but the last byte", cut(len - 1), breaks.clone()),
        ("no checksum", cut(len - if name == "gzip" { 8 } else { 4 }), breaks.clone()),
        ("a wrong checksum", flipped(len - if name == "gzip" { 6 } else { 2 }), breaks.clone()),
        ("a damaged end", flipped(len - 16), String::new()),
        ("garbage after it", [packed.clone(), b"garbage".to_vec()].concat(), breaks.clone()),
        ("zeros after it", [packed.clone(), vec![0; 512]].concat(), breaks),
        ("packed twice", packing.pack(&packed), "is packed twice; unpack it once".to_owned()),
        ("packed twice, otherwise", packing.pack(&other.pack(bytes)), "is packed twice".to_owned()),
    ];
    let case = |(about, bytes, says): (&str, _, _)| Case {
        about: about.to_owned(),
        name: format!("bad.{}{}", format.suffix(), packing.suffix()),
        bytes,
        error: Some(says),
        ..Case::default()
    };
    files.into_iter().map(case).collect()
}

/// Files that are read, whatever they look like.
fn odd(format: Format, packing: Packing) -> Vec<Case> {
    let wrong = format.row(&with(good(WRONG), "user", ""), "user");
    let plain = among_good(format, wrong, 2, Packing::Plain, "`user` is missing");
    let bytes = &plain.bytes;
    let named = |about: &str, suffix: &str, bytes: Vec<u8>| Case {
        about: about.to_owned(),
        name: format!("bad.{}{suffix}", format.suffix()),
        bytes,
        ..plain.clone()
    };
    let (start, end) = bytes.split_at(bytes.len() / 2);
    let parts = [packing.pack(start), packing.pack(&[]), packing.pack(end)].concat();
    let mut loud = named("capitals", "", packing.pack(bytes));
    loud.name = format!("BAD.{}{}", format.suffix(), packing.suffix()).to_uppercase();
    vec![
        named("packed, without the suffix", "", packing.pack(bytes)),
        named("packed in parts", packing.suffix(), parts),
        loud,
    ]
}

/// Files that break off after a batch and a half: a load by batches keeps the batch, and no half.
fn cut_off() -> Vec<Case> {
    let rows: Vec<_> = (0..25_000).map(good).collect();
    let case = |format: Format, packing: Packing, says: &str| {
        let lines: Vec<Vec<u8>> = rows.iter().map(|row| format.row(row, "")).collect();
        let mut bytes = packing.pack(&format.file(&lines, "\n").0);
        bytes.truncate(bytes.len() * 3 / 5);
        Case {
            about: "cut off after a batch".to_owned(),
            name: format!("bad.{}{}", format.suffix(), packing.suffix()),
            bytes,
            good: rows[..BATCH].to_vec(),
            error: Some(says.to_owned()),
            ..Case::default()
        }
    };
    let mut cases = vec![
        case(Format::Csv, Packing::Gzip, "the gzip stream is damaged or cut off there"),
        case(Format::Jsonl, Packing::Gzip, "the gzip stream is damaged or cut off there"),
        case(Format::Json, Packing::Gzip, "the gzip stream is damaged or cut off there"),
        case(Format::Tsv, Packing::Zstd, "the zstd stream is damaged or cut off there"),
        case(Format::Json, Packing::Plain, "the array is never closed: the file is cut off"),
    ];
    for case in &mut cases {
        let says = case.error.as_mut().unwrap();
        // The byte at which it breaks is the end of what is there.
        let place = format!("at byte {}: {says}", case.bytes.len());
        says.clear();
        write!(says, "{place}").unwrap();
    }
    cases
}
