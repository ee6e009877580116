//! Rows of nodes that came after the training, and how two tables of the same nodes differ.

use super::sparse::eigen;
use super::table::EmbeddingTable;

/// The row of a node that the model did not see: the mean of its neighbors' rows by weight, as long as
/// they are on average. `None` where no neighbor has a row that is not 0, or all weights are 0.
///
/// # Arguments
/// * `neighbors`: places in the table, and finite weights; those that are not above 0 do not count.
///
/// # Source
/// Hamilton, Ying & Leskovec, "Inductive representation learning on large graphs", NIPS 2017, section
/// 3.3, its mean aggregator without learnt weights.
pub fn row_of_new(table: &EmbeddingTable, neighbors: &[(usize, f32)]) -> Option<Vec<f32>> {
    let mut sum = vec![0.0_f64; table.dim()];
    let (mut lengths, mut total) = (0.0, 0.0);
    for &(place, weight) in neighbors.iter().filter(|(_, weight)| *weight > 0.0) {
        if place >= table.names().len() {
            continue;
        }
        let (row, weight) = (table.row(place), f64::from(weight));
        let length = length(row.iter().map(|value| f64::from(*value)));
        if length == 0.0 {
            continue;
        }
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * f64::from(*value));
        lengths += weight * length;
        total += weight;
    }
    let own = length(sum.iter().copied());
    (total > 0.0 && own > 0.0)
        .then(|| sum.iter().map(|value| (value / own * lengths / total) as f32).collect())
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// How far the rows of the same names moved from one table to another.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Drift {
    /// Names with a row that is not 0 in both tables.
    pub n_shared: usize,
    /// The mean cosine of old and new rows, after the rotation that brings the tables nearest to each
    /// other: 1 for tables that differ by a rotation alone.
    pub mean_cosine: f64,
    /// The least cosine.
    pub least_cosine: f64,
    /// Names that only the new table has with a row.
    pub n_new: usize,
    /// Names that only the old table has with a row.
    pub n_gone: usize,
    /// The names that moved most, with their cosines; the one that moved most first, ties by name.
    pub most_moved: Vec<(String, f64)>,
}

/// How far rows moved from `old` to `new`, naming the `k` that moved most; `None` where the tables share no row or differ in dimensions.
///
/// Dimensions mean nothing by themselves, and another training turns them: so the rotation that brings
/// the rows nearest to each other comes first.
///
/// # Source
/// Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 1966; for
/// embeddings over time: Hamilton, Leskovec & Jurafsky, "Diachronic word embeddings", ACL 2016.
pub fn drift(old: &EmbeddingTable, new: &EmbeddingTable, k: usize) -> Option<Drift> {
    let dim = old.dim();
    if dim != new.dim() {
        return None;
    }
    let unit = |row: &[f32]| -> Option<Vec<f64>> {
        let length = length(row.iter().map(|value| f64::from(*value)));
        (length > 0.0).then(|| row.iter().map(|value| f64::from(*value) / length).collect())
    };
    let (mut names, mut pairs) = (Vec::new(), Vec::new());
    for (place, name) in old.names().iter().enumerate() {
        let pair = (unit(old.row(place)), new.find(name).and_then(|place| unit(new.row(place))));
        if let (Some(old), Some(new)) = pair {
            names.push(name);
            pairs.push((old, new));
        }
    }
    if pairs.is_empty() {
        return None;
    }
    // old' new, whose polar factor is the rotation.
    let mut cross = vec![0.0; dim * dim];
    for (old, new) in &pairs {
        for (line, old) in cross.chunks_exact_mut(dim).zip(old) {
            line.iter_mut().zip(new).for_each(|(sum, new)| *sum += old * new);
        }
    }
    let rotation = polar(&cross, dim);
    let cosines: Vec<f64> = pairs
        .iter()
        .map(|(old, new)| {
            rotation
                .chunks_exact(dim)
                .zip(old)
                .map(|(line, old)| old * line.iter().zip(new).map(|(r, new)| r * new).sum::<f64>())
                .sum()
        })
        .collect();
    let n_rows = |table: &EmbeddingTable| {
        let row = |place: &usize| table.row(*place).iter().any(|value| *value != 0.0);
        (0..table.names().len()).filter(row).count()
    };
    let mut moved: Vec<(&String, f64)> = names.into_iter().zip(cosines.iter().copied()).collect();
    moved.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(b.0)));
    moved.truncate(k);
    Some(Drift {
        n_shared: pairs.len(),
        mean_cosine: cosines.iter().sum::<f64>() / cosines.len() as f64,
        least_cosine: cosines.iter().copied().fold(1.0, f64::min),
        n_new: n_rows(new) - pairs.len(),
        n_gone: n_rows(old) - pairs.len(),
        most_moved: moved.into_iter().map(|(name, cosine)| (name.clone(), cosine)).collect(),
    })
}

/// The orthogonal factor of a square matrix *M*: *M (M' M)^-1/2*; directions that *M* has not are left out.
fn polar(matrix: &[f64], n: usize) -> Vec<f64> {
    const LEAST: f64 = 1e-12;
    let product = |left: &dyn Fn(usize, usize) -> f64, right: &dyn Fn(usize, usize) -> f64| {
        let cell = |at: usize| (0..n).map(|k| left(at / n, k) * right(k, at % n)).sum::<f64>();
        (0..n * n).map(cell).collect::<Vec<f64>>()
    };
    let gram = product(&|row, k| matrix[k * n + row], &|k, column| matrix[k * n + column]);
    let (values, vectors) = eigen(gram, n);
    let scale =
        |at: usize| if values[at] > LEAST * values[0] { values[at].powf(-0.5) } else { 0.0 };
    let root =
        product(&|row, k| vectors[row * n + k] * scale(k), &|k, column| vectors[column * n + k]);
    product(&|row, k| matrix[row * n + k], &|k, column| root[k * n + column])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Params;
    use super::*;

    fn table(rows: &[[f32; 2]]) -> EmbeddingTable {
        let params = Params { dim: 2, seed: 1, values: BTreeMap::new() };
        let names = (0..rows.len()).map(|row| row.to_string()).collect();
        EmbeddingTable::new("some", &params, names, rows.concat()).unwrap()
    }

    #[test]
    fn a_new_node_lies_among_its_neighbors() {
        let table = table(&[[2.0, 0.0], [0.0, 4.0], [0.0, 0.0]]);
        let row = row_of_new(&table, &[(0, 1.0), (1, 0.5), (2, 9.0), (7, 1.0)]).unwrap();
        // The mean points between both, and is (1 · 2 + 0.5 · 4) / 1.5 long.
        assert!((row[0] - row[1]).abs() < 1e-6);
        assert!((row[0].hypot(row[1]) - 4.0 / 1.5).abs() < 1e-6);
        assert_eq!(row_of_new(&table, &[(2, 1.0), (0, 0.0)]), None);
    }

    #[test]
    fn a_rotation_is_no_drift_and_a_move_is() {
        let rows = [[1.0, 0.2], [0.3, 1.0], [-0.5, 0.4], [0.1, -1.0]];
        let turn = |[x, y]: [f32; 2]| [0.6 * x - 0.8 * y, 0.8 * x + 0.6 * y];
        let old = table(&rows);
        let same = drift(&old, &table(&rows.map(turn)), 2).unwrap();
        assert!((same.mean_cosine - 1.0).abs() < 1e-6 && (same.least_cosine - 1.0).abs() < 1e-6);
        let mut moved = rows.map(turn);
        moved[2] = [3.0, 1.0];
        let moved = drift(&old, &table(&moved), 1).unwrap();
        assert!(moved.mean_cosine < 0.9 && moved.n_shared == 4, "{moved:?}");
        assert_eq!(moved.most_moved[0].1, moved.least_cosine);
        let many: Vec<[f32; 2]> = (0..40_u8).map(|at| f32::from(at).sin_cos().into()).collect();
        let mut turned: Vec<[f32; 2]> = many.iter().copied().map(turn).collect();
        turned[7] = turned[7].map(|value| -value);
        let one = drift(&table(&many), &table(&turned), 1).unwrap();
        assert!(one.most_moved[0].0 == "7" && one.least_cosine < -0.9, "{one:?}");
        assert_eq!(drift(&old, &table(&[[0.0, 0.0]]), 1), None);
        let fewer = drift(&old, &table(&[[1.0, 0.2], [0.0, 0.0], [-0.5, 0.4]]), 0).unwrap();
        assert_eq!((fewer.n_shared, fewer.n_new, fewer.n_gone), (2, 0, 2));
        let more = drift(&table(&[[1.0, 0.2]]), &old, 9).unwrap();
        assert_eq!((more.n_shared, more.n_new, more.most_moved.len()), (1, 3, 1));
    }
}
