//! Trainings that go by steps: they can start from rows that are there, and go on where they were ended.

use super::checkpoint::{Checkpoint, CheckpointError};
use super::{EmbedError, Entry, Params, Progress, deepwalk, node2vec, sgns};
use crate::graph::CompactGraph;

/// Where a training starts, and where it is written down.
#[derive(Clone, Debug, Default)]
pub struct Course<'a> {
    /// Where rows start, `[nodes, dim]`; a row of zeros starts at random.
    pub start: Option<&'a [f32]>,
    /// Where to write down how far it is.
    pub checkpoint: Option<Checkpoint>,
}

/// Trains a model by steps: `[nodes, dim]`, row after row.
type TrainBySteps = fn(
    &CompactGraph,
    &Params,
    &Course<'_>,
    &mut dyn FnMut(Progress),
) -> Result<Vec<f32>, EmbedError>;

/// The models that are trained by steps.
const BY_STEPS: [(&str, TrainBySteps); 2] =
    [(deepwalk::ENTRY.name, sgns::train_by), (node2vec::ENTRY.name, sgns::train_by)];

impl Entry {
    /// Trains the model as [`train_on`](Self::train_on) does, on a course of its own.
    ///
    /// # Errors
    /// Those of [`train_on`](Self::train_on); [`EmbedError::Whole`] where the course asks for something and
    /// the model is not trained by steps, [`EmbedError::Start`], [`EmbedError::Checkpoint`].
    pub fn train_by(
        &self,
        n_threads: Option<usize>,
        graph: &CompactGraph,
        params: &Params,
        course: &Course<'_>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Vec<f32>, EmbedError> {
        if course.start.is_none() && course.checkpoint.is_none() {
            return self.train_on(n_threads, graph, params, progress);
        }
        let Some((_, train)) = BY_STEPS.iter().find(|(name, _)| *name == self.name) else {
            let known = BY_STEPS.map(|(name, _)| name).join(", ");
            return Err(EmbedError::Whole { model: self.name, known });
        };
        self.check(graph, params)?;
        let expected = graph.node_count() * params.dim;
        if let Some(start) = course.start.filter(|start| start.len() != expected) {
            return Err(EmbedError::Start { found: start.len(), expected });
        }
        match n_threads {
            None => train(graph, params, course, progress),
            Some(n) => {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build()?;
                pool.install(|| train(graph, params, course, progress))
            }
        }
    }
}

impl From<CheckpointError> for EmbedError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}
