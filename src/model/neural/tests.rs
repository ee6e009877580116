//! What the networks learn of data made to have a pattern, and that their gradients are right.

use std::sync::Arc;

use rand::Rng;

use super::super::{Act, Entry, Interactions, Parts, Query, Training};
use super::attention::attention;
use super::ops::{Cells, gather, linear, normalized, tensor};
use super::softmax::{Targets, surprise};
use super::*;

mod ops {
    use super::*;

    /// Compares the gradient of every argument with central differences.
    fn check(shapes: &[(usize, usize)], op: impl Fn(&[Tensor]) -> candle_core::Result<Tensor>) {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut drawn =
            |n: usize| -> Vec<f32> { (0..n).map(|_| random.random_range(-1.0..1.0)).collect() };
        let values: Vec<Vec<f32>> = shapes.iter().map(|(n, m)| drawn(n * m)).collect();
        let at = |values: &[Vec<f32>]| -> Vec<Var> {
            let vars = values.iter().zip(shapes);
            vars.map(|(v, shape)| Var::from_vec(v.clone(), *shape, &Device::Cpu).unwrap()).collect()
        };
        let args =
            |vars: &[Var]| vars.iter().map(|var| var.as_tensor().clone()).collect::<Vec<_>>();
        let vars = at(&values);
        let out = op(&args(&vars)).unwrap();
        let weights = tensor(drawn(out.elem_count()), out.shape().clone()).unwrap();
        let loss = |out: &Tensor| (out * &weights).unwrap().sum_all().unwrap();
        let gradients = loss(&out).backward().unwrap();
        for (which, var) in vars.iter().enumerate() {
            let gradient = gradients.get(var).unwrap().flatten_all().unwrap();
            let gradient = gradient.to_vec1::<f32>().unwrap();
            for (place, slope) in gradient.iter().enumerate() {
                let moved = |step: f32| {
                    let mut values = values.clone();
                    values[which][place] += step;
                    loss(&op(&args(&at(&values))).unwrap()).to_scalar::<f32>().unwrap()
                };
                let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((slope - expected).abs() < 2e-2, "{which} {place}: {slope} {expected}");
            }
        }
    }

    #[test]
    fn gradients_are_those_of_small_steps() {
        check(&[(3, 4), (5, 4)], |args| linear(&args[0], &args[1]));
        let cells = Cells::new([vec![(0, 1.0), (2, -0.5)], vec![], vec![(2, 2.0)]]);
        check(&[(3, 4)], |args| gather(&args[0], cells.clone()));
        check(&[(3, 8)], |args| normalized(&args[0]));
        let offsets: Arc<[usize]> = vec![0, 3, 3, 5].into();
        check(&[(5, 96)], |args| attention(&args[0], offsets.clone(), 2));
        let targets = || Targets {
            cells: Cells::new([vec![(1, 1.0)], vec![(0, 0.5), (3, 1.5)]]),
            unlike: vec![0.1, -0.2, 0.3, 0.0],
        };
        check(&[(2, 4)], |args| surprise(&args[0], targets()));
    }

    #[test]
    fn no_place_sees_what_comes_after_it() {
        let values: Vec<f32> = (0..4 * 48).map(|at| (at * 37 % 19) as f32 / 10.0).collect();
        let mut changed = values.clone();
        changed[3 * 48..].fill(5.0);
        let offsets: Arc<[usize]> = vec![0, 4].into();
        let out = |values: Vec<f32>| {
            let out = attention(&tensor(values, (4, 48)).unwrap(), offsets.clone(), 1).unwrap();
            out.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (before, after) = (out(values), out(changed));
        assert_eq!(before[..48], after[..48]);
        assert_ne!(before[48..], after[48..]);
    }
}

mod sequences {
    use super::*;

    const N_ITEMS: u32 = 20;

    fn act(item: u32, at: i64) -> Act {
        Act { item, behavior: 0, at, value: 1.0 }
    }

    /// Everybody goes round in steps of 7 from an item of their own, so all items are as popular.
    fn round() -> Training {
        let acts = (0..200_u32).flat_map(|user| {
            (0..8_u32).map(move |at| (user, act((user + 7 * at) % N_ITEMS, i64::from(at))))
        });
        Training::plain(Interactions::new(200, N_ITEMS as usize, acts.collect()), true)
    }

    fn params() -> Params {
        let quick = SASREC.defaults().with("dim", 16.0).with("layers", 1.0).with("length", 6.0);
        quick.with("rate", 0.01).with("epochs", 15.0)
    }

    fn scores(params: &Params, acts: &[Act], threads: usize) -> Vec<f32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let model = (SASREC.fit)(&round(), params, 3).unwrap();
            let mut scores = vec![0.0; N_ITEMS as usize];
            model.score(&Query { user: None, acts }, &mut scores);
            scores
        })
    }

    #[test]
    fn the_last_item_says_the_next() {
        let all = params().with("negatives", 0.0);
        for params in [all, params().with("negatives", 6.0)] {
            let scores = scores(&params, &[act(1, 0), act(8, 1), act(15, 2)], 1);
            let best = (0..20).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
            assert_eq!(best, 2, "{scores:?}");
        }
    }

    #[test]
    fn threads_change_no_bit_and_nor_does_a_second_run() {
        let params = params().with("epochs", 2.0).with("negatives", 6.0).with("heads", 1.0);
        let at = |threads| scores(&params, &[act(1, 0), act(8, 1)], threads);
        let first = at(1);
        assert_eq!(first, at(3));
        assert_eq!(first, at(1));
    }

    #[test]
    fn masked_acts_bring_nothing_and_no_history_says_nothing() {
        let params = params().with("epochs", 1.0);
        let masked = Act { value: 0.0, ..act(8, 1) };
        assert!(scores(&params, &[masked], 1).iter().all(|score| *score == 0.0));
        assert!(scores(&params, &[], 1).iter().all(|score| *score == 0.0));
        // It holds its place: what came before it stays where it was.
        let (first, other) = (act(1, 0), Act { item: 3, ..masked });
        let with = |masked| scores(&params, &[first, masked, act(15, 2)], 1);
        assert_eq!(with(masked), with(other));
        assert_ne!(with(masked), scores(&params, &[first, act(15, 2)], 1));
    }

    #[test]
    fn what_no_single_item_brings_is_left_over() {
        let model = (SASREC.fit)(&round(), &params(), 3).unwrap();
        let acts = [act(1, 0), act(8, 1), act(15, 2)];
        let query = Query { user: None, acts: &acts };
        let parts = Parts::of(model.as_ref(), &query, &[2], N_ITEMS as usize);
        assert_eq!(parts.base, [0.0]);
        assert_eq!(parts.brought.len(), 3);
        assert!(parts.unexplained(0).abs() > 0.01, "{parts:?}");
    }

    #[test]
    fn values_that_cannot_be_are_errors() {
        let bad = [("dim", 24.0), ("dim", 0.0), ("layers", 0.0), ("heads", 0.0), ("length", 0.0)];
        let more = [("dropout", 1.0), ("negatives", -1.0), ("epochs", 0.0), ("rate", 0.0)];
        for (name, value) in bad.into_iter().chain(more).chain([("rate", f64::NAN)]) {
            let error = (SASREC.fit)(&round(), &params().with(name, value), 1).err().unwrap();
            assert!(error.to_string().contains(name), "{error}");
        }
        let unordered = Training { ordered: false, ..round() };
        let nothing = Training::plain(Interactions::new(2, 3, vec![(0, act(1, 0))]), true);
        for training in [unordered, nothing] {
            let error = (SASREC.fit)(&training, &params(), 1).err().unwrap();
            assert!(matches!(error, ModelError::Lacking { .. }), "{error}");
        }
        let error = (SASREC.fit)(&round(), &params().with("rate", 1.0).with("dropout", 0.9), 1);
        assert!(error.is_ok() || matches!(error, Err(ModelError::Diverged { .. })));
    }
}

mod autoencoders {
    use super::*;

    fn act(item: u32) -> Act {
        Act { item, behavior: 0, at: 0, value: 1.0 }
    }

    /// Two blocks of ten items; three of four users do seven of the first, the others of the second.
    fn blocks() -> Training {
        let acts = (0..160_u32).flat_map(|user| {
            let block = if user % 4 == 3 { 10 } else { 0 };
            (0..7_u32).map(move |at| (user, act(block + (user / 4 + at * 3) % 10)))
        });
        Training::plain(Interactions::new(160, 20, acts.collect()), false)
    }

    fn params(entry: &Entry) -> Params {
        let quick = entry.defaults().with("dim", 8.0).with("rate", 0.02).with("epochs", 60.0);
        if entry.name == "mult_vae" { quick.with("hidden", 16.0) } else { quick }
    }

    fn scores(entry: &Entry, params: &Params, acts: &[Act], threads: usize) -> Vec<f32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let model = (entry.fit)(&blocks(), params, 3).unwrap();
            let mut scores = vec![0.0; 20];
            model.score(&Query { user: None, acts }, &mut scores);
            scores
        })
    }

    #[test]
    fn a_history_of_the_seldom_block_brings_that_block() {
        for entry in [MULT_VAE, DAE] {
            let scores = scores(&entry, &params(&entry), &[act(11), act(14), act(17)], 1);
            let mut order: Vec<usize> = (0..20).collect();
            order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
            // By popularity, it would be the other.
            assert!(order[..8].iter().all(|item| *item >= 10), "{}: {scores:?}", entry.name);
        }
    }

    #[test]
    fn no_history_gets_what_is_popular() {
        for entry in [MULT_VAE, DAE] {
            let scores = scores(&entry, &params(&entry), &[], 1);
            let (often, seldom): (f32, f32) =
                (scores[..10].iter().sum(), scores[10..].iter().sum());
            assert!(often > seldom, "{}: {scores:?}", entry.name);
        }
    }

    #[test]
    fn threads_change_no_bit_and_nor_does_a_second_run() {
        for entry in [MULT_VAE, DAE] {
            let params = params(&entry).with("epochs", 3.0);
            let at = |threads| scores(&entry, &params, &[act(3)], threads);
            let first = at(1);
            assert_eq!(first, at(3));
            assert_eq!(first, at(1));
        }
    }

    #[test]
    fn values_that_cannot_be_are_errors() {
        for entry in [MULT_VAE, DAE] {
            for knob in entry.knobs {
                let bad = params(&entry).with(knob.name, -1.0);
                let error = (entry.fit)(&blocks(), &bad, 1).err().unwrap();
                assert!(error.to_string().contains(knob.name), "{error}");
            }
        }
    }
}
