//! Maximal marginal relevance: what is relevant and unlike what stands above it.
//!
//! Source: Carbonell & Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
//! producing summaries", SIGIR 1998. Their lambda is 1 - `diversity` here.

/// The order in which to show the best `k` of some candidates.
///
/// # Arguments
/// * `relevance`: one per candidate, best first, each finite and not negative.
/// * `similarity`: of two candidates by their places, in [0, 1].
/// * `diversity`: in [0, 1]; 0 keeps the order of relevance, 1 looks at likeness alone.
///
/// # Returns
/// Places of candidates, at most `k`, each once. Of equals the more relevant comes first.
///
/// # Complexity
/// * Time: **O(k n)** likenesses for **n** candidates. Space: **O(n)**.
pub(super) fn rerank(
    relevance: &[f64],
    similarity: impl Fn(usize, usize) -> f64,
    k: usize,
    diversity: f64,
) -> Vec<usize> {
    // Relevance is brought to [0, 1], as likeness is.
    let best = relevance.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut nearest = vec![0.0_f64; relevance.len()];
    let mut left: Vec<usize> = (0..relevance.len()).collect();
    let mut order = Vec::new();
    while order.len() < k && !left.is_empty() {
        let worth =
            |place: usize| (1.0 - diversity) * relevance[place] / best - diversity * nearest[place];
        let mut chosen = 0;
        for (rank, place) in left.iter().enumerate() {
            if worth(*place) > worth(left[chosen]) {
                chosen = rank;
            }
        }
        let chosen = left.remove(chosen);
        order.push(chosen);
        if diversity > 0.0 {
            for place in &left {
                nearest[*place] = nearest[*place].max(similarity(*place, chosen));
            }
        }
    }
    order
}

/// What two ascending lists share: the size of their intersection over that of their union; 0 for two
/// empty ones.
///
/// # Source
/// Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 1912.
pub(super) fn jaccard<T: Ord>(a: &[T], b: &[T]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0_usize);
    while i < a.len() && j < b.len() {
        let order = a[i].cmp(&b[j]);
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
        both += usize::from(order.is_eq());
    }
    let union = a.len() + b.len() - both;
    if union == 0 { 0.0 } else { both as f64 / union as f64 }
}

#[cfg(test)]
mod tests {
    use rand::seq::index::sample;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// One less the mean likeness of two of a list (Ziegler et al., WWW 2005).
    fn intra_list_diversity(items: &[Vec<usize>], list: &[usize]) -> f64 {
        let (mut sum, mut n) = (0.0, 0.0);
        for (place, a) in list.iter().enumerate() {
            for b in &list[place + 1..] {
                sum += 1.0 - jaccard(&items[*a], &items[*b]);
                n += 1.0;
            }
        }
        sum / n
    }

    #[test]
    fn diversity_rises_with_the_knob() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut means = Vec::new();
        // The relevant ones are alike, as they are where a user is into something.
        let mut case = || {
            let mut items: Vec<(f64, Vec<usize>)> = (0..100)
                .map(|_| {
                    let mut entities = sample(&mut rng, 20, 4).into_vec();
                    entities.sort_unstable();
                    let liked = entities.iter().filter(|entity| **entity < 4).count();
                    (liked as f64 + rng.random::<f64>(), entities)
                })
                .collect();
            items.sort_by(|a, b| b.0.total_cmp(&a.0));
            items.into_iter().unzip()
        };
        let cases: Vec<(Vec<f64>, Vec<Vec<usize>>)> = (0..200).map(|_| case()).collect();
        for step in 0..=10 {
            let diversity = f64::from(step) / 10.0;
            let sum: f64 = cases
                .iter()
                .map(|(relevance, items)| {
                    let like = |a: usize, b: usize| jaccard(&items[a], &items[b]);
                    let list = rerank(relevance, like, 10, diversity);
                    assert_eq!(list.len(), 10);
                    intra_list_diversity(items, &list)
                })
                .sum();
            means.push(sum / cases.len() as f64);
        }
        assert!(means.windows(2).all(|pair| pair[1] >= pair[0]), "{means:?}");
        assert!(means[10] > means[0] + 0.05, "{means:?}");
    }

    #[test]
    fn without_diversity_the_order_stays() {
        let relevance = [3.0, 2.0, 2.0, 1.0];
        assert_eq!(rerank(&relevance, |_, _| 1.0, 3, 0.0), [0, 1, 2]);
        assert_eq!(rerank(&[], |_, _| 1.0, 3, 0.5), [0; 0]);
    }

    #[test]
    fn what_is_like_the_first_waits() {
        // 0 and 1 are the same; 2 is another. At 0.5: 1 is worth 0.45 - 0.5, 2 is worth 0.25.
        let like = |a: usize, b: usize| if a + b == 1 { 1.0 } else { 0.0 };
        assert_eq!(rerank(&[1.0, 0.9, 0.5], like, 3, 0.5), [0, 2, 1]);
        assert_eq!(rerank(&[1.0, 0.9, 0.5], like, 3, 0.2), [0, 1, 2]);
    }

    #[test]
    fn jaccard_by_hand() {
        assert_eq!(jaccard(&[1, 2, 3], &[2, 3, 4]), 0.5);
        assert_eq!(jaccard::<u8>(&[], &[]), 0.0);
        assert_eq!(jaccard(&[1], &[1]), 1.0);
    }
}
