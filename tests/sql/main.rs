//! What SQL and the loader must agree on: rows that `--select` shapes, and the fold of events to edges.

mod fold;
#[path = "../cli/program.rs"]
#[expect(dead_code, reason = "tests of the command line need more of it")]
mod program;
mod select;
