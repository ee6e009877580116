//! Parquet files with wrong values, wrong types, and wrong containers.

use std::io::Write;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray, NullArray,
    RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};

use crate::case::{COLUMNS, Case, Format, N_GOOD, Packing, Row, Told, WRONG, good, with};
use crate::fields::defects;

type Columns = Vec<(String, ArrayRef)>;

/// A Parquet file of these rows.
pub fn file(rows: &[Row]) -> Vec<u8> {
    written(columns(rows))
}

fn columns(rows: &[Row]) -> Columns {
    let column = |(place, name): (usize, &str)| {
        let cells = rows.iter().map(|row| Some(row[place].as_str()));
        let column: ArrayRef = match name {
            "value" => {
                Arc::new(cells.map(|cell| cell?.parse::<f64>().ok()).collect::<Float64Array>())
            }
            _ => Arc::new(cells.collect::<StringArray>()),
        };
        (name.to_owned(), column)
    };
    COLUMNS.into_iter().enumerate().map(column).collect()
}

fn written(columns: Columns) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn rows() -> Vec<Row> {
    (0..N_GOOD).map(good).collect()
}

/// The wrong fields of text files that a Parquet file can have as well.
pub fn fields() -> Vec<Case> {
    let mut cases = Vec::new();
    for (field, text, says) in defects() {
        // What is no number cannot stand in a column of numbers.
        if field == "value" && ["much", "0x10", "1 000", "1e400", "-1e999"].contains(&text.as_str())
        {
            continue;
        }
        for position in [0, N_GOOD / 2, N_GOOD] {
            let mut rows = rows();
            rows.insert(position, with(good(WRONG), field, &text));
            cases.push(Case {
                about: format!("{field} in row {position}: {says}"),
                name: "bad.parquet".to_owned(),
                bytes: written(columns(&rows)),
                good: (0..N_GOOD).map(good).collect(),
                rejects: vec![told(position as u64 + 1, says)],
                repair: Some((field, good(WRONG))),
                ..Case::default()
            });
        }
    }
    cases
}

fn told(line: u64, says: &str) -> Told {
    Told { line, byte: None, says: says.to_owned() }
}

/// A file of good rows, but for the column `name`.
fn but(name: &str, column: ArrayRef) -> Columns {
    let mut columns = columns(&rows());
    columns.iter_mut().find(|(known, _)| known == name).unwrap().1 = column;
    columns
}

fn refused(about: &str, bytes: Vec<u8>, says: &str) -> Case {
    Case {
        about: about.to_owned(),
        name: "bad.parquet".to_owned(),
        bytes,
        error: Some(says.to_owned()),
        ..Case::default()
    }
}

/// Columns of types that do not fit, and values that their own types can hold and ours cannot.
pub fn types() -> Vec<Case> {
    let mut cases = Vec::new();
    let refuse = |name: &str, column: ArrayRef| {
        let about = format!("`{name}` as {}", column.data_type());
        refused(&about, written(but(name, column)), &format!("column `{name}` has the type"))
    };
    let flags = || -> ArrayRef { Arc::new(BooleanArray::from(vec![true; N_GOOD])) };
    let bytes = || -> ArrayRef { Arc::new(BinaryArray::from(vec![&b"a"[..]; N_GOOD])) };
    let floats = || -> ArrayRef { Arc::new(Float64Array::from(vec![1.5; N_GOOD])) };
    let texts = || -> ArrayRef { Arc::new(StringArray::from(vec!["7.5"; N_GOOD])) };
    let times = || -> ArrayRef { Arc::new(TimestampMillisecondArray::from(vec![0; N_GOOD])) };
    let lists = || -> ArrayRef {
        let row = || Some(vec![Some(1)]);
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>((0..N_GOOD).map(|_| row())))
    };
    for name in ["event_id", "user", "target", "target_kind", "action", "session", "text"] {
        cases.extend(
            [flags(), bytes(), floats(), times(), lists()].map(|column| refuse(name, column)),
        );
    }
    cases.extend([flags(), bytes(), floats(), lists()].map(|column| refuse("at", column)));
    cases.extend(
        [flags(), bytes(), texts(), times(), lists()].map(|column| refuse("value", column)),
    );
    cases.extend(values());
    let mut renamed = columns(&rows());
    renamed[7].0 = "shop".to_owned();
    cases.push(refused(
        "a strange column",
        written(renamed),
        "unknown column `shop`; known: event_id",
    ));
    for needed in ["event_id", "user", "target", "action", "at"] {
        let mut columns = columns(&rows());
        columns.retain(|(name, _)| name != needed);
        let says = format!("no column `{needed}`; add it, or give a --mapping");
        cases.push(refused(&format!("no {needed}"), written(columns), &says));
    }
    cases
}

fn case(about: &str, columns: Columns, good: Vec<Row>, rejects: Vec<Told>) -> Case {
    Case {
        about: about.to_owned(),
        name: "bad.parquet".to_owned(),
        bytes: written(columns),
        good,
        rejects,
        ..Case::default()
    }
}

/// The good rows with other texts in one field.
fn changed(field: &str, texts: [&str; N_GOOD]) -> Vec<Row> {
    (0..N_GOOD).map(|row| with(good(row), field, texts[row])).collect()
}

/// Files that load but for some rows.
fn values() -> Vec<Case> {
    let day = 86_400_000_i64;
    let days = ["1970-01-02T00:00:00Z", "1970-01-03T00:00:00Z"];
    let two = || -> Vec<Row> { (2..4).map(|row| with(good(row), "at", days[row - 2])).collect() };
    let times = |about: &str, column: ArrayRef, says: [&str; 2]| {
        let rejects = vec![told(1, says[0]), told(2, says[1])];
        case(about, but("at", column), two(), rejects)
    };
    let null = |name: &str| -> Columns {
        let kept = rows();
        let place = COLUMNS.iter().position(|known| *known == name).unwrap();
        let cells =
            kept.iter().enumerate().map(|(row, cells)| (row != 1).then_some(cells[place].as_str()));
        but(name, Arc::new(cells.collect::<StringArray>()))
    };
    let mut cases = Vec::new();
    for (name, says) in [
        ("event_id", "`event_id` is missing"),
        ("user", "`user` is missing"),
        ("target", "`target` is missing"),
        ("action", "unknown action ``"),
        ("at", "`at` is \"\""),
    ] {
        let good = vec![good(0), good(2), good(3)];
        cases.push(case(&format!("{name} null"), null(name), good, vec![told(2, says)]));
    }
    let range = "1970 to 9999";
    let lost = "which is out of range";
    cases.extend([
        times(
            "milliseconds out of range",
            Arc::new(TimestampMillisecondArray::from(vec![-1, i64::MAX, day, 2 * day])),
            ["`at` is \"-1\"", range],
        ),
        times(
            "seconds out of range",
            Arc::new(TimestampSecondArray::from(vec![i64::MIN, i64::MAX, 86_400, 172_800])),
            [lost, lost],
        ),
        times(
            "microseconds out of range",
            Arc::new(TimestampMicrosecondArray::from(vec![
                i64::MIN,
                i64::MAX,
                day * 1000,
                day * 2000,
            ])),
            [range, range],
        ),
        times(
            "nanoseconds out of range",
            Arc::new(TimestampNanosecondArray::from(vec![
                i64::MIN,
                -1_000_000,
                day * 1_000_000,
                day * 2_000_000,
            ])),
            [range, "`at` is \"-1\""],
        ),
        times(
            "days out of range",
            Arc::new(Date32Array::from(vec![-1, i32::MAX, 1, 2])),
            [range, range],
        ),
        times(
            "whole numbers out of range",
            Arc::new(Int64Array::from(vec![-1, i64::MIN, day, 2 * day])),
            ["`at` is \"-1\"", range],
        ),
        times(
            "unsigned numbers out of range",
            Arc::new(UInt64Array::from(vec![u64::MAX, 1 << 63, 86_400_000, 172_800_000])),
            [range, range],
        ),
    ]);
    cases.extend(casts());
    cases
}

/// Columns of types that are cast, and what is lost by it.
fn casts() -> Vec<Case> {
    let mut cases = Vec::new();
    let numbers = changed("user", ["-1", "0", "7", "9223372036854775807"]);
    let column = Int64Array::from(vec![-1, 0, 7, i64::MAX]);
    cases.push(case("users as numbers", but("user", Arc::new(column)), numbers, vec![]));
    let column = LargeStringArray::from(vec!["a", "b", "c", ""]);
    let kept = changed("user", ["a", "b", "c", ""])[..3].to_vec();
    cases.push(case(
        "large texts",
        but("user", Arc::new(column)),
        kept,
        vec![told(4, "is missing")],
    ));
    let column: DictionaryArray<Int32Type> = ["a", "b", "a", ""].into_iter().collect();
    let kept = changed("user", ["a", "b", "a", ""])[..3].to_vec();
    cases.push(case(
        "a dictionary",
        but("user", Arc::new(column)),
        kept,
        vec![told(4, "is missing")],
    ));
    let column = NullArray::new(N_GOOD);
    let kept = changed("value", [""; N_GOOD]);
    cases.push(case("a column of no type", but("value", Arc::new(column)), kept, vec![]));
    let column =
        Decimal128Array::from(vec![75, 10, 0, 110]).with_precision_and_scale(10, 1).unwrap();
    let kept = changed("value", ["7.5", "1", "0", "11"])[..3].to_vec();
    cases.push(case("decimals", but("value", Arc::new(column)), kept, vec![told(4, "11")]));
    let column = Float32Array::from(vec![7.5, f32::NAN, f32::INFINITY, 0.0]);
    let kept = vec![good(0), with(good(3), "value", "0")];
    let rejects = vec![told(2, "`value` is NaN"), told(3, "`value` is inf")];
    cases.push(case("small floats", but("value", Arc::new(column)), kept, rejects));
    let column = Int32Array::from(vec![Some(10), Some(-1), None, Some(i32::MAX)]);
    let kept = vec![with(good(0), "value", "10"), with(good(2), "value", "")];
    let rejects = vec![told(2, "-1"), told(4, "2147483647")];
    cases.push(case("whole numbers", but("value", Arc::new(column)), kept, rejects));
    cases
}

/// Files that are no whole Parquet files, or whose index lies.
pub fn containers() -> Vec<Case> {
    let bytes = written(columns(&rows()));
    let len = bytes.len();
    let no_file = "not a whole Parquet file";
    let mut cases = Vec::new();
    for at in [0, 1, 4, 8, 12, len / 4, len / 2, len - 9, len - 8, len - 4, len - 1] {
        cases.push(refused(&format!("the first {at} bytes"), bytes[..at].to_vec(), no_file));
    }
    let index = u32::from_le_bytes(bytes[len - 8..len - 4].try_into().unwrap()) as usize;
    let patched = |at: usize, with: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let csv = Format::Csv.file(&[Format::Csv.row(&good(0), "")], "\n").0;
    cases.extend([
        refused("another magic at the end", patched(len - 4, b"PAR2"), no_file),
        refused("an encrypted index", patched(len - 4, b"PARE"), no_file),
        refused("an index of no bytes", patched(len - 8, &[0; 4]), no_file),
        refused("an index of one byte", patched(len - 8, &[1, 0, 0, 0]), no_file),
        refused("an index of 4 GB", patched(len - 8, &[0xff; 4]), no_file),
        refused(
            "an index longer than the file",
            patched(len - 8, &(len as u32).to_le_bytes()),
            no_file,
        ),
        refused("an index of zeros", patched(len - 8 - index, &vec![0; index]), no_file),
        refused("an index of ones", patched(len - 8 - index, &vec![0xff; index]), no_file),
        refused("no pages", patched(4, &vec![0; len - 12 - index]), no_file),
        refused("pages of ones", patched(4, &vec![0xff; len - 12 - index]), no_file),
        refused("CSV", csv.clone(), no_file),
        refused("zeros", vec![0; 4096], no_file),
        refused("two magics", b"PAR1PAR1".to_vec(), no_file),
        refused("packed with gzip", Packing::Gzip.pack(&bytes), no_file),
        refused("packed with zstd", Packing::Zstd.pack(&bytes), no_file),
    ]);
    for suffix in ["csv", "tsv", "jsonl", "json", "ndjson"] {
        let mut case =
            refused("named as text", bytes.clone(), "holds Parquet, not text; rename it");
        case.name = format!("bad.{suffix}");
        cases.push(case);
    }
    for (suffix, packing) in [("gz", Packing::Gzip), ("zst", Packing::Zstd)] {
        let says = "Parquet packs its own pages; unpack the file";
        let mut case = refused("packed and named so", packing.pack(&bytes), says);
        case.name = format!("bad.parquet.{suffix}");
        cases.push(case);
    }
    cases.extend(lies(&bytes));
    cases
}

/// Files whose index tells other numbers than the pages.
fn lies(bytes: &[u8]) -> Vec<Case> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let index = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let with_index = |index: &ParquetMetaData| {
        let end = bytes.len() - 8;
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        let mut lying = bytes[..end - length].to_vec();
        ParquetMetaDataWriter::new(&mut lying, index).finish().unwrap();
        lying
    };
    let mut cases = Vec::new();
    for n_rows in [0, 1, 3, 5, 1_000_000, i64::MAX, -1, i64::MIN] {
        let group = index.row_group(0).clone().into_builder().set_num_rows(n_rows).build();
        let Ok(group) = group else { continue };
        let lying = index.clone().into_builder().set_row_groups(vec![group]).build();
        let about = format!("{n_rows} rows in the group");
        cases.push(refused(&about, with_index(&lying), "not a whole Parquet file"));
    }
    for n_values in [0, 3, 5, i64::MAX, -1] {
        let group = index.row_group(0).clone();
        let mut columns = group.columns().to_vec();
        columns[1] = columns[1].clone().into_builder().set_num_values(n_values).build().unwrap();
        let group = group.into_builder().set_column_metadata(columns).build().unwrap();
        let lying = index.clone().into_builder().set_row_groups(vec![group]).build();
        let about = format!("{n_values} values in a column");
        cases.push(refused(&about, with_index(&lying), "not a whole Parquet file"));
    }
    let group = index.row_group(0).clone();
    let mut columns = group.columns().to_vec();
    let other = parquet::basic::Compression::LZ4;
    columns[1] = columns[1].clone().into_builder().set_compression(other).build().unwrap();
    let group = group.into_builder().set_column_metadata(columns).build().unwrap();
    let lying = index.clone().into_builder().set_row_groups(vec![group]).build();
    let says = "column `user` is packed with LZ4; write it anew with SNAPPY or ZSTD";
    cases.push(refused("another packing", with_index(&lying), says));
    for (about, offset, length) in [
        ("a column past the end", 1 << 40, 100),
        ("a column of 4 TB", 4, 1 << 42),
        ("a column of no bytes", 4, 0),
        ("a column before the start", -100, 100),
        ("a column of less than no bytes", 4, -5),
        ("a column at the end of all numbers", i64::MAX, i64::MAX),
    ] {
        let group = index.row_group(0).clone();
        let mut columns = group.columns().to_vec();
        columns[1] = columns[1]
            .clone()
            .into_builder()
            .set_dictionary_page_offset(None)
            .set_data_page_offset(offset)
            .set_total_compressed_size(length)
            .build()
            .unwrap();
        let group = group.into_builder().set_column_metadata(columns).build().unwrap();
        let lying = index.clone().into_builder().set_row_groups(vec![group]).build();
        cases.push(refused(about, with_index(&lying), "not a whole Parquet file"));
    }
    cases
}
