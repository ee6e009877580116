//! The engine as a library; what it is for, the README says:
#![doc = include_str!("../README.md")]

mod pages;
pub mod schema;
pub mod event;
pub mod store;
pub mod extract;
pub mod link;
pub mod ingest;
pub mod graph;
pub mod traverse;
pub mod embed;
pub mod model;
pub mod snapshot;
pub mod explain;
pub mod interest;
pub mod recommend;
pub mod evaluate;
pub mod export;
pub mod generate;
pub mod engine;
pub mod rpc;
pub mod cli;
