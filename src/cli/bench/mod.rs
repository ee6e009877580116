//! `predilect bench`: how fast parts of the program are on this machine.

mod edges;
mod extract;
mod graph;
mod load;
mod nearest;

use std::io::Write;

use clap::Subcommand;

use super::ExitCode;
use super::stopwatch::Stopwatch;

/// Measure how fast this machine runs a part of the program
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    Extract(extract::Args),
    Load(load::Args),
    Csr(graph::CsrArgs),
    Khop(graph::KhopArgs),
    Ppr(graph::PprArgs),
    Walk(graph::WalkArgs),
    Nearest(nearest::Args),
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.part {
            Part::Extract(args) => args.run(out),
            Part::Load(args) => args.run(out),
            Part::Csr(args) => args.run(out),
            Part::Khop(args) => args.run(out),
            Part::Ppr(args) => args.run(out),
            Part::Walk(args) => args.run(out),
            Part::Nearest(args) => args.run(out),
        }
    }
}
