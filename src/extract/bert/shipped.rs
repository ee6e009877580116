//! The models that the program carries.

use std::path::PathBuf;

use super::weights::ModelFiles;

/// One row of [`SHIPPED`].
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// What the user types.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// Its files.
    pub files: fn() -> ModelFiles<'static>,
}

/// Gives the files of a folder of `graph-data/models`.
macro_rules! files {
    ($name:literal) => {
        || ModelFiles {
            folder: PathBuf::from(concat!("graph-data/models/", $name)),
            config: include_bytes!(concat!("../../../graph-data/models/", $name, "/config.json")),
            tokenizer: include_bytes!(concat!(
                "../../../graph-data/models/",
                $name,
                "/tokenizer.json"
            )),
            weights: (
                "model.gguf",
                include_bytes!(concat!("../../../graph-data/models/", $name, "/model.gguf")),
            ),
            heads: Some(include_bytes!(concat!(
                "../../../graph-data/models/",
                $name,
                "/heads.json"
            ))),
        }
    };
}

/// Every model that the program carries: for English first, then for all other languages.
pub const SHIPPED: &[Shipped] = &[
    Shipped { name: "en", about: "English: all-MiniLM-L6-v2 with heads", files: files!("en") },
    Shipped {
        name: "multilingual",
        about: "Chinese and others: multilingual-e5-small with heads",
        files: files!("multilingual"),
    },
];
