//! The forward pass against candle-transformers', and against itself in other company.

use candle_core::Device;
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, DTYPE};

use super::super::{Weights, shipped_files};
use super::*;

#[test]
fn agrees_with_candle_transformers() {
    let weights = Weights::parse(&shipped_files()).unwrap();
    let (tensors, config, precision) = (&weights.tensors, &weights.config, Precision::F32);
    let checkpoint = Checkpoint { tensors, config, precision };
    let models: Vec<_> = KERNELS.iter().filter_map(|kernel| (kernel.build)(&checkpoint)).collect();
    let builder = VarBuilder::from_tensors(weights.tensors, DTYPE, &Device::Cpu);
    let oracle = BertModel::load(builder, &weights.config).unwrap();
    for (rows, length) in [(1, 2), (3, 17), (2, 256)] {
        let ids: Vec<u32> = (0..rows * length).map(|n| (n * 7919 % 30522) as u32).collect();
        let tensor = Tensor::from_slice(&ids, (rows, length), &Device::Cpu).unwrap();
        let expected = oracle.forward(&tensor, &tensor.zeros_like().unwrap(), None).unwrap();
        let expected = expected.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for model in &models {
            let tokens: Vec<Token> = ids.iter().map(|&id| id.into()).collect();
            let found = model.as_ref().unwrap().forward(&tokens, &vec![length; rows]).unwrap();
            let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            assert!(differences.fold(0.0, f32::max) < 2e-5);
        }
    }
}

/// A batch of texts of these lengths, and what each built model says of it.
fn forward(lengths: &[usize], precision: Precision) -> Vec<Vec<f32>> {
    let weights = Weights::parse(&shipped_files()).unwrap();
    let (tensors, config) = (&weights.tensors, &weights.config);
    let checkpoint = Checkpoint { tensors, config, precision };
    let models = KERNELS.iter().filter_map(|kernel| (kernel.build)(&checkpoint));
    let states = models.map(|model| {
        let model = model.unwrap();
        let ids = |length: usize| {
            (0..length).map(move |n| Token::from(((length + n) * 7919 % 30522) as u32))
        };
        let together: Vec<Token> = lengths.iter().flat_map(|&length| ids(length)).collect();
        let together = model.forward(&together, lengths).unwrap();
        let alone = lengths.iter().flat_map(|&length| {
            model.forward(&ids(length).collect::<Vec<_>>(), &[length]).unwrap()
        });
        assert!(alone.eq(together.iter().copied()), "other texts show");
        together
    });
    states.collect()
}

#[test]
fn other_texts_do_not_show() {
    forward(&[3, 70, 1, 22, 22, 9], Precision::F32);
}

#[test]
fn bytes_are_near_f32() {
    let lengths = [22, 5, 60];
    let full = forward(&lengths, Precision::F32);
    for (full, bytes) in full.iter().zip(forward(&lengths, Precision::Int8)) {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        for (a, b) in full.chunks(384).zip(bytes.chunks(384)) {
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            assert!(cosine > 0.98 && cosine < 0.999_999, "{cosine}");
        }
    }
}

#[test]
fn refuses_what_it_has_no_row_for() {
    let weights = Weights::parse(&shipped_files()).unwrap();
    let (tensors, config, precision) = (&weights.tensors, &weights.config, Precision::F32);
    let (_, model) = best(&Checkpoint { tensors, config, precision }).unwrap();
    let error = |ids: &[u32], lengths: &[usize]| {
        let tokens: Vec<Token> = ids.iter().map(|&id| id.into()).collect();
        model.forward(&tokens, lengths).unwrap_err()
    };
    assert!(error(&[1, 30522], &[2]).to_string().contains("no token 30522"));
    assert!(error(&[7; 513], &[513]).to_string().contains("no position 512"));
    assert!(error(&[7; 3], &[2]).to_string().contains("do not add up"));
    assert!(error(&[7; 3], &[2, 2]).to_string().contains("do not add up"));
    assert!(model.forward(&[], &[]).unwrap().is_empty());
}

#[test]
fn gelu_is_exact_to_f32() {
    let inputs: Vec<f32> = (-8000..8000).map(|step| step as f32 / 1000.0).collect();
    let exact: Vec<f64> = inputs.iter().map(|&x| f64::from(x)).collect();
    let exact = Tensor::new(exact, &Device::Cpu).unwrap().gelu_erf().unwrap();
    let mut found = inputs.clone();
    Activation::Gelu.apply(&mut found);
    for ((x, found), exact) in inputs.iter().zip(found).zip(exact.to_vec1::<f64>().unwrap()) {
        assert!((f64::from(found) - exact).abs() < 2e-6, "{x}");
    }
}
