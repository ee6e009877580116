//! The sums against a list of every cut of a short text.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

type Part = fn(&mut Potentials) -> &mut Vec<f32>;

fn random(n_words: usize, n_types: usize, max_width: usize) -> Potentials {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut values = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<_>>();
    Potentials {
        n_words,
        n_types,
        start: values(n_words * n_types),
        inside: values(n_words * n_types),
        end: values(n_words * n_types),
        query: values(n_words * 3),
        key: values(n_words * 3),
        width: values(max_width),
    }
}

/// Every cut of the words from `from` on, with its score.
fn cuts(potentials: &Potentials, from: usize) -> Vec<(Vec<Segment>, f64)> {
    if from == potentials.n_words {
        return vec![(Vec::new(), 0.0)];
    }
    let mut all = cuts(potentials, from + 1);
    for width in 1..=potentials.max_width().min(potentials.n_words - from) {
        for kind in 0..potentials.n_types {
            let segment = Segment { first: from, last: from + width - 1, kind };
            for (mut rest, score) in cuts(potentials, from + width) {
                rest.insert(0, segment);
                all.push((rest, score + f64::from(potentials.score(&segment))));
            }
        }
    }
    all
}

#[test]
fn decodes_as_listing_every_cut_does() {
    let potentials = random(6, 2, 3);
    let all = cuts(&potentials, 0);
    let total = log_sum_exp(all.iter().map(|(_, score)| *score));
    let best = all.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    let found = potentials.decode(1.0);
    assert_eq!(found.iter().map(|(segment, _)| *segment).collect::<Vec<_>>(), best.0);
    for (segment, confidence) in found {
        let with = all.iter().filter(|(cut, _)| cut.contains(&segment));
        let expected = (log_sum_exp(with.map(|(_, score)| *score)) - total).exp();
        assert!((f64::from(confidence) - expected).abs() < 1e-5);
    }
}

#[test]
fn loss_and_gradient_are_those_of_the_listed_cuts() {
    let labels = [Segment { first: 1, last: 2, kind: 1 }, Segment { first: 4, last: 4, kind: 0 }];
    for allowed in [Allowed::Exactly, Allowed::AtLeast] {
        let potentials = random(6, 2, 3);
        let listed = |potentials: &Potentials| {
            let all = cuts(potentials, 0);
            let possible = all.iter().filter(|(cut, _)| match allowed {
                Allowed::Exactly => cut == &labels,
                Allowed::AtLeast => labels.iter().all(|label| cut.contains(label)),
            });
            log_sum_exp(all.iter().map(|(_, score)| *score))
                - log_sum_exp(possible.map(|(_, score)| *score))
        };
        let (loss, gradient) = potentials.loss(&labels, allowed);
        assert!((loss - listed(&potentials)).abs() < 1e-5);
        let parts: [Part; 6] = [
            |p| &mut p.start,
            |p| &mut p.inside,
            |p| &mut p.end,
            |p| &mut p.query,
            |p| &mut p.key,
            |p| &mut p.width,
        ];
        for part in parts {
            let found = part(&mut gradient.clone()).clone();
            for (at, found) in found.into_iter().enumerate() {
                let (mut more, mut less) = (potentials.clone(), potentials.clone());
                part(&mut more)[at] += 1e-2;
                part(&mut less)[at] -= 1e-2;
                let expected = (listed(&more) - listed(&less)) / 2e-2;
                assert!((f64::from(found) - expected).abs() < 1e-4, "{at}: {found} {expected}");
            }
        }
    }
}

#[test]
fn nothing_is_found_in_nothing() {
    let none = Potentials { width: vec![0.0; 4], n_types: 2, ..Potentials::default() };
    assert_eq!(none.decode(1.0), []);
    assert_eq!(none.loss(&[], Allowed::Exactly).0, 0.0);
}
