//! How fast the encoder runs, alone and in batches, by precision.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use predilect::extract::bert::{Encoder, EncoderParams, Precision, Weights, shipped_files};

/// A title of 20 words.
const TITLE: &str = "wireless noise cancelling headphones with microphone, over ear, foldable, \
    forty hours of playing time, deep bass, for travel and office";

fn encode(c: &mut Criterion) {
    for precision in Precision::ALL {
        let params = EncoderParams { precision, n_workers: 1, ..EncoderParams::default() };
        let weights = Weights::parse(&shipped_files()).unwrap();
        let encoder = Encoder::with_params(weights, params).unwrap();
        let mut group = c.benchmark_group(format!("encode/{}", precision.name()));
        for n_texts in [1, 32] {
            let texts = vec![TITLE; n_texts];
            let n_tokens = encoder.n_tokens(&texts).unwrap();
            group.sample_size(10).throughput(Throughput::Elements(n_tokens as u64));
            group.bench_function(format!("batch_{n_texts}"), |b| {
                b.iter(|| encoder.encode(black_box(&texts)).unwrap());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
