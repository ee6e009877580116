//! Clicks told from what was passed over, for `predilect evaluate recommend --protocol ctr`.

use std::io::Write;

use serde_json::{Value, json};

use crate::cli::stopwatch::{Stopwatch, peak_mib};
use crate::cli::{Output, write_json};
use crate::evaluate::recommend::{ClickMeasures, Ctr, CtrTask, Metrics, best, evaluate};
use crate::model::{self, Click, Labelled, Model};

/// What is asked.
pub(crate) struct Asked<'a> {
    pub ctr: Ctr,
    pub method: &'a str,
    pub beside: &'a [String],
    pub k: usize,
    pub output: Output,
}

/// The name of the regression over everything.
const BEST: &str = "best";

struct Row {
    name: String,
    clicks: ClickMeasures,
    ranking: Metrics,
    took: (f64, Option<f64>),
}

impl Asked<'_> {
    pub(crate) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let task = self.ctr.read()?;
        let row = self.row(&task, self.method)?;
        let without = self.without_graph(&task).transpose()?;
        let names = self.beside.iter().filter(|name| *name != "none" && *name != self.method);
        let beside = names.map(|name| self.row(&task, name)).collect::<anyhow::Result<Vec<_>>>()?;
        match self.output {
            Output::Json => {
                let mut answer = row.json();
                answer["protocol"] = json!("ctr");
                answer["seed"] = json!(self.ctr.seed);
                answer["n_test"] = json!(task.test.len());
                answer["without_graph"] = without.as_ref().map_or(Value::Null, Row::json);
                answer["beside"] = beside.iter().map(Row::json).collect();
                answer["peak_mib"] = json!(peak_mib());
                write_json(out, &answer)
            }
            Output::Text => {
                let recall = format!("recall@{}", self.k);
                writeln!(out, "{:<14} {:>9} {:>9} {:>9}", "method", "auc", "f1", recall)?;
                for row in std::iter::once(&row).chain(&without).chain(&beside) {
                    let Row { name, clicks, ranking, .. } = row;
                    let (auc, f1, recall) = (clicks.auc, clicks.f1, ranking.recall.mean);
                    writeln!(out, "{name:<14} {auc:>9.4} {f1:>9.4} {recall:>9.4}")?;
                }
                Ok(())
            }
        }
    }

    fn row(&self, task: &CtrTask, name: &str) -> anyhow::Result<Row> {
        if name == BEST {
            return self.best(task, BEST);
        }
        let entry = model::by_name(name)?;
        let watch = Stopwatch::start();
        let training = &task.task.training;
        let model = (entry.fit)(training, &entry.defaults(), self.ctr.seed)?;
        let took = watch.stop();
        let scored = |pairs: &[Labelled]| -> Vec<(f64, bool)> {
            let mut scores = vec![0.0; training.interactions.n_items()];
            let score = |(user, item, label): &Labelled| {
                scores.fill(0.0);
                let acts = training.interactions.of(*user);
                model.score(&model::Query { user: Some(*user), acts }, &mut scores);
                (f64::from(scores[*item as usize]), *label)
            };
            pairs.iter().map(score).collect()
        };
        let limit = limit(&scored(&task.valid));
        // Above one half from the limit on, in the order of the scores.
        let chance = |score: f64| 0.5 + (score - limit) / (2.0 * (1.0 + (score - limit).abs()));
        let found: Vec<_> =
            scored(&task.test).into_iter().map(|(score, label)| (chance(score), label)).collect();
        Ok(self.measured(task, name, &found, model.as_ref(), took))
    }

    /// The same without what the knowledge graph says, where it says anything.
    fn without_graph(&self, task: &CtrTask) -> Option<anyhow::Result<Row>> {
        let graph = task.task.training.side.attributes.is_some();
        (self.method == BEST && graph).then(|| {
            let mut bare = task.clone();
            bare.task.training.side.attributes = None;
            self.best(&bare, "without graph")
        })
    }

    /// Probabilities by the regression, rankings by the best methods added up.
    fn best(&self, task: &CtrTask, name: &str) -> anyhow::Result<Row> {
        let watch = Stopwatch::start();
        let click = Click::fit(&task.task.training, &task.passed);
        let recipe = best(&task.task, self.k, self.ctr.seed)?;
        let ranks = recipe.fit(&task.task.training, self.ctr.seed)?;
        let took = watch.stop();
        let chance = |(user, item, label): &Labelled| (click.probability(*user, *item), *label);
        let found: Vec<(f64, bool)> = task.test.iter().map(chance).collect();
        Ok(self.measured(task, name, &found, &ranks, took))
    }

    fn measured(
        &self,
        task: &CtrTask,
        name: &str,
        found: &[(f64, bool)],
        model: &dyn Model,
        took: (f64, Option<f64>),
    ) -> Row {
        let ranking = evaluate(model, &task.task, self.k);
        Row { name: name.to_owned(), clicks: ClickMeasures::of(found), ranking, took }
    }
}

/// The score from which up pairs are said to be clicks, so that F1 is greatest.
fn limit(scored: &[(f64, bool)]) -> f64 {
    let mut order: Vec<&(f64, bool)> = scored.iter().collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let clicks = order.iter().filter(|pair| pair.1).count() as f64;
    let (mut right, mut best) = (0.0, (f64::NEG_INFINITY, f64::INFINITY));
    for (said, (score, label)) in (1..).zip(order) {
        right += f64::from(u8::from(*label));
        let f1 = 2.0 * right / (f64::from(said) + clicks);
        if f1 > best.0 {
            best = (f1, *score);
        }
    }
    best.1
}

impl Row {
    fn json(&self) -> Value {
        let of = &self.ranking;
        json!({
            "method": self.name, "auc": self.clicks.auc, "f1": self.clicks.f1, "k": of.k,
            "recall": of.recall.mean, "hr": of.hr.mean, "ndcg": of.ndcg.mean, "mrr": of.mrr.mean,
            "map": of.map.mean, "coverage": of.coverage, "n_cases": of.n_cases,
            "fit_wall_s": self.took.0, "fit_cpu_s": self.took.1,
        })
    }
}
