//! The graph in memory: an immutable two-way CSR and an overlay of newer edges.
//!
//! [`CompactGraph`] is built once from edges in order and never changes; [`Overlay`] puts newer
//! edges on top of a shared one. Both implement petgraph's `visit` traits with petgraph's own index
//! types, so petgraph's algorithms and adaptors (`Reversed`, `EdgeFiltered`, `UndirectedAdaptor`)
//! and every function of [`crate::traverse`] run on either without knowing which.
//!
//! A [`NodeIndex`] means something within one snapshot only; what the store writes is a `NodeId`.

mod array;
mod compact;
mod error;
mod overlay;
mod visit;

pub(crate) use self::array::{Array, Mapping, Plain};
pub(crate) use self::compact::{Arrays, accumulate};
pub use self::{
    compact::{CompactGraph, Rows},
    error::GraphError,
    overlay::{Overlay, OverlayEdgeReferences, OverlayEdges, OverlayNeighbors},
    visit::{EdgeReference, EdgeReferences, Edges, Neighbors, NodeIdentifiers, NodeReferences},
};

use crate::schema::{RelationId, Timestamp, decay};

/// petgraph's node index, 32 bits wide: a node of one graph.
pub type NodeIndex = petgraph::graph::NodeIndex<u32>;

/// petgraph's edge index, 32 bits wide: an edge of one graph.
pub type EdgeIndex = petgraph::graph::EdgeIndex<u32>;

const MILLIS_PER_MINUTE: i64 = 60_000;

/// What an edge knows in memory, in 12 bytes: its relation, and its evidence as one decayed sum.
#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(C)]
pub struct EdgeData {
    /// How the ends are related.
    pub relation: RelationId,
    /// Decayed sum of the evidence at `last_minutes`; negative when it speaks against.
    pub sum: f32,
    /// Whole minutes from 1970 to the last evidence; 32 bits reach past the year 9999.
    pub last_minutes: u32,
}

impl EdgeData {
    /// An edge whose evidence sums to `sum` at `last`, which is kept to the minute below.
    pub fn new(relation: RelationId, sum: f32, last: Timestamp) -> Self {
        let minutes = last.millis() / MILLIS_PER_MINUTE;
        Self { relation, sum, last_minutes: u32::try_from(minutes).unwrap_or(u32::MAX) }
    }

    /// What the edge is worth at `now`: `sum * 2^(-(now - last) / half_life)`.
    ///
    /// # Arguments
    /// * `now`: an edge touched later than this has the age 0.
    /// * `half_life_days`: days in which the worth halves; without one, or when it is not a
    ///   positive number, nothing fades.
    ///
    /// # Returns
    /// A finite number, of the sign of `sum`; 0 when `sum` is not finite.
    ///
    /// # Example
    /// ```
    /// use predilect::{graph::EdgeData, schema::{RelationId, Timestamp}};
    ///
    /// let day = |n: i64| Timestamp::from_millis(n * 86_400_000).unwrap();
    /// let edge = EdgeData::new(RelationId(0), 8.0, day(10));
    /// assert_eq!(edge.worth(day(40), Some(30.0)), 4.0);
    /// assert_eq!(edge.worth(day(40), None), 8.0);
    /// ```
    pub fn worth(&self, now: Timestamp, half_life_days: Option<f64>) -> f64 {
        let sum = f64::from(self.sum);
        if !sum.is_finite() {
            return 0.0;
        }
        match half_life_days {
            Some(half_life) if half_life > 0.0 => {
                let last = i64::from(self.last_minutes) * MILLIS_PER_MINUTE;
                sum * decay((now.millis() - last).max(0), Some(half_life))
            }
            _ => sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    fn check(sum: f32, last: i64, now: i64, half_life_days: Option<f64>, expected: f64) {
        let edge = EdgeData::new(RelationId(1), sum, at(last));
        assert_eq!(edge.worth(at(now), half_life_days), expected);
    }

    #[test]
    fn worth_halves_and_stays_finite() {
        const DAY: i64 = 86_400_000;
        const END: i64 = 253_402_300_799_999;
        check(1.0, 0, DAY, Some(1.0), 0.5);
        check(-1.0, 0, 2 * DAY, Some(1.0), -0.25);
        check(1.0, 5 * DAY, 0, Some(1.0), 1.0);
        check(3.0, 0, END, None, 3.0);
        check(3.0, 0, END, Some(f64::MIN_POSITIVE), 0.0);
        check(3.0, DAY, DAY, Some(f64::MIN_POSITIVE), 3.0);
        check(3.0, 0, END, Some(f64::INFINITY), 3.0);
        check(3.0, 0, DAY, Some(0.0), 3.0);
        check(3.0, 0, DAY, Some(f64::NAN), 3.0);
        check(f32::INFINITY, 0, DAY, Some(1.0), 0.0);
        check(f32::NAN, 0, DAY, None, 0.0);
        check(f32::MAX, 0, 0, Some(1.0), f64::from(f32::MAX));
    }

    #[test]
    fn an_edge_is_small_and_reaches_the_last_timestamp() {
        assert_eq!(size_of::<EdgeData>(), 12);
        let last = EdgeData::new(RelationId(0), 1.0, at(253_402_300_799_999)).last_minutes;
        assert_eq!(i64::from(last), 253_402_300_799_999 / MILLIS_PER_MINUTE);
    }
}
