//! Made-up data of any size, from a seed: users with tastes, items with topics, events with habits.
//!
//! Nothing of it is meant to be like any real shop. What is kept of real ones are the shapes that
//! engines stumble over: a few users do most of it (log-normal activity), a few items of each topic
//! get most of it (Zipf), a view becomes a cart becomes a purchase less and less often.
//!
//! Every user and every item has a stream of random numbers of its own, so memory does not grow
//! with the events. Events come user by user, not in the order of time.

mod edges;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Zipf, weighted::WeightedAliasIndex};
use serde::Serialize;
use serde_json::json;
use thiserror::Error;

pub use self::edges::{EdgeCounts, write_edges};
use crate::schema::{DAY_MS, Timestamp};

/// Topics, the words of their titles and their brands.
const TOPICS: [(&str, [&str; 6], [&str; 4]); 8] = [
    (
        "audio",
        ["headphones", "speaker", "turntable", "earbuds", "amplifier", "microphone"],
        ["Aurelio", "Basston", "Clarwave", "Dulcet"],
    ),
    (
        "camping",
        ["tent", "stove", "lantern", "sleeping bag", "hammock", "kettle"],
        ["Fernhill", "Kestrel", "Northbend", "Tarn"],
    ),
    (
        "cooking",
        ["pan", "knife", "mixer", "teapot", "grinder", "casserole"],
        ["Alvora", "Crisp & Co", "Mortar", "Saffrona"],
    ),
    (
        "cycling",
        ["helmet", "saddle", "pedal", "jersey", "pump", "bottle"],
        ["Alto Veloz", "Cadence", "Pavé", "Sprocket"],
    ),
    (
        "gardening",
        ["trowel", "planter", "seed box", "hose", "pruner", "glove"],
        ["Bramble", "Loam", "Thistle", "Verdora"],
    ),
    (
        "photography",
        ["camera", "lens", "tripod", "filter", "flash", "bag"],
        ["Iriso", "Lumenar", "Obscura", "Prisma"],
    ),
    (
        "reading",
        ["novel", "atlas", "biography", "almanac", "anthology", "guide"],
        ["Foxglove", "Meridian", "Quill House", "Vellum"],
    ),
    (
        "running",
        ["shoe", "watch", "vest", "short", "sock", "cap"],
        ["Fleet", "Harrier", "Stride", "Zephyra"],
    ),
];
const STYLES: [&str; 8] =
    ["light", "classic", "compact", "rugged", "quiet", "folding", "everyday", "fine"];
const USES: [&str; 6] = ["travel", "home", "work", "weekends", "gifts", "rain"];

/// 2024-01-01T00:00:00Z.
const START_MS: i64 = 1_704_067_200_000;
const DAYS: u64 = 365;
/// Share of a user's events that go to the topics of their taste.
const LOYALTY: f64 = 0.8;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GenerateParams {
    /// How many users, at least 1.
    pub users: u32,
    /// How many items, at least 1.
    pub items: u32,
    /// How many events.
    pub events: u64,
    /// The seed: the same one gives the same bytes.
    pub seed: u64,
}

/// Why nothing could be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A number out of range.
    #[error("{field} is {found}; give at least 1")]
    Zero {
        /// The parameter.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// Node numbers have 32 bits.
    #[error("{found} users, items and entities are more than {} in all", u32::MAX)]
    TooMany {
        /// How many were asked for.
        found: u64,
    },
}

impl GenerateParams {
    fn check(&self) -> Result<(), GenerateError> {
        for (field, found) in [("users", self.users), ("items", self.items)] {
            if found == 0 {
                return Err(GenerateError::Zero { field, found: 0 });
            }
        }
        Ok(())
    }
}

/// What was made; also in `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// What was asked for.
    #[serde(flatten)]
    pub params: GenerateParams,
    /// BLAKE3 of each file, by name.
    pub files: std::collections::BTreeMap<String, String>,
}

/// Writes `items.jsonl`, `events.csv` and `manifest.json` to the folder `dest`, which is made where
/// it is not there; files of these names are replaced.
///
/// # Errors
/// [`GenerateError`].
///
/// # Complexity
/// * Time: **O(users + items + events)**.
/// * Space: **O(users + items)**.
pub fn write(params: &GenerateParams, dest: &Path) -> Result<Manifest, GenerateError> {
    params.check()?;
    fs::create_dir_all(dest).map_err(|source| io_error(dest, source))?;
    let mut files = std::collections::BTreeMap::new();
    let mut put = |name: &str, fill: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>| {
        let path = dest.join(name);
        let hash = write_file(&path, fill).map_err(|source| io_error(&path, source))?;
        files.insert(name.to_owned(), hash);
        Ok(())
    };
    put("items.jsonl", &mut |file| items(params, file))?;
    put("events.csv", &mut |file| events(params, file))?;
    let manifest = Manifest { params: *params, files };
    let path = dest.join("manifest.json");
    let text = format!("{:#}\n", json!(manifest));
    fs::write(&path, text).map_err(|source| io_error(&path, source))?;
    Ok(manifest)
}

fn io_error(path: &Path, source: io::Error) -> GenerateError {
    GenerateError::Io { path: path.to_owned(), source }
}

/// Fills a file and returns the hash of its bytes.
fn write_file(
    path: &Path,
    fill: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<String> {
    let mut file =
        BufWriter::with_capacity(1 << 20, Hashed(File::create(path)?, blake3::Hasher::new()));
    fill(&mut file)?;
    let Hashed(_, hasher) = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// A file and the hash of what went into it.
struct Hashed(File, blake3::Hasher);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.1.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A generator for one purpose and one thing of it.
fn random(params: &GenerateParams, purpose: u64, which: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(params.seed);
    random.set_stream(purpose << 48 | which);
    random
}

/// The topics take turns, so that each has its share of every number of items.
fn topic_of(item: u32) -> usize {
    item as usize % TOPICS.len()
}

fn items(params: &GenerateParams, out: &mut dyn Write) -> io::Result<()> {
    for item in 0..params.items {
        let mut random = random(params, 1, u64::from(item));
        let (topic, words, brands) = TOPICS[topic_of(item)];
        let word = pick(&mut random, &words);
        let brand = pick(&mut random, &brands);
        let style = pick(&mut random, &STYLES);
        let uses = pick(&mut random, &USES);
        let price = f64::from(random.random_range(500..50_000_u32)) / 100.0;
        let row = json!({
            "id": item_id(item),
            "kind": "item",
            "text": {
                "title": format!("{brand} {style} {word}"),
                "description": format!("A {style} {word} for {topic} and {uses}."),
            },
            "attributes": {
                "brand": brand, "category": topic, "tag": [word, style], "use": uses,
                "price": price,
            },
        });
        writeln!(out, "{row}")?;
    }
    Ok(())
}

fn pick<'a>(random: &mut ChaCha8Rng, words: &[&'a str]) -> &'a str {
    words[random.random_range(0..words.len())]
}

fn item_id(item: u32) -> String {
    format!("i{item:07}")
}

/// How many events each user has: log-normal, and `events` in all.
fn activity(params: &GenerateParams) -> Vec<u64> {
    let mut random = random(params, 2, 0);
    let shape = LogNormal::new(0.0, 1.0).expect("the standard deviation is finite");
    let weights: Vec<f64> = (0..params.users).map(|_| shape.sample(&mut random)).collect();
    let total: f64 = weights.iter().sum();
    let mut given = 0;
    let mut sum = 0.0;
    let mut counts: Vec<u64> = weights
        .iter()
        .map(|weight| {
            // Rounded sums, and not summed roundings, so that all events are given out.
            sum += weight / total;
            let until = ((sum * params.events as f64).round() as u64).min(params.events);
            let share = until - given.min(until);
            given = until;
            share
        })
        .collect();
    if let Some(last) = counts.last_mut() {
        // What rounding left over.
        *last += params.events - given;
    }
    counts
}

fn events(params: &GenerateParams, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"event_id,user,target,target_kind,action,at,value,session,text\n")?;
    for (user, count) in activity(params).into_iter().enumerate() {
        User::new(params, user as u64, count).write(out)?;
    }
    Ok(())
}

/// A user in the making.
struct User {
    random: ChaCha8Rng,
    number: u64,
    count: u64,
    items: u32,
    tastes: WeightedAliasIndex<f64>,
    ranks: Zipf<f64>,
}

impl User {
    fn new(params: &GenerateParams, number: u64, count: u64) -> Self {
        let mut random = random(params, 3, number);
        // Two topics that the user is into, the first more than the second.
        let mut weights = [(1.0 - LOYALTY) / TOPICS.len() as f64; TOPICS.len()];
        weights[random.random_range(0..TOPICS.len())] += LOYALTY * 0.65;
        weights[random.random_range(0..TOPICS.len())] += LOYALTY * 0.35;
        let tastes = WeightedAliasIndex::new(weights.to_vec())
            .expect("the weights are positive, and there are eight");
        let per_topic = f64::from((params.items / TOPICS.len() as u32).max(1));
        let ranks = Zipf::new(per_topic, 1.05).expect("there is at least one rank");
        Self { random, number, count, items: params.items, tastes, ranks }
    }

    fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        // Visits ascend over the year; each event of a visit is a minute or a few after the last.
        let mut left = self.count;
        let step = DAYS as f64 / (self.count as f64 / 3.0 + 1.0);
        let mut day = 0.0;
        let (mut event, mut visit) = (0_u64, 0_u64);
        while left > 0 {
            day = f64::min(day + step * self.random.random_range(0.2..1.4), (DAYS - 1) as f64);
            let hour = self.random.random_range(6.0..23.0) / 24.0;
            let mut at = START_MS + ((day.floor() + hour) * DAY_MS as f64) as i64;
            let item = self.item();
            for (action, value) in self.visit() {
                if left == 0 {
                    break;
                }
                at += self.random.random_range(5_000..180_000_i64);
                let (user, item) = (self.number, item_id(item));
                let value = value.map(|value| value.to_string()).unwrap_or_default();
                let time = Timestamp::from_millis(at).unwrap_or_default();
                writeln!(
                    out,
                    "e{user}-{event},u{user:07},{item},item,{action},{time},{value},u{user}-{visit},"
                )?;
                event += 1;
                left -= 1;
            }
            visit += 1;
        }
        Ok(())
    }

    fn item(&mut self) -> u32 {
        let topic = self.tastes.sample(&mut self.random) as u32;
        let rank = self.ranks.sample(&mut self.random) as u32 - 1;
        (rank * TOPICS.len() as u32 + topic).min(self.items - 1)
    }

    /// What the user does to an item in one visit.
    fn visit(&mut self) -> Vec<(&'static str, Option<u32>)> {
        let mut acts = vec![("viewed", None)];
        if self.random.random_bool(0.3) {
            acts.push(("clicked", None));
            if self.random.random_bool(0.4) {
                acts.push(("carted", None));
                if self.random.random_bool(0.5) {
                    acts.push(("bought", Some(self.random.random_range(5..500))));
                    if self.random.random_bool(0.3) {
                        acts.push(("rated", Some(self.random.random_range(3..=10))));
                    }
                }
            }
        } else if self.random.random_bool(0.02) {
            acts.push(("dismissed", None));
        }
        acts
    }
}
