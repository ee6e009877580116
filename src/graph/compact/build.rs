//! Edges become rows: the counting sorts behind [`CompactGraph`].

use super::super::{EdgeData, GraphError};
use super::CompactGraph;
use crate::pages::{filled, with_room};
use crate::schema::RelationId;

/// Edges of no more relations than this are gone through once for each, rather than sorted by it.
const FEW_RELATIONS: usize = 4;

impl CompactGraph {
    /// Builds the graph from edges in the order that the store yields them.
    ///
    /// # Arguments
    /// * `n_nodes`: nodes are `0..n_nodes`, with or without edges.
    /// * `edges`: source, target and data, ascending strictly by (source, relation, target).
    ///
    /// # Errors
    /// [`GraphError::Unsorted`], [`GraphError::Duplicate`] and [`GraphError::OutOfRange`] name the
    /// first edge at fault; [`GraphError::TooManyNodes`], [`GraphError::TooManyEdges`].
    ///
    /// # Complexity
    /// * Time: **O(|V| + |E|)**, two counting sorts.
    /// * Space: the graph, and 8 bytes per edge while it is built.
    pub fn from_sorted_edges(
        n_nodes: usize,
        edges: impl IntoIterator<Item = (u32, u32, EdgeData)>,
    ) -> Result<Self, GraphError> {
        if u32::try_from(n_nodes).is_err() {
            return Err(GraphError::TooManyNodes { found: n_nodes });
        }
        let edges = edges.into_iter();
        let expected = edges.size_hint().0;
        let (mut targets, mut data) = (with_room(expected), with_room(expected));
        let mut out_offsets = vec![0_u32; n_nodes + 1];
        let mut previous = None;
        for (position, (source, target, edge)) in edges.enumerate() {
            in_range(source, target, n_nodes)?;
            let key = (source, edge.relation, target);
            ascending(previous, key, position)?;
            if position >= u32::MAX as usize {
                return Err(GraphError::TooManyEdges);
            }
            previous = Some(key);
            out_offsets[source as usize + 1] += 1;
            targets.push(target);
            data.push(edge);
        }
        accumulate(&mut out_offsets);
        targets.shrink_to_fit();
        data.shrink_to_fit();
        Ok(Self::from_rows(out_offsets, targets, data))
    }

    /// Builds the graph from edges in any order; see [`CompactGraph::from_sorted_edges`].
    ///
    /// # Errors
    /// Those of [`CompactGraph::from_sorted_edges`] but for [`GraphError::Unsorted`].
    ///
    /// # Complexity
    /// * Time: **O(|V| + |E| log d)** for the greatest out-degree **d**: a counting sort by source,
    ///   then each row by itself.
    /// * Space: the graph, and 36 bytes per edge while it is built.
    pub fn from_edges(
        n_nodes: usize,
        edges: impl IntoIterator<Item = (u32, u32, EdgeData)>,
    ) -> Result<Self, GraphError> {
        let edges: Vec<_> = edges.into_iter().collect();
        if u32::try_from(n_nodes).is_err() {
            return Err(GraphError::TooManyNodes { found: n_nodes });
        }
        if edges.len() >= u32::MAX as usize {
            return Err(GraphError::TooManyEdges);
        }
        let mut out_offsets = vec![0_u32; n_nodes + 1];
        for &(source, target, _) in &edges {
            in_range(source, target, n_nodes)?;
            out_offsets[source as usize + 1] += 1;
        }
        accumulate(&mut out_offsets);
        let mut slots = out_offsets.clone();
        let nothing = EdgeData { relation: RelationId(0), sum: 0.0, last_minutes: 0 };
        let mut rows = filled(edges.len(), (0_u32, nothing));
        for (source, target, edge) in edges {
            let slot = &mut slots[source as usize];
            rows[*slot as usize] = (target, edge);
            *slot += 1;
        }
        for (source, row) in (0_u32..).zip(out_offsets.windows(2)) {
            let row = &mut rows[row[0] as usize..row[1] as usize];
            let key = |(target, edge): &(u32, EdgeData)| {
                u64::from(edge.relation.0) << 32 | u64::from(*target)
            };
            row.sort_unstable_by_key(key);
            if let Some(pair) = row.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
                let (target_node, EdgeData { relation: RelationId(relation), .. }) = pair[0];
                return Err(GraphError::Duplicate { source_node: source, relation, target_node });
            }
        }
        let (mut targets, mut data) = (with_room(rows.len()), with_room(rows.len()));
        for (target, edge) in rows {
            targets.push(target);
            data.push(edge);
        }
        Ok(Self::from_rows(out_offsets, targets, data))
    }

    /// Adds the in-edges to rows of out-edges that are in order and in range.
    ///
    /// By relation, then a stable counting sort by target: that leaves (target, relation, source).
    pub(in crate::graph) fn from_rows(
        out_offsets: Vec<u32>,
        targets: Vec<u32>,
        data: Vec<EdgeData>,
    ) -> Self {
        let mut in_offsets = vec![0_u32; out_offsets.len()];
        for target in &targets {
            in_offsets[*target as usize + 1] += 1;
        }
        accumulate(&mut in_offsets);
        let mut slots = in_offsets.clone();
        let (mut sources, mut in_edges) = (filled(data.len(), 0), filled(data.len(), 0));
        by_relation(&out_offsets, &data, |source, edge| {
            let slot = &mut slots[targets[edge as usize] as usize];
            sources[*slot as usize] = source;
            in_edges[*slot as usize] = edge;
            *slot += 1;
        });
        let by_node = ascend(&out_offsets, &targets) && ascend(&in_offsets, &sources);
        Self {
            out_offsets: out_offsets.into(),
            targets: targets.into(),
            data: data.into(),
            in_offsets: in_offsets.into(),
            sources: sources.into(),
            in_edges: in_edges.into(),
            by_node,
        }
    }
}

/// Calls `visit` with the source and the place of every edge, by relation and then by place.
fn by_relation(offsets: &[u32], data: &[EdgeData], mut visit: impl FnMut(u32, u32)) {
    let n_relations = data.iter().map(|edge| edge.relation.0 as usize + 1).max().unwrap_or(0);
    let rows = || (0_u32..).zip(offsets.windows(2)).map(|(source, row)| (source, row[0]..row[1]));
    if n_relations <= FEW_RELATIONS {
        for relation in 0..n_relations {
            for (source, row) in rows() {
                for (place, edge) in row.clone().zip(&data[row.start as usize..row.end as usize]) {
                    if edge.relation.0 as usize == relation {
                        visit(source, place);
                    }
                }
            }
        }
        return;
    }
    let mut slots = vec![0_u32; n_relations + 1];
    data.iter().for_each(|edge| slots[edge.relation.0 as usize + 1] += 1);
    accumulate(&mut slots);
    let mut sorted = filled(data.len(), (0, 0));
    for (source, row) in rows() {
        for place in row {
            let slot = &mut slots[data[place as usize].relation.0 as usize];
            sorted[*slot as usize] = (source, place);
            *slot += 1;
        }
    }
    sorted.into_iter().for_each(|(source, place)| visit(source, place));
}

/// Holds when `key` sorts after `previous`; else says how not.
fn ascending(
    previous: Option<(u32, RelationId, u32)>,
    key: (u32, RelationId, u32),
    position: usize,
) -> Result<(), GraphError> {
    let (source_node, RelationId(relation), target_node) = key;
    match previous {
        Some(previous) if previous == key => {
            Err(GraphError::Duplicate { source_node, relation, target_node })
        }
        Some(previous) if previous > key => {
            Err(GraphError::Unsorted { position, source_node, relation, target_node })
        }
        _ => Ok(()),
    }
}

fn in_range(source: u32, target: u32, n_nodes: usize) -> Result<(), GraphError> {
    match [source, target].into_iter().find(|&node| node as usize >= n_nodes) {
        Some(node) => Err(GraphError::OutOfRange { node, n_nodes }),
        None => Ok(()),
    }
}

/// Does every row ascend strictly?
fn ascend(offsets: &[u32], others: &[u32]) -> bool {
    offsets.windows(2).all(|row| {
        let row = &others[row[0] as usize..row[1] as usize];
        row.windows(2).all(|pair| pair[0] < pair[1])
    })
}

/// Turns counts, shifted by one place, into offsets.
pub(crate) fn accumulate(offsets: &mut [u32]) {
    let mut total = 0;
    for offset in offsets {
        total += *offset;
        *offset = total;
    }
}
