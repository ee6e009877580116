//! The graphs in memory agree with `petgraph::Graph`, and the traversals with their definitions.

#[path = "graph_properties/case.rs"]
mod case;
#[path = "graph_properties/communities.rs"]
mod communities;
#[path = "graph_properties/graphs.rs"]
mod graphs;
#[path = "graph_properties/oracle.rs"]
mod oracle;
#[path = "graph_properties/shapes.rs"]
mod shapes;
#[path = "graph_properties/traversals.rs"]
mod traversals;
#[path = "graph_properties/walks.rs"]
mod walks;
