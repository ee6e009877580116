//! placeholder until merged
use serde::{Deserialize, Serialize};
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Labelled {
    pub text: String,
    #[serde(default)]
    pub entities: Vec<LabelledEntity>,
    #[serde(default)]
    pub relations: Vec<LabelledRelation>,
    #[serde(default = "yes")]
    pub complete: bool,
}
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct LabelledEntity {
    pub start: usize,
    pub end: usize,
    #[serde(rename = "type")]
    pub entity_type: String,
}
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct LabelledRelation {
    pub head: usize,
    pub tail: usize,
    #[serde(rename = "type")]
    pub relation: String,
}
fn yes() -> bool {
    true
}
pub fn read(path: &std::path::Path) -> std::io::Result<Vec<Labelled>> {
    Ok(std::fs::read_to_string(path)?.lines().map(|l| serde_json::from_str(l).map_err(std::io::Error::other)).collect::<Result<_, _>>()?)
}
