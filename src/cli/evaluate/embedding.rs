//! `predilect evaluate embedding`: how much rows say about the labels of their nodes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::cli::graph_file::{NameList, labels};
use crate::cli::stopwatch::Stopwatch;
use crate::cli::{ExitCode, Output, OutputArg, note, write_json};
use crate::embed::EmbeddingTable;
use crate::evaluate::{LabelParams, NodeLabels, node_labels};

/// Learn labels of nodes from their rows, and measure those predicted for other nodes
#[derive(clap::Args)]
#[command(after_help = "\
A line of the labels is a node and its labels; the file may be packed (.gz). A logistic regression a
label learns from a share of the labelled nodes; of each other node the number of labels is given.
Micro and macro F1 are the mean of ten random partings.

Example:
  predilect evaluate embedding --embedding vectors --labels labels.txt --train-share 0.5 --output json")]
pub(crate) struct Args {
    /// Folder of the rows, as `predilect train embedding` writes it
    #[arg(long, value_name = "DIR")]
    embedding: PathBuf,
    /// Labels of nodes
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Share of the labelled nodes to learn from
    #[arg(long, default_value_t = LabelParams::default().train_share, value_name = "SHARE")]
    train_share: f64,
    /// Penalty of the regression's weights
    #[arg(long, default_value_t = LabelParams::default().l2, value_name = "WEIGHT")]
    l2: f64,
    /// Seed of the partings
    #[arg(long, default_value_t = LabelParams::default().seed, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let share = self.train_share;
        ensure!(share > 0.0 && share < 1.0, "--train-share must be above 0 and below 1");
        ensure!(self.l2 > 0.0 && self.l2.is_finite(), "--l2 must be above 0");
        let table = EmbeddingTable::load(&self.embedding)?;
        let mut names = NameList::default();
        let mut of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut n_unknown = 0;
        for (node, labels) in labels(&self.labels)? {
            let Some(place) = table.find(&node) else {
                n_unknown += 1;
                continue;
            };
            for label in labels {
                of.entry(place).or_default().push(names.place(&label)? as usize);
            }
        }
        for labels in of.values_mut() {
            labels.sort_unstable();
            labels.dedup();
        }
        if n_unknown > 0 {
            note(&format!("{n_unknown} lines label nodes without a row: left out"));
        }
        let labels = NodeLabels { names: names.names, of: of.into_iter().collect() };
        let params = LabelParams {
            train_share: share,
            l2: self.l2,
            seed: self.seed,
            ..LabelParams::default()
        };
        let watch = Stopwatch::start();
        let scores = node_labels(&table, &labels, &params).with_context(|| {
            format!(
                "{} labelled nodes with a row are too few to part; label more, by the names that \
                 the edges have",
                labels.of.len()
            )
        })?;
        let (wall_s, cpu_s) = watch.stop();
        match self.output.output {
            Output::Json => {
                let mut answer = serde_json::to_value(&scores)?;
                answer["model"] = json!(table.model());
                answer["dim"] = json!(table.dim());
                answer["train_share"] = json!(share);
                answer["splits"] = json!(params.n_splits);
                answer["nodes"] = json!(labels.of.len());
                answer["labels"] = json!(labels.names.len());
                answer["without_row"] = json!(n_unknown);
                answer["seed"] = json!(self.seed);
                answer["wall_s"] = json!(wall_s);
                answer["cpu_s"] = json!(cpu_s);
                write_json(out, &answer)?;
            }
            Output::Text => writeln!(
                out,
                "micro F1 {:.4}  macro F1 {:.4} ± {:.4}  of {} nodes, {} labels",
                scores.micro_f1,
                scores.macro_f1,
                scores.macro_f1_deviation,
                labels.of.len(),
                labels.names.len()
            )?,
        }
        Ok(ExitCode::Done)
    }
}
