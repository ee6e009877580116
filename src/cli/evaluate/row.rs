//! How a method did, as a row of a table and as JSON.

use std::io::Write;

use serde_json::{Value, json};

use crate::evaluate::recommend::Metrics;

/// A method's figures.
pub(crate) struct Row {
    pub name: String,
    pub params: Value,
    pub metrics: Metrics,
    pub explained: f64,
    pub fit_s: (f64, Option<f64>),
    pub rank_s: (f64, Option<f64>),
}

/// Writes a row and those beside it, and the row's parameters.
pub(crate) fn table(out: &mut dyn Write, row: &Row, beside: &[Row]) -> anyhow::Result<()> {
    let k = row.metrics.k;
    writeln!(
        out,
        "{:<14} {:>9} {:>9} {:>9} {:>9} {:>9}   ± recall  cases {}",
        "method",
        format!("recall@{k}"),
        format!("prec@{k}"),
        format!("ndcg@{k}"),
        format!("mrr@{k}"),
        "coverage",
        row.metrics.n_cases
    )?;
    for row in std::iter::once(row).chain(beside) {
        row.text(out)?;
    }
    Ok(writeln!(out, "{}: {}", row.name, row.params)?)
}

impl Row {
    pub fn json(&self) -> Value {
        let of = &self.metrics;
        json!({
            "method": self.name, "params": self.params, "k": of.k, "n_cases": of.n_cases,
            "recall": of.recall.mean, "recall_capped": of.recall_capped.mean,
            "precision": of.precision.mean, "hr": of.hr.mean,
            "ndcg": of.ndcg.mean, "ndcg_uncut": of.ndcg_uncut.mean, "map": of.map.mean,
            "mrr": of.mrr.mean,
            "within": {
                "recall": of.recall.within, "precision": of.precision.within, "hr": of.hr.within,
                "ndcg": of.ndcg.within, "ndcg_uncut": of.ndcg_uncut.within, "map": of.map.within,
                "mrr": of.mrr.within,
            },
            "coverage": of.coverage, "novelty": of.novelty, "diversity": of.diversity,
            "popularity_bias": of.popularity_bias, "explained": self.explained,
            "cold_items": of.cold,
            "fit_wall_s": self.fit_s.0, "fit_cpu_s": self.fit_s.1,
            "users_per_cpu_s": self.rank_s.1.map(|s| of.n_cases as f64 / s.max(1e-9)),
        })
    }

    fn text(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let of = &self.metrics;
        Ok(writeln!(
            out,
            "{:<14} {:>9.4} {:>9.4} {:>9.4} {:>9.4} {:>9.4}   {:.4}",
            self.name,
            of.recall.mean,
            of.precision.mean,
            of.ndcg.mean,
            of.mrr.mean,
            of.coverage,
            of.recall.within
        )?)
    }
}
