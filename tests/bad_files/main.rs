//! Bad files do no harm: of every file in a table it is known which rows load, and which are refused at
//! which line and byte with which reason, or why the file is refused as a whole. After each load the store
//! holds the good rows and nothing else, whichever way it took them.

mod case;
mod fields;
mod mutants;
mod packed;
mod parquet_files;
mod program;
mod rows;
mod whole;

use std::collections::BTreeSet;

use case::Case;

/// The tables, by what is wrong in them.
fn tables() -> Vec<Vec<Case>> {
    vec![
        fields::cases(),
        rows::separated(),
        rows::json(),
        rows::newlines(),
        rows::arrays(),
        whole::encodings(),
        whole::headers(),
        packed::cases(),
        parquet_files::fields(),
        parquet_files::types(),
        parquet_files::containers(),
    ]
}

#[test]
fn there_are_more_than_five_hundred_and_all_differ() {
    let cases: Vec<Case> = tables().into_iter().flatten().collect();
    let bytes: BTreeSet<_> = cases.iter().map(|case| (&case.name, &case.bytes)).collect();
    assert_eq!(bytes.len(), cases.len(), "a file is there twice");
    assert!(cases.len() > 500, "{} files", cases.len());
}

fn check(cases: Vec<Case>) {
    assert!(!cases.is_empty());
    for case in cases {
        case.check();
    }
}

#[test]
fn wrong_fields_of_text_files() {
    check(fields::cases());
}

#[test]
fn wrong_rows_of_separated_values() {
    check(rows::separated());
}

#[test]
fn wrong_rows_of_json() {
    check(rows::json());
}

#[test]
fn every_kind_of_newline_and_mark() {
    check(rows::newlines());
}

#[test]
fn wrong_arrays() {
    check(rows::arrays());
}

#[test]
fn other_encodings() {
    check(whole::encodings());
}

#[test]
fn wrong_headers() {
    check(whole::headers());
}

#[test]
fn wrong_packing() {
    check(packed::cases());
}

#[test]
fn wrong_fields_of_parquet() {
    check(parquet_files::fields());
}

#[test]
fn wrong_types_of_parquet() {
    check(parquet_files::types());
}

#[test]
fn wrong_containers_of_parquet() {
    check(parquet_files::containers());
}
