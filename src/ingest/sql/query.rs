//! The query over one file, and its result as events.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::Volatility;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use tokio::runtime::Builder;

use super::super::rows::{self, InputParams, Sink, foreign, unreadable};
use super::super::{IngestError, Mapping};
use super::Select;
use super::table::Table;
use crate::event::RawEvent;

/// What the file is called in the query.
const TABLE: &str = "input";

/// Is it SQL, for files that can be read by it?
///
/// # Errors
/// [`IngestError::Select`]; [`IngestError::Unreadable`] for standard input.
pub(in super::super) fn check(select: &Select, events: &[PathBuf]) -> Result<(), IngestError> {
    let state = context(select).map_err(|error| refused(&error))?.state();
    let parsed = state.sql_to_statement(&select.sql, &state.config_options().sql_parser.dialect);
    parsed.map_err(|error| refused(&error))?;
    match events.iter().find(|path| rows::is_stdin(path)) {
        Some(path) => Err(unreadable(
            path,
            "--select reads a file's columns before its rows, which standard input does not allow; save \
             it to a file",
        )),
        None => Ok(()),
    }
}

/// Reads what `select` makes of a file.
///
/// # Errors
/// [`IngestError::Select`] for a query that does not fit the file, or that fails; those of the file, and
/// of `sink`.
pub(in super::super) fn events(
    path: &Path,
    input: &InputParams,
    select: &Select,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    let table = Arc::new(Table::open(path, input)?);
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| IngestError::Io { path: path.to_owned(), source })?;
    runtime.block_on(read(path, &table, select, mapping, sink))
}

async fn read(
    path: &Path,
    table: &Arc<Table>,
    select: &Select,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    // What ended the reading of the file counts before what the query makes of it.
    let failed = |error: DataFusionError| table.failure().unwrap_or_else(|| refused(&error));
    let context = context(select).map_err(failed)?;
    context.register_table(TABLE, Arc::clone(table) as _).map_err(failed)?;
    let only_select =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let result = context.sql_with_options(&select.sql, only_select).await.map_err(failed)?;
    foreign::check(path, result.schema().as_arrow(), mapping)?;
    let mut batches = result.execute_stream().await.map_err(failed)?;
    let mut line = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(failed)?;
        tell_refused(table, sink)?;
        foreign::events(path, &batch, &mut line, mapping, sink)?;
    }
    tell_refused(table, sink)?;
    table.failure().map_or(Ok(()), Err)
}

/// Tells the rows of the file that could not be taken apart.
fn tell_refused(table: &Table, sink: Sink<'_, RawEvent>) -> Result<(), IngestError> {
    table.take_refused().into_iter().try_for_each(|reject| sink(reject.at, Err(reject)))
}

/// Where the query runs: in one partition, without functions that answer otherwise when asked again.
fn context(select: &Select) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    // What merging sorted rows may take must be there when it begins.
    let merging = &mut config.options_mut().execution.sort_spill_reservation_bytes;
    *merging = (*merging).min(select.max_memory / 4);
    let pool = Arc::new(FairSpillPool::new(select.max_memory));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc()?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    let changing: Vec<String> = context
        .state()
        .scalar_functions()
        .iter()
        .filter(|(_, function)| function.signature().volatility != Volatility::Immutable)
        .map(|(name, _)| name.clone())
        .collect();
    changing.iter().for_each(|name| context.deregister_udf(name));
    Ok(context)
}

fn refused(error: &DataFusionError) -> IngestError {
    let reason = match error.find_root() {
        DataFusionError::ResourcesExhausted(why) => {
            format!("{why}; give more --max-memory")
        }
        DataFusionError::ArrowError(why, _) => {
            format!("{why}; TRY_CAST makes NULL of what does not fit")
        }
        other => other.strip_backtrace(),
    };
    IngestError::Select { reason }
}
