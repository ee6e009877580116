//! What an interrupted training leaves behind, to go on from.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{Device, Tensor, safetensors};
use serde::{Deserialize, Serialize};

use super::super::weights::compute;
use super::network::Network;
use super::optimizer::Optimizer;
use super::{EpochReport, TrainPlan};
use crate::extract::ExtractError;

/// Folder in that of the model.
const FOLDER: &str = ".training";
const STATE: &str = "state.json";

/// Where training stood.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Left {
    /// blake3 of base, texts and parameters.
    plan: String,
    /// Epochs done.
    pub(super) epochs: usize,
    /// Steps of the optimizer.
    n_steps: i32,
    /// The best epoch, whose model is in the folder.
    pub(super) best: Option<EpochReport>,
    /// File of the numbers, beside this one.
    tensors: String,
}

/// The checkpoint of one training.
#[derive(Debug)]
pub(super) struct Checkpoint {
    folder: PathBuf,
    plan: String,
}

impl Checkpoint {
    pub(super) fn new(plan: &TrainPlan<'_>, base: &[u8; 32]) -> Result<Self, ExtractError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(base);
        for set in [plan.sets, plan.dev] {
            let texts = serde_json::to_vec(set).map_err(encoding)?;
            hasher.update(blake3::hash(&texts).as_bytes());
        }
        hasher.update(format!("{:?} {}", plan.params, plan.quantize).as_bytes());
        let folder = plan.folder.join(FOLDER);
        Ok(Self { folder, plan: hasher.finalize().to_hex().to_string() })
    }

    /// Takes up what is there; none when there is nothing.
    pub(super) fn load(
        &self,
        network: &mut Network,
        average: &mut Network,
        optimizer: &mut Optimizer,
    ) -> Result<Option<Left>, ExtractError> {
        let path = self.folder.join(STATE);
        let state = match std::fs::read(&path) {
            Ok(state) => state,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ExtractError::Io { path, source }),
        };
        let left: Left = serde_json::from_slice(&state).map_err(encoding)?;
        if left.plan != self.plan {
            return Err(ExtractError::OtherTraining { folder: self.folder.clone() });
        }
        let tensors = safetensors::load(self.folder.join(&left.tensors), &Device::Cpu);
        let mut tensors = tensors.map_err(compute)?;
        let mut take = |name: &str| -> Result<Vec<f32>, ExtractError> {
            let tensor = tensors
                .remove(name)
                .ok_or_else(|| ExtractError::MissingTensor { name: name.to_owned() })?;
            tensor.flatten_all().and_then(|flat| flat.to_vec1()).map_err(compute)
        };
        optimizer.words = [take("first.words")?, take("second.words")?];
        optimizer.n_steps = left.n_steps;
        for (kind, network) in [("value", &mut *network), ("average", average)] {
            network.words = take(&format!("{kind}.words"))?;
            for (name, variable) in &network.variables {
                let values = take(&format!("{kind}.{name}"))?;
                let tensor = Tensor::from_vec(values, variable.shape(), &Device::Cpu);
                tensor.and_then(|tensor| variable.set(&tensor)).map_err(compute)?;
            }
        }
        for name in network.variables.keys() {
            if let (Ok(first), Ok(second)) =
                (take(&format!("first.{name}")), take(&format!("second.{name}")))
            {
                optimizer.moments.insert(name.clone(), [first, second]);
            }
        }
        Ok(Some(left))
    }

    /// Notes where training stands: the numbers first, then the state that names them.
    pub(super) fn save(
        &self,
        network: &Network,
        average: &Network,
        optimizer: &Optimizer,
        epochs: usize,
        best: Option<EpochReport>,
    ) -> Result<(), ExtractError> {
        let io = |path: PathBuf| move |source| ExtractError::Io { path, source };
        std::fs::create_dir_all(&self.folder).map_err(io(self.folder.clone()))?;
        let mut tensors: HashMap<String, Tensor> = HashMap::new();
        let flat = |values: &[f32]| Tensor::new(values, &Device::Cpu).map_err(compute);
        let [first, second] = &optimizer.words;
        tensors.insert("first.words".to_owned(), flat(first)?);
        tensors.insert("second.words".to_owned(), flat(second)?);
        for (kind, network) in [("value", network), ("average", average)] {
            tensors.insert(format!("{kind}.words"), flat(&network.words)?);
            for (name, variable) in &network.variables {
                tensors.insert(format!("{kind}.{name}"), variable.as_detached_tensor());
            }
        }
        for (name, [first, second]) in &optimizer.moments {
            tensors.insert(format!("first.{name}"), flat(first)?);
            tensors.insert(format!("second.{name}"), flat(second)?);
        }
        let file = format!("epoch-{epochs}.safetensors");
        safetensors::save(&tensors, self.folder.join(&file)).map_err(compute)?;
        let n_steps = optimizer.n_steps;
        let left = Left { plan: self.plan.clone(), epochs, n_steps, best, tensors: file.clone() };
        let partial = self.folder.join("state.partial");
        let state = serde_json::to_vec_pretty(&left).map_err(encoding)?;
        std::fs::write(&partial, state).map_err(io(partial.clone()))?;
        let path = self.folder.join(STATE);
        std::fs::rename(&partial, &path).map_err(io(path))?;
        let before = self.folder.join(format!("epoch-{}.safetensors", epochs - 1));
        // One that was never there needs no removal.
        let _ = std::fs::remove_file(before);
        Ok(())
    }

    /// Removes what is there: training has ended.
    pub(super) fn remove(&self) -> Result<(), ExtractError> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(ExtractError::Io { path: self.folder.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

fn encoding(source: serde_json::Error) -> ExtractError {
    ExtractError::Compute { source: source.into() }
}
