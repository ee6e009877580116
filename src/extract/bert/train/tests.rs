//! Training of a small model, whose every parameter must move.

use std::collections::HashMap;
use std::path::Path;

use candle_core::Tensor;

use super::*;
use crate::extract::TypeName;
use crate::extract::bert::Bert;
use crate::extract::bert::tests::tiny_folder;
use crate::extract::label::{LabelledEntity, LabelledRelation};

/// Texts of the form "makers sell things", with the relation between the two.
fn labelled() -> Vec<Labelled> {
    // Written in every way that `Case` tells apart.
    let makers = ["sony", "Nikon", "BOSCH", "LeGo", "canon", "X"];
    let things = ["camera", "drill", "toys", "headphones"];
    let mut texts = Vec::new();
    for maker in makers {
        for thing in things {
            let mut text = Labelled::new(format!("{maker} sells a {thing}"));
            let start = text.text.chars().count() - thing.len();
            let entity = |start, end, name: &str| LabelledEntity {
                start,
                end,
                entity_type: name.to_owned(),
            };
            text.entities.push(entity(0, maker.len(), "brand"));
            text.entities.push(entity(start, start + thing.len(), "product type"));
            let relation = "has brand".to_owned();
            text.relations.push(LabelledRelation { head: 1, tail: 0, relation });
            texts.push(text);
        }
    }
    texts
}

fn run(base: &Path, dest: &Path, params: TrainParams, resume: bool) -> EpochReport {
    let sets = [labelled()];
    let plan = TrainPlan {
        sets: &sets,
        dev: &sets,
        params,
        folder: dest.to_owned(),
        quantize: false,
        resume,
    };
    train(Base::open(base).unwrap(), &plan, &mut |_| ()).unwrap()
}

fn params(epochs: usize) -> TrainParams {
    TrainParams {
        epochs: Some(epochs),
        rate: 1e-3,
        head_rate: 5e-3,
        anchor: 0.1,
        ..TrainParams::default()
    }
}

fn values(folder: &Path) -> HashMap<String, Vec<f32>> {
    let path = folder.join("model.safetensors");
    let tensors = candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap();
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    tensors.iter().map(|(name, tensor)| (name.clone(), flat(tensor))).collect()
}

#[test]
fn every_parameter_moves() {
    let base = tiny_folder();
    let after = |rate: f32| {
        let dest = tempfile::tempdir().unwrap();
        run(base.path(), dest.path(), TrainParams { rate, head_rate: rate, ..params(1) }, false);
        values(dest.path())
    };
    // A rate too small for f32 leaves everything where it began.
    let (before, after) = (after(1e-30), after(1e-2));
    for (name, after) in &after {
        assert!(&before[name] != after, "{name} stands still");
    }
}

#[test]
fn learns_and_finds_what_it_learned() {
    let (base, dest) = (tiny_folder(), tempfile::tempdir().unwrap());
    let long = TrainParams { dropout: 0.0, anchor: 0.0, batch: 8, patience: 200, ..params(200) };
    let best = run(base.path(), dest.path(), long, false);
    assert!(best.entities_f1 > 0.95 && best.relations_f1 > 0.95, "{best:?}");
    let model = Bert::open(dest.path()).unwrap();
    let types = [TypeName::new("brand"), TypeName::new("product type")];
    let found = &model.find(&["canon sells a drill"], &types).unwrap()[0];
    let mentions: Vec<(&str, &str)> =
        found.mentions.iter().map(|m| (m.surface.as_str(), m.entity_type.as_str())).collect();
    assert_eq!(mentions, [("canon", "brand"), ("drill", "product type")]);
    assert_eq!((found.relations[0].head, found.relations[0].tail), (1, 0));
    assert_eq!(found.relations[0].relation, "has brand");
    assert!(!dest.path().join(".training").exists());
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_any_number_of_threads() {
    let base = tiny_folder();
    let bytes = |seed, n_threads| {
        let dest = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let params = TrainParams { seed, ..params(2) };
        pool.install(|| run(base.path(), dest.path(), params, false));
        std::fs::read(dest.path().join("model.safetensors")).unwrap()
    };
    assert!(bytes(1, 1) == bytes(1, 3));
    assert!(bytes(1, 2) != bytes(2, 2));
}

#[test]
fn goes_on_where_it_was_interrupted() {
    let base = tiny_folder();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(base.path(), whole.path(), params(3), false);
    let sets = [labelled()];
    let plan = TrainPlan {
        sets: &sets,
        dev: &sets,
        params: params(3),
        folder: parts.path().to_owned(),
        quantize: false,
        resume: true,
    };
    let interrupted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        train(Base::open(base.path()).unwrap(), &plan, &mut |progress| {
            if matches!(progress, TrainProgress::Epoch(report) if report.epoch == 2) {
                std::panic::resume_unwind(Box::new("interrupted"));
            }
        })
    }));
    assert!(interrupted.is_err());
    run(base.path(), parts.path(), params(3), true);
    let read = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert!(read(whole.path()) == read(parts.path()));
}

#[test]
fn refuses_what_it_cannot_learn_from() {
    let (base, dest) = (tiny_folder(), tempfile::tempdir().unwrap());
    let sets = [vec![Labelled::new("nothing is labelled")]];
    let plan = TrainPlan {
        sets: &sets,
        dev: &[],
        params: params(1),
        folder: dest.path().to_owned(),
        quantize: false,
        resume: false,
    };
    let error = train(Base::open(base.path()).unwrap(), &plan, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("no entity is labelled"), "{error}");
}
