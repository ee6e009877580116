//! `predilect evaluate triples`: how well what a graph lacks is told from what it has.

use std::io::Write;
use std::path::PathBuf;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::cli::stopwatch::{Stopwatch, peak_mib};
use crate::cli::triple_file::TripleNames;
use crate::cli::{ExitCode, Output, OutputArg, note, write_json};
use crate::embed::on_threads;
use crate::embed::triples::{self, Entry, MODELS, Reason, Scorer, Steps, Triple, TripleSet};
use crate::evaluate::triples::{Hits, Tried, TripleScores, cases, fit_best, ranks};

/// All models, added up.
const BEST: &str = "best";
/// Reasons of a triple that are shown.
const REASONS: usize = 3;

/// Rank the heads and tails of triples that a model did not see
#[derive(clap::Args)]
#[command(after_help = models(), after_long_help = models())]
pub(crate) struct Args {
    /// Triples to learn from: head, relation and tail a line, by tabs or blanks
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Triples that `best` may choose parameters and weights on
    #[arg(long, required_if_eq("model", BEST), value_name = "FILE")]
    valid: Option<PathBuf>,
    /// Triples whose ends are to be found
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// The model, or `best`: all of them, added up
    #[arg(long, default_value = BEST, value_name = "NAME")]
    model: String,
    /// Models that `best` may use, by commas; all when nothing is said
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    among: Vec<String>,
    /// Numbers of an entity's row
    #[arg(long, default_value_t = 128, value_name = "N")]
    dim: usize,
    /// A parameter of the model
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
    param: Vec<(String, f64)>,
    /// Seed of all choices
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Threads; they change the time and no figure [default: one a processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Say for so many of the triples which rules speak for their tail: rules, best
    #[arg(long, default_value_t = 0, value_name = "N")]
    explain: usize,
    #[command(flatten)]
    output: OutputArg,
}

fn models() -> String {
    let mut text = "\
Each triple asks for its tail and for its head. All entities are ranked but others that are known, from
any of the files, to be right; equal scores share their mean rank. Files may be packed (.gz).

Models and their parameters:
"
    .to_owned();
    for entry in MODELS {
        text.push_str(&format!("  {:<10}{}\n", entry.name, entry.about));
        for knob in entry.knobs {
            text.push_str(&format!("    {:<10}{} [{}]\n", knob.name, knob.about, knob.default));
        }
    }
    text.push_str(
        "\
\nExample:
  predilect evaluate triples --train train.txt --valid valid.txt --test test.txt --model best
  predilect evaluate triples --train train.txt --test test.txt --model rules --explain 5",
    );
    text
}

fn parse_param(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE, such as epochs=60")?;
    let value = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
    Ok((name.to_owned(), value))
}

/// The files' content.
struct Data {
    names: TripleNames,
    train: Vec<Triple>,
    valid: Vec<Triple>,
    test: Vec<Triple>,
}

/// What came out.
struct Found {
    scorer: Box<dyn Scorer>,
    params: Value,
    ranks: Vec<f64>,
    fit_s: (f64, Option<f64>),
    rank_s: (f64, Option<f64>),
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let data = self.read()?;
        let found = on_threads(self.threads.map(usize::from), || self.find(&data))??;
        match self.output.output {
            Output::Json => write_json(out, &self.json(&data, &found)?)?,
            Output::Text => self.text(out, &data, &found)?,
        }
        Ok(ExitCode::Done)
    }

    fn read(&self) -> anyhow::Result<Data> {
        let mut names = TripleNames::default();
        let train = names.read(&self.train)?;
        let valid = self.valid.as_ref().map(|path| names.read(path)).transpose()?;
        let test = names.read(&self.test)?;
        Ok(Data { names, train, valid: valid.unwrap_or_default(), test })
    }

    fn find(&self, data: &Data) -> anyhow::Result<Found> {
        let set = data.set();
        let watch = Stopwatch::start();
        let (scorer, params): (Box<dyn Scorer>, Value) = if self.model == BEST {
            ensure!(self.param.is_empty(), "`best` chooses parameters itself; leave --param out");
            let mut tell = |tried: &Tried| {
                let Tried { model, params, mrr } = tried;
                note(&format!("{model}: MRR {mrr:.4} on --valid, with {:?}", params.values));
            };
            let among: Vec<&Entry> = if self.among.is_empty() {
                MODELS.iter().collect()
            } else {
                self.among.iter().map(|name| triples::by_name(name)).collect::<Result<_, _>>()?
            };
            let fusion = fit_best(&among, &set, &data.valid, (self.dim, self.seed), &mut tell)?;
            let members = fusion.members.iter().map(|member| {
                json!({
                    "model": member.name, "weight": member.weight, "params": member.params.values,
                })
            });
            let members = members.collect();
            (Box::new(fusion), Value::Array(members))
        } else {
            let entry = triples::by_name(&self.model)?;
            let mut params = entry.defaults(self.dim, self.seed);
            for (name, value) in &self.param {
                entry.set(&mut params, name, *value)?;
            }
            (entry.fit(&set, &params, &mut |_| ())?, json!(params.values))
        };
        let fit_s = watch.stop();
        let known = [&data.train[..], &data.valid, &data.test].concat();
        let known = Steps::new(set.n_entities, set.n_relations, &known);
        let watch = Stopwatch::start();
        let ranks = ranks(scorer.as_ref(), &cases(&data.test, set.n_relations), &known);
        Ok(Found { scorer, params, ranks, fit_s, rank_s: watch.stop() })
    }

    fn json(&self, data: &Data, found: &Found) -> anyhow::Result<Value> {
        let mut answer = serde_json::to_value(TripleScores::of(&found.ranks))?;
        answer["model"] = json!(self.model);
        answer["params"] = found.params.clone();
        answer["dim"] = json!(self.dim);
        answer["seed"] = json!(self.seed);
        answer["entities"] = json!(data.names.entities.names.len());
        answer["n_train"] = json!(data.train.len());
        answer["n_valid"] = json!(data.valid.len());
        answer["n_test"] = json!(data.test.len());
        let relations = data.names.relations.names.iter().zip(0..);
        let relations = relations.filter_map(|(name, relation)| {
            let own = data.test.iter().map(move |triple| triple.relation == relation);
            let own: Vec<f64> = own
                .zip(found.ranks.chunks(2))
                .filter(|(is_own, _)| *is_own)
                .flat_map(|(_, ranks)| ranks.iter().copied())
                .collect();
            let hits = Hits::of(&own);
            let row = json!({ "mrr": hits.mrr, "hits_10": hits.hits_10, "n_cases": own.len() });
            (!own.is_empty()).then(|| (name.clone(), row))
        });
        answer["relations"] = Value::Object(relations.collect());
        answer["fit_wall_s"] = json!(found.fit_s.0);
        answer["fit_cpu_s"] = json!(found.fit_s.1);
        answer["rank_cpu_s"] = json!(found.rank_s.1);
        answer["peak_mib"] = json!(peak_mib());
        if self.explain > 0 {
            answer["explained"] = self
                .explained(data, found)
                .map(|(triple, reasons)| json!({ "triple": triple, "reasons": reasons }))
                .collect();
        }
        Ok(answer)
    }

    fn text(&self, out: &mut dyn Write, data: &Data, found: &Found) -> anyhow::Result<()> {
        let scores = TripleScores::of(&found.ranks);
        writeln!(
            out,
            "{:<10} {:>8} {:>8} {:>8} {:>8} {:>8}",
            self.model, "MRR", "±", "hits@1", "hits@3", "hits@10"
        )?;
        for (name, hits) in [("both", scores.both), ("tail", scores.tail), ("head", scores.head)] {
            writeln!(
                out,
                "{name:<10} {:>8.4} {:>8.4} {:>8.4} {:>8.4} {:>8.4}",
                hits.mrr, hits.mrr_within, hits.hits_1, hits.hits_3, hits.hits_10
            )?;
        }
        writeln!(out, "{}", found.params)?;
        for (triple, reasons) in self.explained(data, found) {
            writeln!(out, "{triple}")?;
            reasons.iter().try_for_each(|reason| writeln!(out, "  {reason}"))?;
        }
        Ok(())
    }

    /// Triples of the test and why their tails are what they are.
    fn explained<'a>(
        &self,
        data: &'a Data,
        found: &'a Found,
    ) -> impl Iterator<Item = (String, Vec<String>)> + 'a {
        data.test.iter().take(self.explain).map(|triple| {
            let case = cases(&[*triple], data.set().n_relations)[0];
            let reasons = found.scorer.explain(case.query, case.answer);
            let reasons = reasons.iter().take(REASONS).map(|reason| data.reason(reason));
            let name = |entity: u32| data.names.entities.names[entity as usize].as_str();
            let step = data.step(triple.relation);
            let said = format!("{} {step} {}", name(triple.head), name(triple.tail));
            (said, reasons.collect())
        })
    }
}

impl Data {
    fn set(&self) -> TripleSet<'_> {
        TripleSet {
            n_entities: self.names.entities.names.len() as u32,
            n_relations: self.names.relations.names.len() as u32,
            triples: &self.train,
        }
    }

    /// A relation, or one that is walked back.
    fn step(&self, step: u32) -> String {
        let names = &self.names.relations.names;
        match names.get(step as usize) {
            Some(name) => name.clone(),
            None => format!("{}⁻¹", names[step as usize - names.len()]),
        }
    }

    /// A reason as a line: a path, or what is said of the entity.
    fn reason(&self, reason: &Reason) -> String {
        let mut line = format!("{:.3}", reason.confidence);
        line.push_str(match (reason.is_path, reason.steps.is_empty()) {
            (true, _) => "  path",
            (false, true) => "  often so",
            (false, false) => "  since",
        });
        for (step, entity) in &reason.steps {
            let entity = self.names.entities.names.get(*entity as usize);
            line.push_str(&format!(" {} {}", self.step(*step), entity.map_or("any", |name| name)));
        }
        line
    }
}
