//! Does a Parquet file's index tell one story, and one that fits the file? Readers take its word.

use std::fs::File;

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

/// Says what is wrong with the index, if anything is.
pub(super) fn check(file: &File, index: &ParquetMetaData) -> Result<(), String> {
    let end = file.metadata().map_err(|error| error.to_string())?.len();
    let mut total = 0_i64;
    for (number, group) in index.row_groups().iter().enumerate() {
        let n_rows = group.num_rows();
        total = match total.checked_add(n_rows) {
            Some(total) if n_rows >= 0 => total,
            _ => return Err(format!("its index lies: {n_rows} rows in group {number}")),
        };
        for column in group.columns() {
            let name = column.column_path();
            let lies =
                |what: String| format!("its index lies: column `{name}` in group {number} {what}");
            let n_values = column.num_values();
            if column.column_descr().max_rep_level() == 0 && n_values != n_rows {
                return Err(lies(format!("has {n_values} values for {n_rows} rows")));
            }
            check_range(column, end).map_err(lies)?;
        }
    }
    let told = index.file_metadata().num_rows();
    if told == total {
        return Ok(());
    }
    Err(format!("its index lies: {told} rows in the file, {total} in its groups"))
}

/// Do the column's pages lie in the file?
fn check_range(column: &ColumnChunkMetaData, end: u64) -> Result<(), String> {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let length = column.compressed_size();
    let inside = |start: i64, length: i64| {
        let start = u64::try_from(start).ok()?;
        let stop = start.checked_add(u64::try_from(length).ok()?)?;
        (stop <= end).then_some(())
    };
    let whole = inside(start, length).and(inside(column.data_page_offset(), 0));
    whole.ok_or_else(|| format!("lies at byte {start} with {length} bytes, in a file of {end}"))?;
    if column.uncompressed_size() < 0 {
        return Err(format!("has {} bytes once unpacked", column.uncompressed_size()));
    }
    Ok(())
}
