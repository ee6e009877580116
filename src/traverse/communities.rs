//! Nodes that have more to do with each other than with the rest: communities of great modularity.

mod level;

use petgraph::visit::{EdgeRef, IntoEdgeReferences, NodeCompactIndexable};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use self::level::{Level, Visits};
use super::components::{Components, Sets, connected_components};
use super::{Budget, TraverseError, weight::usable};

/// How much more modularity a round must bring for another to follow.
const LEAST_GAIN: f64 = 1e-9;

/// How communities are sought.
#[derive(Clone, Debug)]
pub struct CommunityParams {
    /// How much the expected weight between nodes counts against them, above 0: the greater, the
    /// smaller the communities. Default: 1.
    pub resolution: f64,
    /// Rounds at most, each of which starts from what the one before found; at least 1. Default: 10.
    pub max_rounds: usize,
    /// Seed of the order in which nodes are looked at. Default: 1.
    pub seed: u64,
    /// Most edges to look at, and the flag that cancels.
    pub budget: Budget,
}

impl Default for CommunityParams {
    fn default() -> Self {
        Self { resolution: 1.0, max_rounds: 10, seed: 1, budget: Budget::default() }
    }
}

/// A graph's nodes in communities.
#[derive(Clone, PartialEq, Debug)]
pub struct Communities {
    /// By node index: the smallest index of the node's community.
    pub labels: Vec<u32>,
    /// How many communities there are; a node without edges is one.
    pub count: usize,
    /// Their modularity, at most 1; 0 for a graph without edges.
    pub modularity: f64,
    /// Whether the budget ended the search: then there may be better ones.
    pub capped: bool,
}

/// Communities of great modularity, each of them connected.
///
/// # Arguments
/// * `graph`: edges count whatever their direction; parallel ones add up.
/// * `weight`: what an edge weighs; see [`super`].
/// * `params`: see [`CommunityParams`].
///
/// # Returns
/// [`Communities`], whose modularity is that of the connected components or more. The same graph and
/// seed give the same ones.
///
/// # Errors
/// [`TraverseError::Param`], [`TraverseError::TooManyNodes`], [`TraverseError::Cancelled`].
///
/// # Complexity
/// * Time: **O(|V| + |E|)** per round and pass over the nodes; there are few of both.
/// * Space: 24 bytes per edge and about 70 per node, twice where few nodes join.
///
/// # Example
/// ```
/// use petgraph::Graph;
/// use predilect::traverse::{CommunityParams, communities};
///
/// // Two triangles and an edge between them.
/// let edges = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (2, 3)];
/// let graph = Graph::<(), ()>::from_edges(edges);
/// let found = communities(&graph, |_| 1.0, &CommunityParams::default())?;
/// assert_eq!(found.labels, [0, 0, 0, 3, 3, 3]);
/// assert!((found.modularity - 5.0 / 14.0).abs() < 1e-12);
/// # Ok::<(), predilect::traverse::TraverseError>(())
/// ```
///
/// # Source
/// Blondel, Guillaume, Lambiotte & Lefebvre, "Fast unfolding of communities in large networks", J. Stat.
/// Mech. 2008, with the queue of nodes whose surroundings changed of Traag, Waltman & van Eck, "From
/// Louvain to Leiden", Sci. Rep. 9, 2019. Where their method refines communities before they are joined,
/// this one splits those that do not hang together after each round, which only adds modularity, and
/// starts another round from there.
pub fn communities<G>(
    graph: G,
    weight: impl Fn(G::EdgeRef) -> f64,
    params: &CommunityParams,
) -> Result<Communities, TraverseError>
where
    G: IntoEdgeReferences + NodeCompactIndexable,
{
    let CommunityParams { resolution, max_rounds, seed, .. } = *params;
    if !(resolution.is_finite() && resolution > 0.0) {
        let expected = "(0, infinity)";
        return Err(TraverseError::Param { name: "resolution", found: resolution, expected });
    }
    if max_rounds == 0 {
        return Err(TraverseError::Param { name: "max_rounds", found: 0.0, expected: "1.." });
    }
    let whole = Budget { max_visits: usize::MAX, cancelled: params.budget.cancelled.clone() };
    let Components { labels, count, .. } = connected_components(graph, &weight, &whole)?;
    let triple = |edge: G::EdgeRef| {
        let (source, target) = (graph.to_index(edge.source()), graph.to_index(edge.target()));
        (source, target, usable(weight(edge)))
    };
    let level = Level::new(graph.node_bound(), || graph.edge_references().map(triple));
    let mut best = Communities {
        modularity: level.modularity(&labels, resolution),
        labels,
        count,
        capped: false,
    };
    let mut visits = Visits::new(&params.budget);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut labels: Vec<u32> = (0..level.node_count() as u32).collect();
    let mut reached = f64::NEG_INFINITY;
    for _ in 0..max_rounds {
        unfold(&level, &mut labels, resolution, &mut random, &mut visits)?;
        let (split, count) = connected(&level, &labels)?;
        let modularity = level.modularity(&split, resolution);
        labels = split;
        if modularity > best.modularity {
            best = Communities { labels: labels.clone(), count, modularity, capped: false };
        }
        if visits.spent() || modularity <= reached + LEAST_GAIN {
            break;
        }
        reached = modularity;
    }
    best.capped = visits.spent();
    Ok(best)
}

/// Moves nodes, and then whole communities as if they were nodes, for as long as it helps.
fn unfold(
    level: &Level,
    labels: &mut [u32],
    resolution: f64,
    random: &mut Xoshiro256PlusPlus,
    visits: &mut Visits<'_>,
) -> Result<(), TraverseError> {
    level.move_nodes(labels, resolution, random, visits)?;
    let (mut above, numbers) = level.aggregate(labels);
    // From here on a label is the number of a node of the level above.
    labels.iter_mut().for_each(|label| *label = numbers[*label as usize]);
    let mut n_below = level.node_count();
    while above.node_count() < n_below && !visits.spent() {
        n_below = above.node_count();
        let mut moved: Vec<u32> = (0..n_below as u32).collect();
        above.move_nodes(&mut moved, resolution, random, visits)?;
        let (next, numbers) = above.aggregate(&moved);
        let above_of = |label: u32| numbers[moved[label as usize] as usize];
        labels.iter_mut().for_each(|label| *label = above_of(*label));
        above = next;
    }
    Ok(())
}

/// The connected parts of communities, each by its smallest node, and their number.
fn connected(level: &Level, labels: &[u32]) -> Result<(Vec<u32>, usize), TraverseError> {
    let mut sets = Sets::new(labels.len())?;
    for node in 0..labels.len() {
        for (other, _) in level.edges(node) {
            if labels[node] == labels[other as usize] {
                sets.unite(node, other as usize);
            }
        }
    }
    Ok(sets.labels())
}
