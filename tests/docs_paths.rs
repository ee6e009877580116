//! Every path of this repository that a document names exists.
//!
//! A path is a word in backticks, or in a fenced block, that starts with one of [`FOLDERS`]. Where
//! it holds a placeholder (`src/export/<name>.rs`), the folder before the placeholder must exist.

use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 3] = ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"];

const FOLDERS: [&str; 9] = [
    "src/",
    "schema/",
    "tests/",
    "graph-data/",
    "proto/",
    "benches/",
    "examples/",
    ".ci/",
    ".github/",
];

#[test]
fn every_path_in_the_documents_exists() {
    let missing: Vec<String> = DOCUMENTS.iter().flat_map(|name| missing_in(name)).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Nothing for a document that is not there.
fn missing_in(document: &str) -> Vec<String> {
    let path = root().join(document);
    if !path.exists() {
        return Vec::new();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let absent = paths(&text).into_iter().filter(|(_, path)| !root().join(path).exists());
    absent.map(|(line, path)| format!("{document}:{line}: `{path}` does not exist")).collect()
}

/// The line and path of everything in `document` that must exist.
fn paths(document: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (index, line) in document.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let code: Vec<&str> =
            if fenced { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        let words = code.iter().flat_map(|code| code.split(|mark| " \t\"'(),;=".contains(mark)));
        found.extend(words.filter_map(path).map(|path| (index + 1, path)));
    }
    found
}

/// The path in `word` that must exist: cut before a placeholder, without a line number or a dot at
/// the end of the sentence.
fn path(word: &str) -> Option<String> {
    let word = word.strip_prefix("./").unwrap_or(word);
    if !FOLDERS.iter().any(|folder| word.starts_with(folder)) {
        return None;
    }
    let word = word.split([':', '#']).next().unwrap_or(word).trim_end_matches('.');
    let fixed = word.split(['<', '*', '{', '$', '…', '[']).next().unwrap_or(word);
    let folder_end = fixed.rfind('/').map_or(0, |slash| slash + 1);
    Some(if fixed.len() < word.len() { &fixed[..folder_end] } else { fixed }.to_owned())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Asserts that `document` names just these paths, given in one string.
fn check(document: &str, expected: &str) {
    let found: Vec<String> = paths(document).into_iter().map(|(_, path)| path).collect();
    assert_eq!(found.join(" "), expected, "{document}");
}

#[test]
fn paths_are_found() {
    check("See `src/lib.rs` and `tests/`.", "src/lib.rs tests/");
    check("See src/lib.rs, `a/src/lib.rs` and `serde::de`.", "");
    check("`./src/lib.rs`, `src/lib.rs:12`, `src/lib.rs#L3`", "src/lib.rs src/lib.rs src/lib.rs");
    check("`predilect load graph-data/tiny/a.csv --dry-run`", "graph-data/tiny/a.csv");
    check("`--events=graph-data/tiny/a.csv`", "graph-data/tiny/a.csv");
    check(
        "```sh\nload graph-data/tiny/a.csv # src/\n```\nload src/lib.rs",
        "graph-data/tiny/a.csv src/",
    );
    check("```rust\nopen(\"graph-data/tiny\")?;\n```", "graph-data/tiny");
    check("`src/export/<name>.rs` `proto/**/*.proto` `src/{a,b}.rs`", "src/export/ proto/ src/");
    check("```text\nsrc/...\n```", "src/");
}

#[test]
fn a_path_that_is_missing_is_noticed() {
    let found = paths("a\n`src/no_such_file.rs`");
    assert_eq!(found, [(2, "src/no_such_file.rs".to_owned())]);
    assert!(!root().join(&found[0].1).exists());
    assert!(root().join("src/lib.rs").exists());
}
