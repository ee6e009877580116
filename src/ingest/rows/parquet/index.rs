//! Does a Parquet file's index tell one story, and one that fits the file? Readers take its word. And how
//! many rows at a time fit into memory, by what the headers of its pages say.

use std::fs::File;

use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::pages;

/// Rows to a batch, at most.
const BATCH_ROWS: u64 = 8192;
/// Bytes of a batch, more or less.
const BATCH_BYTES: u64 = 32 << 20;
/// Bytes of the pages that are open at once: of each column its dictionary and one more.
const MAX_PAGE_BYTES: u64 = 256 << 20;

/// How many rows to read at a time of the columns that are `known`; or what is wrong with the file.
pub(super) fn batch_rows(
    file: &File,
    index: &ParquetMetaData,
    known: &dyn Fn(&str) -> bool,
) -> Result<usize, String> {
    let end = file.metadata().map_err(|error| error.to_string())?.len();
    let mut total = 0_i64;
    let mut rows = BATCH_ROWS;
    for (number, group) in index.row_groups().iter().enumerate() {
        let n_rows = group.num_rows();
        total = match total.checked_add(n_rows) {
            Some(total) if n_rows >= 0 => total,
            _ => return Err(format!("its index lies: {n_rows} rows in group {number}")),
        };
        let (mut open, mut row) = (0, 0);
        for column in group.columns() {
            let name = column.column_path().string();
            let lies =
                |what: String| format!("its index lies: column `{name}` in group {number} {what}");
            let n_values = column.num_values();
            if column.column_descr().max_rep_level() == 0 && n_values != n_rows {
                return Err(lies(format!("has {n_values} values for {n_rows} rows")));
            }
            let (start, length) = range(column, end).map_err(lies)?;
            if !column.column_path().parts().first().is_some_and(|root| known(root)) {
                continue;
            }
            check_packing(column)?;
            let (mut dictionary, mut largest, mut widest) = (0, 0, 0);
            let mut n_in_pages = 0_u64;
            pages::each(file, start, length, &mut |page| {
                if page.is_dictionary {
                    dictionary = page.unpacked.max(dictionary);
                } else {
                    n_in_pages = n_in_pages.saturating_add(page.n_values);
                    largest = page.unpacked.max(largest);
                    widest = page.unpacked.div_ceil(page.n_values.max(1)).max(widest);
                }
            })
            .map_err(|why| format!("column `{name}` in group {number} has {why}"))?;
            if i64::try_from(n_in_pages) != Ok(n_values) {
                return Err(lies(format!("has {n_values} values, {n_in_pages} in its pages")));
            }
            open += dictionary + largest;
            row += widest;
        }
        if open > MAX_PAGE_BYTES {
            return Err(format!(
                "the pages of group {number} unpack to {open} bytes at once; the limit is \
                 {MAX_PAGE_BYTES}: write the file anew with smaller pages"
            ));
        }
        rows = rows.min(BATCH_BYTES / row.max(1));
    }
    let told = index.file_metadata().num_rows();
    if told != total {
        return Err(format!("its index lies: {told} rows in the file, {total} in its groups"));
    }
    Ok(rows.max(1) as usize)
}

/// Where the column's pages begin, and how many bytes they have.
fn range(column: &ColumnChunkMetaData, end: u64) -> Result<(u64, u64), String> {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let length = column.compressed_size();
    let inside = |start: i64, length: i64| {
        let (start, length) = (u64::try_from(start).ok()?, u64::try_from(length).ok()?);
        (start.checked_add(length)? <= end).then_some((start, length))
    };
    let range = inside(column.data_page_offset(), 0).and(inside(start, length));
    range.ok_or_else(|| format!("lies at byte {start} with {length} bytes, in a file of {end}"))
}

fn check_packing(column: &ColumnChunkMetaData) -> Result<(), String> {
    match column.compression() {
        Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_) => Ok(()),
        other => Err(format!(
            "column `{}` is packed with {other}; write it anew with SNAPPY or ZSTD",
            column.column_path().string()
        )),
    }
}
