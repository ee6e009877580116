//! The recipe that the store's models are fitted by: a file beside the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Engine, EngineError};
use crate::model::Recipe;
use crate::store::GraphStore;

/// The file of a store's folder that holds the recipe.
const RECIPE_FILE: &str = "recommender.json";

fn file(store: &GraphStore) -> Option<PathBuf> {
    store.folder().map(|folder| folder.join(RECIPE_FILE))
}

/// The recipe of a store; the default where none is kept.
pub(super) fn read(store: &GraphStore) -> Result<Arc<Recipe>, EngineError> {
    let Some(path) = file(store).filter(|path| path.is_file()) else {
        return Ok(Arc::default());
    };
    let bytes =
        std::fs::read(&path).map_err(|source| EngineError::File { path: path.clone(), source })?;
    let recipe =
        serde_json::from_slice(&bytes).map_err(|source| EngineError::Recipe { path, source })?;
    Ok(Arc::new(recipe))
}

impl Engine {
    /// Keeps the recipe that the store's models are fitted by at the next start; nothing for a store in
    /// memory.
    ///
    /// # Errors
    /// [`EngineError::File`].
    pub fn keep_recipe(&self, recipe: &Recipe) -> Result<(), EngineError> {
        let Some(path) = file(&self.store) else { return Ok(()) };
        let next = path.with_extension("json.next");
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| EngineError::File { path, source }
        };
        let bytes = serde_json::to_vec_pretty(recipe)
            .map_err(|source| EngineError::Recipe { path: path.clone(), source })?;
        std::fs::write(&next, bytes).map_err(fail(&next))?;
        std::fs::rename(&next, &path).map_err(fail(&path))
    }
}
