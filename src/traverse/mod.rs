//! Algorithms over any graph that has petgraph's `visit` traits.
//!
//! Each is a free function that states the fewest bounds and takes the weight of an edge as a
//! closure, so the caller says what an edge is worth at which time, and petgraph's adaptors say
//! which edges are walked: `Reversed(&graph)` backwards, `UndirectedAdaptor(&graph)` both ways,
//! `EdgeFiltered::from_fn(&graph, ..)` some. No function reads a clock or a file; the same call
//! gives the same bits.
//!
//! # Weights
//! A weight that is not finite, or is negative, counts as 0: such an edge is not walked. So
//! does one below 1e-100, and one above 1e100 counts as 1e100, so that neither a quotient nor a sum of
//! squares leaves the range of f64.

mod both_ways;
mod budget;
mod communities;
mod components;
mod edge_filter;
mod error;
mod neighborhood;
mod neighborhood_size;
mod paths;
mod ppr;
mod ppr_walks;
mod prefetch;
mod similarity;
mod undirected;
mod walk;
mod weight;

pub use self::{
    budget::Budget,
    communities::{Communities, CommunityParams, communities},
    components::{Components, connected_components},
    error::TraverseError,
    neighborhood::{Neighborhood, k_hop},
    neighborhood_size::NeighborhoodSizes,
    paths::{Path, PathParams, Paths, find_paths, find_paths_where},
    ppr::{Ppr, PprParams, PprRun, PprScratch, personalized_pagerank},
    ppr_walks::{PprWalkParams, PprWalks},
    similarity::{Similar, similar_nodes},
    walk::{WalkParams, Walker},
    weight::WeightTable,
};

use petgraph::visit::NodeIndexable;

/// The index of `node`, if it is below the graph's bound.
fn known<G: NodeIndexable>(graph: G, node: G::NodeId) -> Result<usize, TraverseError> {
    let (index, bound) = (graph.to_index(node), graph.node_bound());
    if index < bound { Ok(index) } else { Err(TraverseError::UnknownNode { index, bound }) }
}
