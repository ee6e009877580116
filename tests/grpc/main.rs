//! The promise of `proto/`, kept over real sockets: every call, every refusal, and a good end.

mod fixture;
mod merges;
mod reads;
mod recommend;
mod refusals;
mod serving;
mod writes;
