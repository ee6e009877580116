//! `predilect train recommender`: which methods a store's recommendations are made by.

use std::io::Write;
use std::path::PathBuf;

use anyhow::ensure;
use serde_json::json;

use super::super::stopwatch::Stopwatch;
use super::super::{ExitCode, Output, OutputArg, write_json};
use crate::engine::Engine;
use crate::evaluate::recommend::{Holdout, Pool, Task, best, tune};
use crate::model::{Ingredient, Recipe, by_name};
use crate::schema::Timestamp;

/// Choose the methods, parameters and weights that find best what people did last
#[derive(clap::Args)]
#[command(after_help = "\
The last tenth of the events says what is best. What is found is kept beside the store as a recipe, and
`--method fitted` of `predilect query recommend` answers by it from then on; each start fits the models anew,
to all events.

Example:
  predilect train recommender --store shop
  predilect query recommend --store shop --method fitted --user alice")]
pub(super) struct Args {
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// The method, or `best`: those that apply, tuned and added up
    #[arg(long, default_value = "best", value_name = "NAME")]
    method: String,
    /// The action to predict [default: the strongest that a tenth of all events are]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Places of a ranking that count
    #[arg(long, default_value_t = 10, value_name = "N")]
    k: usize,
    /// Seed of all choices
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        ensure!(self.k > 0, "--k must be at least 1");
        let engine = Engine::open(&self.store, false, None, None)?;
        let action = |name: &String| engine.schema().action(name).map(|action| action.id);
        let target = self.target.as_ref().map(action).transpose()?;
        let parted = engine.parted(Some(Timestamp::MAX), target)?;
        let task = Task {
            training: parted.before.training,
            cases: Vec::new(),
            holdout: Holdout::Later(Pool::Unseen),
        };
        let watch = Stopwatch::start();
        let validations = task.validations(self.seed);
        let n_cases: usize = validations.iter().map(|part| part.cases.len()).sum();
        ensure!(
            n_cases > 0,
            "nobody did anything new in the last tenth of the events; there is nothing to choose by"
        );
        let recipe = if self.method == "best" {
            best(&task, self.k, self.seed)?
        } else {
            let entry = by_name(&self.method)?;
            let tuned = tune(entry, &validations, &entry.defaults(), self.k, self.seed)?;
            Recipe { ingredients: vec![Ingredient::new(entry, &tuned.params, 1.0)] }
        };
        engine.keep_recipe(&recipe)?;
        match self.output.output {
            Output::Json => {
                let (wall_s, cpu_s) = watch.stop();
                let took = json!({ "wall_s": wall_s, "cpu_s": cpu_s });
                write_json(out, &json!({ "recipe": recipe, "n_cases": n_cases, "took": took }))?;
            }
            Output::Text => {
                for part in &recipe.ingredients {
                    writeln!(
                        out,
                        "{:<14} x {:<10.4} {}",
                        part.method,
                        part.factor,
                        json!(part.params)
                    )?;
                }
            }
        }
        Ok(ExitCode::Done)
    }
}
