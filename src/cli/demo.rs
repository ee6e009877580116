//! `predilect demo`: the whole job on real data, told in sentences.
//!
//! What stands on stdout is the same at every run and on every machine; how long it took goes to
//! stderr.

mod tell;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;

use super::progress::Told;
use super::source::{NamedSpan, Source};
use super::{ExitCode, Interrupts, note};
use crate::engine::{Engine, Moment};
use crate::event::NodeKey;
use crate::extract;
use crate::ingest::{LoadParams, Mapping};
use crate::interest::Interest;
use crate::recommend::{RecommendParams, Recommendation};
use crate::schema::NodeKind;
use crate::store::Stats;

const ITEMS: &[u8] = include_bytes!("../../graph-data/movietweetings/items.jsonl");
const EVENTS: &[u8] = include_bytes!("../../graph-data/movietweetings/events.csv");
/// What a store of the demo's has beside its own files.
const MARKER: &str = "made-by-demo";

/// Whose answers are told: thirty films, with a taste that one can see.
const USER: &str = "u13941";
const TYPES: [&str; 2] = ["genre", "person"];
const INTERESTS: usize = 5;
const RECOMMENDATIONS: usize = 4;
/// Films are told by how walks lead to them: their reasons read best.
const METHOD: &str = "ppr";

/// See the whole job done on real data, in under a minute
///
/// Loads the films and ratings that come with the program, reads the films' descriptions, and tells
/// what one person is into, what to show them, and why.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect demo
  predilect demo --store films")]
pub(super) struct Args {
    /// Folder of the store; one that an earlier demo made is made anew
    #[arg(long, value_name = "DIR", default_value = "predilect-demo")]
    store: PathBuf,
}

/// What the demo tells.
struct Tale<'a> {
    store: &'a Path,
    stats: Stats,
    span: (crate::schema::Timestamp, crate::schema::Timestamp),
    seen: usize,
    interests: Vec<Interest>,
    spans: Vec<NamedSpan>,
    recommendations: Vec<Recommendation>,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        make_way(&self.store)?;
        let extractor = extract::by_name("bert", None)?;
        let engine = Engine::open(&self.store, true, None, Some(extractor))?;

        let marker = self.store.join(MARKER);
        fs::write(&marker, "").with_context(|| marker.display().to_string())?;
        let mut told = Told::new(interrupts());
        let loaded = load(&engine, &mut told);
        told.clear();
        loaded?;
        note(&format!("loaded and read in {:.1} s", started.elapsed().as_secs_f64()));
        let asked = Instant::now();
        let tale = ask(engine, &self.store)?;
        note(&format!("answered in {:.0} ms", 1000.0 * asked.elapsed().as_secs_f64()));
        tell::all(out, &tale)?;
        if std::env::var_os("CARGO").is_some() {
            out.flush()?;
            note("`predilect` stands for `cargo run --release --` here");
        }
        Ok(ExitCode::Done)
    }
}

/// Removes what an earlier demo left at `store`; nothing else is touched.
fn make_way(store: &Path) -> anyhow::Result<()> {
    let empty = match fs::read_dir(store) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if empty {
        return Ok(());
    }
    let path = store.display();
    anyhow::ensure!(
        store.join(MARKER).is_file(),
        "{path} was not made by a demo; give another folder with --store"
    );
    // Fails while another process has it open.
    drop(crate::store::GraphStore::open(store, false, None)?);
    fs::remove_dir_all(store).with_context(|| format!("{path} cannot be made anew"))
}

/// Loads the data that comes with the program.
fn load(engine: &Engine, told: &mut Told) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("predilect-demo-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let params = LoadParams {
        items: vec![folder.join("items.jsonl")],
        events: vec![folder.join("events.csv")],
        mapping: Mapping::default(),
        max_errors: 0,
        rejects: folder.join("rejects"),
        ..LoadParams::default()
    };
    let written = fs::write(&params.items[0], ITEMS)
        .and_then(|()| fs::write(&params.events[0], EVENTS))
        .with_context(|| folder.display().to_string());
    let loaded =
        written.and_then(|()| Ok(engine.load(&params, &mut |at| told.step(at)).map(drop)?));
    fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    loaded
}

fn ask(engine: Engine, store: &Path) -> anyhow::Result<Tale<'_>> {
    let user = NodeKey::new(NodeKind::User, USER)?;
    let moment = Moment::default();
    let types = TYPES.map(str::to_owned).to_vec();
    let (snapshot, interests) = engine.interests(&user, &moment, types, INTERESTS)?;
    let params = RecommendParams {
        method: METHOD.to_owned(),
        kinds: vec![NodeKind::Item],
        k: RECOMMENDATIONS,
    };
    let (_, recommendations) = engine.recommend(&user, &moment, &params)?;
    let acts = engine.history(&snapshot, &user, &moment)?.acts;
    let span = acts.first().zip(acts.last()).map(|(first, last)| (first.at, last.at));
    let stats = engine.stats()?;
    let source = Source::Store(Box::new(engine));
    let mut found = Vec::new();
    for interest in &interests {
        let entity = NodeKey::new(NodeKind::Entity, interest.entity.as_str())?;
        found.extend(source.explain(&user, &entity, &moment)?.spans);
    }
    Ok(Tale {
        store,
        stats,
        span: span.context("the demo's user has no history")?,
        seen: acts.len(),
        interests,
        spans: telling(&found),
        recommendations,
    })
}

/// A mention in other words and one as it is written; of equals the first.
fn telling(spans: &[NamedSpan]) -> Vec<NamedSpan> {
    let mut told: Vec<NamedSpan> = Vec::new();
    for method in ["encoding", "surface"] {
        let fits = |span: &&NamedSpan| {
            let short = span.sentence.as_ref().is_some_and(|sentence| sentence.len() < 240);
            span.method == method && short
        };
        told.extend(spans.iter().find(fits).cloned());
    }
    told
}
