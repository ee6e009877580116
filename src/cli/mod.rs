//! The command-line face: one file per subcommand.
//!
//! Results go to stdout, progress and errors to stderr. What went wrong is one line, and the
//! [`ExitCode`] says what kind of wrong it was.

mod alias;
mod answer;
mod backup;
mod bench;
mod compact;
mod completions;
mod convert;
mod demo;
mod duplicates;
mod embedding;
mod erase;
mod evaluate;
mod export;
mod extract;
mod generate;
mod graph_file;
mod infer;
mod load;
mod load_edges;
mod loads;
mod merge;
mod progress;
mod prune;
mod query;
mod repair;
mod replay;
mod retract;
mod serve;
mod source;
mod stats;
mod stopwatch;
mod train;
mod triple_file;
mod unload;
mod validate;
mod verify;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Parser, Subcommand, ValueEnum};

use crate::engine::{Engine, EngineError};
use crate::event::NodeKey;
use crate::ingest::IngestError;
use crate::schema::{NodeKind, Timestamp};

/// What the program says to whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Misused: the arguments are wrong.
    Misused = 2,
    /// Done, with refused rows within the budget.
    Rejects = 3,
    /// More rows were refused than the budget allows.
    Budget = 4,
    /// Interrupted; the same command goes on where it ended.
    Interrupted = 5,
}

/// Gives the flag that is set when the user wants the program to end.
pub type Interrupts = fn() -> Arc<AtomicBool>;

/// User-interest knowledge graph: raw text and behaviour in, explained interests and
/// recommendations out.
#[derive(Parser)]
#[command(name = "predilect", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 misused, 3 done with refused rows, 4 too many refused rows,
5 interrupted and resumable.

Start with: predilect demo";

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Load(load::Args),
    LoadEdges(load_edges::Args),
    Loads(loads::Args),
    Unload(unload::Args),
    Validate(validate::Args),
    Infer(infer::Args),
    Extract(extract::Args),
    Query(query::Args),
    Export(export::Args),
    Convert(convert::Args),
    Train(train::Args),
    Embedding(embedding::Args),
    Evaluate(evaluate::Args),
    Replay(replay::Args),
    Stats(stats::Args),
    Verify(verify::Args),
    Repair(repair::Args),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Compact(compact::Args),
    Prune(prune::Args),
    Retract(retract::Args),
    Erase(erase::Args),
    Alias(alias::Args),
    Duplicates(duplicates::Args),
    Merge(merge::MergeArgs),
    Unmerge(merge::UnmergeArgs),
    Generate(generate::Args),
    Serve(serve::Args),
    Bench(bench::Args),
    Completions(completions::Args),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    #[value(alias = "jsonl")]
    Json,
}

/// Where the store is.
#[derive(clap::Args)]
struct StoreArg {
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
}

/// How to answer.
#[derive(clap::Args)]
struct OutputArg {
    /// How to write the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// Runs the program with these arguments, the first of which is its name.
pub fn run(args: impl IntoIterator<Item = OsString>, interrupts: Interrupts) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A reader that is gone needs no help.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Misused } else { ExitCode::Done };
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let done = dispatch(cli.command, &mut out, interrupts);
    match done.and_then(|code| Ok(out.flush().map(|()| code)?)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn dispatch(
    command: Command,
    out: &mut dyn Write,
    interrupts: Interrupts,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => args.run(out, interrupts),
        Command::Load(args) => args.run(out, interrupts),
        Command::LoadEdges(args) => args.run(out, interrupts),
        Command::Loads(args) => args.run(out),
        Command::Unload(args) => args.run(out, interrupts),
        Command::Validate(args) => args.run(out, interrupts),
        Command::Infer(args) => args.run(out),
        Command::Extract(args) => args.run(out, interrupts),
        Command::Query(args) => args.run(out),
        Command::Export(args) => args.run(out),
        Command::Convert(args) => args.run(out),
        Command::Train(args) => args.run(out),
        Command::Embedding(args) => args.run(out),
        Command::Evaluate(args) => args.run(out),
        Command::Replay(args) => args.run(out),
        Command::Stats(args) => args.run(out),
        Command::Verify(args) => args.run(out),
        Command::Repair(args) => args.run(out),
        Command::Backup(args) => args.run(out),
        Command::Restore(args) => args.run(out),
        Command::Compact(args) => args.run(out),
        Command::Prune(args) => args.run(out, interrupts),
        Command::Retract(args) => args.run(out),
        Command::Erase(args) => args.run(out),
        Command::Alias(args) => args.run(out),
        Command::Duplicates(args) => args.run(out),
        Command::Merge(args) => args.run(out),
        Command::Unmerge(args) => args.run(out),
        Command::Generate(args) => args.run(out),
        Command::Serve(args) => args.run(out),
        Command::Bench(args) => args.run(out),
        Command::Completions(args) => args.run(out),
    }
}

/// Tells the error with its causes in one line.
fn failed(error: &anyhow::Error) -> ExitCode {
    let gone = |cause: &(dyn std::error::Error + 'static)| {
        let kind = match cause.downcast_ref::<serde_json::Error>() {
            Some(error) => error.io_error_kind(),
            None => cause.downcast_ref::<io::Error>().map(io::Error::kind),
        };
        kind == Some(io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(gone) {
        // Whoever read the answer has had enough of it.
        return ExitCode::Done;
    }
    let mut line = String::from("error");
    for cause in error.chain().map(ToString::to_string) {
        // Many errors name their cause themselves.
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    let ingest = error.chain().find_map(|cause| match cause.downcast_ref::<EngineError>() {
        Some(EngineError::Ingest(error)) => Some(error),
        _ => cause.downcast_ref::<IngestError>(),
    });
    if let Some(error @ IngestError::Interrupted) = ingest {
        note(&error.to_string());
        return ExitCode::Interrupted;
    }
    note(&line.replace('\n', " "));
    match ingest {
        Some(IngestError::TooManyRejects { .. }) => ExitCode::Budget,
        _ => ExitCode::Failed,
    }
}

/// Writes a line to stderr; nobody reading it is no reason to end.
fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Keeps the engine's snapshot for the next start, which builds it where it cannot be kept.
fn keep_snapshot(engine: &Engine) {
    if let Err(error) = engine.keep_snapshot() {
        note(&format!("the graph is not kept for the next start: {error}"));
    }
}

fn write_json(out: &mut dyn Write, value: &impl serde::Serialize) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    Ok(writeln!(out)?)
}

/// Reads a time from an argument.
fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "give RFC 3339 (2025-12-31T00:00:00Z) or milliseconds since 1970".to_owned())
}

/// Reads `KIND:ID` from an argument.
fn parse_key(text: &str) -> Result<NodeKey, String> {
    let known = || NodeKind::ALL.map(NodeKind::name).join(", ");
    let (kind, id) = text
        .split_once(':')
        .ok_or_else(|| format!("give KIND:ID, such as item:tt0133093; kinds: {}", known()))?;
    let kind = NodeKind::parse(kind)
        .ok_or_else(|| format!("unknown kind `{kind}`; known: {}", known()))?;
    NodeKey::new(kind, id).map_err(|error| error.to_string())
}

/// Reads a user's id from an argument.
fn parse_user(text: &str) -> Result<NodeKey, String> {
    NodeKey::new(NodeKind::User, text).map_err(|error| error.to_string())
}

/// Reads an entity's name from an argument.
fn parse_entity(text: &str) -> Result<NodeKey, String> {
    NodeKey::new(NodeKind::Entity, text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
