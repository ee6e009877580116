//! What was shown to whom: a file of lines for every day, beside the store.
//!
//! Each answer is one line of JSON, written in one piece and not synced: it survives the end of the process,
//! and no power cut in the next seconds. A line that was torn all the same is cut off before the next is
//! written. Files older than [`KEPT_DAYS`] are removed when a new day's begins. It is no part of the graph:
//! neither backups nor content hashes have it.
//!
//! Who asks how often something was shown has the kept files read once; from then on it is kept in memory.

mod forget;

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{NodeId, StoreError};
use crate::event::NodeKey;
use crate::schema::{DAY_MS, NodeKind, Timestamp};

/// For so many days it is known what was shown.
pub const KEPT_DAYS: i64 = 30;
/// The folder of the files, in that of the store.
const FOLDER: &str = "served";
/// The last users that an item was shown to, of whom is known how they took it.
const VIEWERS: usize = 100;

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServedRecord {
    /// The recommendation's id, which the answer carries.
    pub id: String,
    /// When.
    #[serde(serialize_with = "time_to", deserialize_with = "time_from")]
    pub at: Timestamp,
    /// To whom.
    pub user: String,
    /// The caller's id of the request.
    pub request_id: String,
    /// The recommender.
    pub method: String,
    /// Who chose for the places that explore; `greedy` where none does.
    pub policy: String,
    /// The chance of a place to explore.
    pub exploration: f64,
    /// Seed of the draws.
    pub seed: u64,
    /// The experiment and the user's arm in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arm: String,
    /// The sequence number of the snapshot that was asked.
    pub snapshot: u64,
    /// What was shown, from the first place on.
    pub items: Vec<ServedItem>,
}

/// What stood in a place of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServedItem {
    /// The name of its kind.
    #[serde(default = "item")]
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its score.
    #[serde(default)]
    pub score: f64,
    /// The probability that it stood there, given the places above.
    pub propensity: f64,
    /// What would have stood there, had the place not explored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

fn item() -> String {
    NodeKind::Item.name().to_owned()
}

fn time_to<S: Serializer>(at: &impl std::fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

fn time_from<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    let error = || serde::de::Error::custom(format!("`{text}` is no time; give RFC 3339"));
    Timestamp::parse(&text).ok_or_else(error)
}

impl ServedItem {
    fn node(&self) -> Option<NodeId> {
        let key = NodeKey::new(NodeKind::parse(&self.kind)?, self.id.clone()).ok()?;
        Some(NodeId::of(&key))
    }
}

/// The log of one store; in memory alone where the store is.
pub struct ServedLog {
    folder: Option<PathBuf>,
    /// The day's file, once something was written.
    file: Option<(i64, File)>,
    index: Option<Index>,
}

/// What was shown, for questions.
#[derive(Default)]
struct Index {
    /// Of each user: when, the recommendation, and what.
    users: HashMap<NodeId, Vec<(Timestamp, String, Vec<NodeId>)>>,
    /// The last users that a node was shown to, and when.
    viewers: HashMap<NodeId, VecDeque<(NodeId, Timestamp)>>,
}

impl Index {
    fn add(&mut self, record: &ServedRecord) {
        let Some(user) = user_of(record) else { return };
        let nodes: Vec<NodeId> = record.items.iter().filter_map(ServedItem::node).collect();
        for node in &nodes {
            let viewers = self.viewers.entry(*node).or_default();
            viewers.retain(|(other, _)| *other != user);
            viewers.push_back((user, record.at));
            viewers.drain(..viewers.len().saturating_sub(VIEWERS));
        }
        self.users.entry(user).or_default().push((record.at, record.id.clone(), nodes));
    }

    fn forget_before(&mut self, time: Timestamp) {
        self.users.retain(|_, shown| {
            shown.retain(|(at, ..)| *at >= time);
            !shown.is_empty()
        });
        self.viewers.retain(|_, viewers| {
            viewers.retain(|(_, at)| *at >= time);
            !viewers.is_empty()
        });
    }
}

fn user_of(record: &ServedRecord) -> Option<NodeId> {
    Some(NodeId::of(&NodeKey::new(NodeKind::User, record.user.clone()).ok()?))
}

impl ServedLog {
    /// The log of the store in the folder `store`; without one, a log in memory. Nothing is read or
    /// written yet.
    pub fn new(store: Option<&Path>) -> Self {
        let index = store.is_none().then(Index::default);
        Self { folder: store.map(|store| store.join(FOLDER)), file: None, index }
    }

    /// Writes down what was shown.
    ///
    /// # Errors
    /// [`StoreError::Io`]; then it counts as not shown.
    pub fn append(&mut self, record: &ServedRecord) -> Result<(), StoreError> {
        let day = record.at.millis() / DAY_MS;
        if let Some(folder) = self.folder.clone() {
            let path = folder.join(format!("{}.jsonl", day_name(day)));
            self.write(&folder, &path, day, record).map_err(|source| {
                // It may be torn: the next write opens it anew, and mends it.
                self.file = None;
                StoreError::Io { path, source }
            })?;
        }
        if let Some(index) = &mut self.index {
            index.add(record);
        }
        Ok(())
    }

    fn write(
        &mut self,
        folder: &Path,
        path: &Path,
        day: i64,
        record: &ServedRecord,
    ) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if self.file.as_ref().is_none_or(|(open, _)| *open != day) {
            fs::create_dir_all(folder)?;
            self.clean_up(folder, day)?;
            let options = File::options().create(true).read(true).append(true).open(path);
            let mut file = options?;
            mend(&mut file)?;
            self.file = Some((day, file));
        }
        self.file.as_mut().map_or(Ok(()), |(_, file)| file.write_all(&line))
    }

    /// Removes what is too old on `day`.
    fn clean_up(&mut self, folder: &Path, day: i64) -> std::io::Result<()> {
        let oldest = day - KEPT_DAYS;
        for path in files(folder)? {
            if path.file_stem().is_some_and(|name| *name < *day_name(oldest)) {
                fs::remove_file(path)?;
            }
        }
        if let (Some(index), Some(time)) =
            (&mut self.index, Timestamp::from_millis(oldest.max(0) * DAY_MS))
        {
            index.forget_before(time);
        }
        Ok(())
    }

    fn index(&mut self) -> Result<&Index, StoreError> {
        if self.index.is_none() {
            let mut index = Index::default();
            if let Some(folder) = &self.folder {
                read(folder, |record| index.add(&record))?;
            }
            self.index = Some(index);
        }
        Ok(self.index.get_or_insert_default())
    }

    /// How often each node was shown to `user` in the `window_ms` up to `now`; the recommendation with the
    /// id `but` does not count. Says too whether there was such a one.
    ///
    /// # Errors
    /// Those of [`read_served`].
    pub fn times(
        &mut self,
        user: NodeId,
        now: Timestamp,
        window_ms: i64,
        but: &str,
    ) -> Result<(HashMap<NodeId, usize>, bool), StoreError> {
        let mut times = HashMap::new();
        let shown = self.index()?.users.get(&user).map_or(&[][..], Vec::as_slice);
        for (at, id, nodes) in shown {
            if id != but && now.millis() - at.millis() < window_ms {
                nodes.iter().for_each(|node| *times.entry(*node).or_default() += 1);
            }
        }
        Ok((times, shown.iter().any(|(_, id, _)| id == but)))
    }

    /// The last users whom a node was shown to, at most a hundred, and when it was.
    ///
    /// # Errors
    /// Those of [`read_served`].
    pub fn viewers(&mut self, node: NodeId) -> Result<Vec<(NodeId, Timestamp)>, StoreError> {
        let viewers = self.index()?.viewers.get(&node);
        Ok(viewers.map(|viewers| viewers.iter().copied().collect()).unwrap_or_default())
    }
}

/// What the store in the folder `store` has shown, in the order of time, day by day.
///
/// # Errors
/// [`StoreError::Io`], also for a line that is no record; a last line that is torn is none.
pub fn read_served(store: &Path, each: impl FnMut(ServedRecord)) -> Result<(), StoreError> {
    read(&store.join(FOLDER), each)
}

fn read(folder: &Path, mut each: impl FnMut(ServedRecord)) -> Result<(), StoreError> {
    for path in files_of(folder)? {
        read_file(&path, |_, record| each(record))?;
    }
    Ok(())
}

fn io(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), source }
}

/// The files of days, ascending; none where there is no folder.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match files(folder) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        found => found.map_err(|source| io(folder, source)),
    }
}

/// Each whole line of a file, without its end, and what it says.
fn read_file(path: &Path, mut each: impl FnMut(&[u8], ServedRecord)) -> Result<(), StoreError> {
    let mut lines = BufReader::new(File::open(path).map_err(|source| io(path, source))?);
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        lines.read_until(b'\n', &mut line).map_err(|source| io(path, source))?;
        if line.pop() != Some(b'\n') {
            return Ok(());
        }
        number += 1;
        let record = serde_json::from_slice(&line).map_err(|problem| {
            let message = format!("line {number} is no record: {problem}; take it out");
            io(path, std::io::Error::new(std::io::ErrorKind::InvalidData, message))
        })?;
        each(&line, record);
    }
}

/// The files of days, ascending.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// `2026-11-26`.
fn day_name(day: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(day * DAY_MS);
    time.map(|time| time.format("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// Cuts a last line off that has no end.
fn mend(file: &mut File) -> std::io::Result<()> {
    const CHUNK: u64 = 1 << 16;
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        let mut chunk = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut chunk)?;
        if let Some(place) = chunk.iter().rposition(|byte| *byte == b'\n') {
            end = start + place as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    file.seek(SeekFrom::End(0))?;
    Ok(())
}

#[cfg(test)]
mod tests;
