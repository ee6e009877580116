//! `predilect convert`: labelled text from the formats that data sets come in.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::builder::PossibleValuesParser;
use clap::builder::{PossibleValue, TypedValueParser};

use super::{ExitCode, Output, OutputArg, write_json};
use crate::extract::label::{self, CONVERTERS, Source, Summary};
use crate::schema::{self, Schema};

/// Turn labelled text of other formats into the JSON lines that training and evaluation read
#[derive(clap::Args)]
#[command(after_help = "\
What a format has and labelled text has no place for is left out and counted by reason.

Example:
  predilect convert --from marked --input reviews.txt --dest labels.jsonl
  predilect convert --from catalogue --input items.jsonl --dest labels.jsonl")]
pub(super) struct Args {
    /// The format
    #[arg(long, value_name = "NAME", value_parser = names())]
    from: String,
    /// The file to read; for `snips` its folder
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The file to write, as JSON lines; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    dest: PathBuf,
    /// Schema that tells the types of a catalogue's fields, in place of the shipped one
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
}

fn names() -> impl TypedValueParser<Value = String> {
    let names = CONVERTERS.iter().map(|row| PossibleValue::new(row.name).help(row.about));
    PossibleValuesParser::new(names.collect::<Vec<_>>())
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let schema = match &self.schema {
            Some(file) => fs::read_to_string(file)
                .with_context(|| format!("schema {} cannot be read", file.display()))?,
            None => schema::DEFAULT.to_owned(),
        };
        let schema = Schema::parse(&schema)?;
        ensure!(
            !is_same(&self.input, &self.dest),
            "{} would be written over itself; give another --dest",
            self.input.display()
        );
        let source = Source { path: &self.input, schema: &schema };
        let converted = (label::by_name(&self.from)?.convert)(&source)?;
        label::write(&self.dest, &converted.texts)?;
        match self.output.output {
            Output::Json => write_json(out, &converted.summary())?,
            Output::Text => tell(out, &converted.summary())?,
        }
        Ok(ExitCode::Done)
    }
}

/// Whether both paths lead to one file that is there.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn tell(out: &mut dyn Write, summary: &Summary) -> anyhow::Result<()> {
    writeln!(out, "texts      {}", summary.texts)?;
    for (what, counts) in [("entities", &summary.entities), ("relations", &summary.relations)] {
        writeln!(out, "{what:<10} {}", counts.values().sum::<u64>())?;
        for (name, count) in counts {
            writeln!(out, "  {name}: {count}")?;
        }
    }
    for (reason, count) in &summary.dropped.0 {
        writeln!(out, "dropped    {count}: {reason}")?;
    }
    Ok(())
}
