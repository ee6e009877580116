//! A bare graph for benchmarks: edges of numbered nodes, as a Parquet file that any tool reads.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt8Array, UInt32Array};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rand::Rng;
use rand::seq::{SliceRandom, index};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Zipf};
use serde::Serialize;

use super::{GenerateError, GenerateParams, TOPICS, User, activity, io_error, random};
use crate::schema::DAY_MS;

/// Rows that are in memory as Parquet columns at a time.
const ROWS: usize = 1 << 20;
/// Nodes that benchmarks ask for.
const QUERIES: usize = 1000;
/// Edges that a node has at least to be asked for.
const MIN_EDGES: u64 = 5;
/// 2020-09-13T12:26:40Z, and three years.
const TIMES: std::ops::Range<u32> = 1_600_000_000..1_600_000_000 + 3 * 365 * (DAY_MS / 1000) as u32;
const OWN_TOPIC: f64 = 0.8;

/// How many nodes and edges were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EdgeCounts {
    /// Nodes, of which the users come first, then the items, then the entities.
    pub nodes: u64,
    /// From a user to an item; each pair once.
    pub user_item: u64,
    /// From an item to an entity; each pair once.
    pub item_entity: u64,
}

/// Writes `edges.parquet` (`src` u32, `dst` u32, `rel` u8, `weight` f32, `ts` u32 in seconds since
/// 1970) and `queries.txt` to the folder `dest`: a graph of users, items and `entities` entities with
/// at most `params.events` edges from users to items, in no order.
///
/// A user gets fewer edges than its share where it would have to take items twice.
///
/// # Errors
/// [`GenerateError`].
///
/// # Complexity
/// * Time: **O(users + items + events)**.
/// * Space: 8 bytes per edge.
pub fn write_edges(
    params: &GenerateParams,
    entities: u32,
    dest: &Path,
) -> Result<EdgeCounts, GenerateError> {
    params.check()?;
    let n_nodes = [params.users, params.items, entities].map(u64::from).iter().sum::<u64>();
    if entities == 0 {
        return Err(GenerateError::Zero { field: "entities", found: 0 });
    }
    if n_nodes > u64::from(u32::MAX) {
        return Err(GenerateError::TooMany { found: n_nodes });
    }
    std::fs::create_dir_all(dest).map_err(|source| io_error(dest, source))?;
    let mut pairs: Vec<u64> = Vec::with_capacity(params.events as usize);
    let mut asked = Vec::new();
    for (user, count) in (0_u32..).zip(activity(params)) {
        let found = user_items(params, user, count, &mut pairs);
        if found >= MIN_EDGES {
            asked.push(user);
        }
    }
    let user_item = pairs.len();
    item_entities(params, entities, &mut pairs);
    let mut shuffled = random(params, 5, 0);
    pairs.shuffle(&mut shuffled);
    let path = dest.join("edges.parquet");
    write_pairs(params, &pairs, &path).map_err(|error| io_error(&path, io::Error::other(error)))?;
    let chosen = index::sample(&mut shuffled, asked.len(), QUERIES.min(asked.len()));
    let lines: String = chosen.into_iter().map(|at| format!("{}\n", asked[at])).collect();
    let path = dest.join("queries.txt");
    std::fs::write(&path, lines).map_err(|source| io_error(&path, source))?;
    let item_entity = (pairs.len() - user_item) as u64;
    Ok(EdgeCounts { nodes: n_nodes, user_item: user_item as u64, item_entity })
}

fn pair(source: u32, target: u32) -> u64 {
    u64::from(source) << 32 | u64::from(target)
}

/// Adds what a user took; returns how many different items that is.
fn user_items(params: &GenerateParams, user: u32, count: u64, pairs: &mut Vec<u64>) -> u64 {
    let mut taker = User::new(params, u64::from(user), count);
    let mut items: Vec<u32> = Vec::with_capacity(count as usize);
    // Favourites are drawn again and again; a few rounds find nearly all of a share.
    for _ in 0..4 {
        for _ in items.len() as u64..count {
            items.push(taker.item());
        }
        items.sort_unstable();
        items.dedup();
    }
    pairs.extend(items.iter().map(|item| pair(user, params.users + item)));
    items.len() as u64
}

/// Adds three to seven entities to each item, most of them of its topic.
fn item_entities(params: &GenerateParams, entities: u32, pairs: &mut Vec<u64>) {
    let n_topics = TOPICS.len() as u32;
    let per_topic = f64::from((entities / n_topics).max(1));
    let ranks = Zipf::new(per_topic, 1.0).expect("there is at least one rank");
    for item in 0..params.items {
        let mut random = random(params, 4, u64::from(item));
        let n = random.random_range(3..8);
        let mut found: Vec<u32> = (0..n).map(|_| entity(&mut random, item, &ranks)).collect();
        found.iter_mut().for_each(|entity| *entity = (*entity).min(entities - 1));
        found.sort_unstable();
        found.dedup();
        let first = params.users + params.items;
        pairs.extend(found.iter().map(|entity| pair(params.users + item, first + entity)));
    }
}

fn entity(random: &mut ChaCha8Rng, item: u32, ranks: &Zipf<f64>) -> u32 {
    let n_topics = TOPICS.len() as u32;
    let own = random.random_bool(OWN_TOPIC);
    let topic = if own { item % n_topics } else { random.random_range(0..n_topics) };
    (ranks.sample(random) as u32 - 1) * n_topics + topic
}

fn write_pairs(
    params: &GenerateParams,
    pairs: &[u64],
    path: &Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let weights = Gamma::new(2.0, 0.5)?;
    let mut random = random(params, 6, 0);
    let level = ZstdLevel::try_new(1)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer: Option<ArrowWriter<File>> = None;
    for rows in pairs.chunks(ROWS) {
        let sources = UInt32Array::from_iter_values(rows.iter().map(|pair| (pair >> 32) as u32));
        let targets = UInt32Array::from_iter_values(rows.iter().map(|pair| *pair as u32));
        let from_item = |pair: &u64| u8::from((pair >> 32) as u32 >= params.users);
        let relations = UInt8Array::from_iter_values(rows.iter().map(from_item));
        let weight = |_| (weights.sample(&mut random) + 0.1) as f32;
        let weights = Float32Array::from_iter_values(rows.iter().map(weight));
        let times = rows.iter().map(|_| random.random_range(TIMES));
        let times = UInt32Array::from_iter_values(times);
        let batch = RecordBatch::try_from_iter([
            ("src", Arc::new(sources) as ArrayRef),
            ("dst", Arc::new(targets)),
            ("rel", Arc::new(relations)),
            ("weight", Arc::new(weights)),
            ("ts", Arc::new(times)),
        ])?;
        if writer.is_none() {
            let file = File::create(path)?;
            writer = Some(ArrowWriter::try_new(file, batch.schema(), Some(properties.clone()))?);
        }
        if let Some(writer) = &mut writer {
            writer.write(&batch)?;
        }
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(())
}
