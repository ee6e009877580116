//! Whether a user did an item, for `predilect evaluate recommend --protocol ctr`.

use std::io::Write;

use serde_json::{Value, json};

use crate::cli::stopwatch::{Stopwatch, peak_mib};
use crate::cli::{Output, write_json};
use crate::evaluate::recommend::{
    CLICK_METHODS, ClickMetrics, Clicks, Metrics, RANK_METHODS, best_among, evaluate,
};
use crate::model::{self, Model};

/// What is asked.
pub(crate) struct Asked<'a> {
    pub clicks: Clicks,
    pub method: &'a str,
    /// Methods that the full ranking may be added up from; [`RANK_METHODS`] where none is named.
    pub among: &'a [String],
    pub beside: &'a [String],
    pub k: usize,
    pub seed: u64,
    pub output: Output,
}

/// The name of the methods added up.
const BEST: &str = "best";

struct Row {
    name: String,
    clicks: ClickMetrics,
    ranking: Metrics,
    took: (f64, Option<f64>),
}

impl Asked<'_> {
    pub(crate) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let row = self.row(&self.clicks, self.method)?;
        let bare = self.clicks.without_attributes().filter(|_| self.method == BEST);
        let without = bare.map(|bare| self.row(&bare, BEST)).transpose()?;
        let names = self.beside.iter().filter(|name| *name != "none" && *name != self.method);
        let beside = names.map(|name| self.row(&self.clicks, name));
        let beside = beside.collect::<anyhow::Result<Vec<_>>>()?;
        match self.output {
            Output::Json => {
                let mut answer = row.json();
                answer["protocol"] = json!("ctr");
                answer["seed"] = json!(self.seed);
                answer["without_graph"] = without.as_ref().map_or(Value::Null, Row::json);
                answer["beside"] = beside.iter().map(Row::json).collect();
                answer["peak_mib"] = json!(peak_mib());
                write_json(out, &answer)
            }
            Output::Text => {
                let recall = format!("recall@{}", self.k);
                writeln!(out, "{:<14} {:>9} {:>9} {:>9}", "method", "auc", "f1", recall)?;
                row.text(out, self.method)?;
                without.iter().try_for_each(|row| row.text(out, "without graph"))?;
                beside.iter().try_for_each(|row| row.text(out, &row.name))
            }
        }
    }

    fn row(&self, clicks: &Clicks, name: &str) -> anyhow::Result<Row> {
        let watch = Stopwatch::start();
        let task = clicks.ranking(self.seed);
        let (measured, model): (_, Box<dyn Model>) = if name == BEST {
            let named = self.among.iter().map(String::as_str);
            let usual = RANK_METHODS.iter().copied().filter(|_| self.among.is_empty());
            let among = named.chain(usual).map(model::by_name);
            let among = among.collect::<Result<Vec<_>, _>>()?;
            let recipe = best_among(&task, &among, self.k, self.seed)?;
            let sum = recipe.fit(&task.training, self.seed)?;
            (clicks.evaluate(CLICK_METHODS, self.seed)?, Box::new(sum))
        } else {
            let entry = model::by_name(name)?;
            let model = (entry.fit)(&task.training, &entry.defaults(), self.seed)?;
            (clicks.evaluate(&[entry.name], self.seed)?, model)
        };
        let took = watch.stop();
        let ranking = evaluate(model.as_ref(), &task, self.k);
        Ok(Row { name: name.to_owned(), clicks: measured, ranking, took })
    }
}

impl Row {
    fn json(&self) -> Value {
        let (of, clicks) = (&self.ranking, &self.clicks);
        json!({
            "method": self.name, "auc": clicks.auc, "auc_within": clicks.auc_within,
            "f1": clicks.f1, "f1_tuned": clicks.f1_tuned, "n_test": clicks.n_pairs,
            "k": of.k, "recall": of.recall.mean, "hr": of.hr.mean, "ndcg": of.ndcg.mean,
            "mrr": of.mrr.mean, "map": of.map.mean, "coverage": of.coverage,
            "n_cases": of.n_cases, "fit_wall_s": self.took.0, "fit_cpu_s": self.took.1,
        })
    }

    fn text(&self, out: &mut dyn Write, name: &str) -> anyhow::Result<()> {
        let (auc, f1, recall) = (self.clicks.auc, self.clicks.f1, self.ranking.recall.mean);
        Ok(writeln!(out, "{name:<14} {auc:>9.4} {f1:>9.4} {recall:>9.4}")?)
    }
}
