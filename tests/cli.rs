//! The command line: arguments in, expected output out.

#[path = "cli/answers.rs"]
mod answers;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/bulk.rs"]
mod bulk;
#[path = "cli/convert.rs"]
mod convert;
#[path = "cli/crash.rs"]
mod crash;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/embedding.rs"]
mod embedding;
#[path = "cli/erase.rs"]
mod erase;
#[path = "cli/input.rs"]
mod input;
#[path = "cli/loads.rs"]
mod loads;
#[path = "cli/merges.rs"]
mod merges;
#[path = "cli/program.rs"]
mod program;
#[path = "cli/recommenders.rs"]
mod recommenders;
#[path = "cli/recommend.rs"]
mod recommend;
#[path = "cli/server_load.rs"]
mod server_load;
#[path = "cli/train.rs"]
mod train;
#[path = "cli/triples.rs"]
mod triples;
#[path = "cli/upkeep.rs"]
mod upkeep;
#[path = "cli/validate.rs"]
mod validate;
