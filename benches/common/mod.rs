//! Seeded inputs that the benches share.

use std::collections::HashSet;

use predilect::{graph::EdgeData, schema::RelationId};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Days from 1970 to the latest edge of [`power_law`].
pub const LAST_DAY: u32 = 20_000;

/// Edges of users to items whose popularity falls as 1 / rank, and the number of nodes.
pub struct PowerLaw {
    /// Users come first: `0..n_users`, then items.
    pub n_users: u32,
    /// Users and items together.
    pub n_nodes: usize,
    /// Source, target and data, in the order of the CSR.
    pub edges: Vec<(u32, u32, EdgeData)>,
}

/// A graph of `n_edges` edges in four relations: 20 per user, 50 per item on average.
pub fn power_law(n_edges: usize, seed: u64) -> PowerLaw {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (n_users, n_items) = ((n_edges / 20) as u32, (n_edges / 50) as u32);
    let mut seen = HashSet::with_capacity(n_edges);
    let mut edges = Vec::with_capacity(n_edges);
    while edges.len() < n_edges {
        let user = random.random_range(0..n_users);
        let rank = f64::from(n_items).powf(random.random_range(0.0..1.0)) as u32 - 1;
        let relation = RelationId(random.random_range(0..4));
        let data = EdgeData {
            relation,
            sum: random.random_range(0.5..5.0),
            last_minutes: (LAST_DAY - random.random_range(0..365)) * 1440,
        };
        if seen.insert((user, relation, rank)) {
            edges.push((user, n_users + rank, data));
        }
    }
    edges.sort_unstable_by_key(|(source, target, data)| (*source, data.relation, *target));
    PowerLaw { n_users, n_nodes: (n_users + n_items) as usize, edges }
}
