//! The encoder against torch, and checkpoints that must be refused.

use std::collections::HashMap;
use std::path::Path;

use candle_core::quantized::{GgmlDType, gguf_file};
use candle_core::{Device, Tensor};

use super::super::{ExtractError, Extractor, Method, Term, Vocabulary};
use super::*;

/// blake3 of the shipped weights.
const SHIPPED: &str = "ea4221ff3a25b4c80677dc09fff1cf401e1ca264d9b3498d7211740d8894e7cc";

#[derive(serde::Deserialize)]
struct Reference {
    text: String,
    vector: Vec<f32>,
}

fn references() -> Vec<Reference> {
    let json = include_str!("../../../graph-data/models/en/reference.json");
    serde_json::from_str(json).unwrap()
}

fn encode_references(encoder: &Encoder) -> Vec<(Reference, Vec<f32>)> {
    let references = references();
    let texts: Vec<&str> = references.iter().map(|r| r.text.as_str()).collect();
    let encodings = encoder.encode(&texts).unwrap();
    references.into_iter().zip(encodings).collect()
}

#[test]
fn shipped_weights_are_the_ones_described() {
    let (_, bytes) = shipped_files().weights;
    assert_eq!(blake3::hash(bytes).to_hex().as_str(), SHIPPED);
}

#[test]
fn shipped_encodings_are_near_the_reference() {
    for (reference, found) in encode_references(shipped().unwrap().encoder()) {
        let cosine: f32 = found.iter().zip(&reference.vector).map(|(a, b)| a * b).sum();
        assert!(cosine >= 0.999, "{cosine} for {:?}", reference.text);
    }
}

/// Runs when `PREDILECT_FP32_MODEL` names the folder of the fp32 weights.
#[test]
fn full_encodings_are_the_reference() {
    let Some(folder) = std::env::var_os("PREDILECT_FP32_MODEL") else { return };
    let encoder = Encoder::new(Weights::open(Path::new(&folder)).unwrap()).unwrap();
    for (reference, found) in encode_references(&encoder) {
        let differences = found.iter().zip(&reference.vector).map(|(a, b)| (a - b).abs());
        let largest = differences.fold(0.0, f32::max);
        assert!(largest <= 1e-4, "{largest} for {:?}", reference.text);
    }
}

/// The environment is read once per process, so each number of threads gets its own.
#[test]
fn same_bits_for_any_number_of_threads() {
    let dest = "PREDILECT_TEST_ENCODINGS";
    let texts: Vec<String> = (0..24).map(|n| "two lone riders ".repeat(1 + n % 5)).collect();
    if let Some(path) = std::env::var_os(dest) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encodings = shipped().unwrap().encoder().encode(&texts).unwrap();
        let bytes: Vec<u8> = encodings.concat().iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(path, bytes).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |n_threads: &str| {
        let path = folder.path().join(n_threads);
        let name = "extract::bert::tests::same_bits_for_any_number_of_threads";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env("RAYON_NUM_THREADS", n_threads)
            .env(dest, &path)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
        std::fs::read(path).unwrap()
    };
    let one = run("1");
    assert_eq!(one.len(), 24 * 384 * 4);
    assert!(one == run("2") && one == run("5"));
}

fn genres(names: &[&str]) -> Vocabulary {
    let terms = names.iter().map(|&name| Term {
        entity: name.to_owned(),
        entity_type: "genre".to_owned(),
        surfaces: vec![name.to_owned()],
        by_encoding: true,
    });
    Vocabulary::new(terms.collect())
}

#[test]
fn finds_other_wordings_anywhere_in_a_long_text() {
    let filler = "The director lives in a small house near the river with two dogs. ".repeat(60);
    let text = format!("{filler}It is a biographical film with a comedy act. {filler}");
    let vocabulary = genres(&["Biography", "Comedy", "Western"]);
    let found = shipped().unwrap().extract(&[&text], &vocabulary).unwrap();
    let seen: Vec<_> = found[0].mentions.iter().map(|m| (m.surface.as_str(), m.method)).collect();
    assert_eq!(seen, [("biographical", Method::Encoding), ("comedy", Method::Surface)]);
    assert_eq!(found[0].mentions[0].entity.as_deref(), Some("Biography"));
    assert_eq!(found[0].mentions[0].span.slice(&text), "biographical");
}

/// A seeded model of 1 layer and 8 numbers a state, with the shipped tokenizer.
fn tiny() -> HashMap<String, Tensor> {
    let shapes: [(&str, &[usize]); 21] = [
        ("embeddings.word_embeddings.weight", &[30522, 8]),
        ("embeddings.position_embeddings.weight", &[64, 8]),
        ("embeddings.token_type_embeddings.weight", &[2, 8]),
        ("embeddings.LayerNorm.weight", &[8]),
        ("embeddings.LayerNorm.bias", &[8]),
        ("encoder.layer.0.attention.self.query.weight", &[8, 8]),
        ("encoder.layer.0.attention.self.query.bias", &[8]),
        ("encoder.layer.0.attention.self.key.weight", &[8, 8]),
        ("encoder.layer.0.attention.self.key.bias", &[8]),
        ("encoder.layer.0.attention.self.value.weight", &[8, 8]),
        ("encoder.layer.0.attention.self.value.bias", &[8]),
        ("encoder.layer.0.attention.output.dense.weight", &[8, 8]),
        ("encoder.layer.0.attention.output.dense.bias", &[8]),
        ("encoder.layer.0.attention.output.LayerNorm.weight", &[8]),
        ("encoder.layer.0.attention.output.LayerNorm.bias", &[8]),
        ("encoder.layer.0.intermediate.dense.weight", &[16, 8]),
        ("encoder.layer.0.intermediate.dense.bias", &[16]),
        ("encoder.layer.0.output.dense.weight", &[8, 16]),
        ("encoder.layer.0.output.dense.bias", &[8]),
        ("encoder.layer.0.output.LayerNorm.weight", &[8]),
        ("encoder.layer.0.output.LayerNorm.bias", &[8]),
    ];
    let mut state = 42u64;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let tensor = |(name, shape): (&str, &[usize])| {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
        (name.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
    };
    shapes.into_iter().map(tensor).collect()
}

const TINY: &str = r#"{"vocab_size": 30522, "hidden_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16, "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1, "max_position_embeddings": 64, "type_vocab_size": 2,
    "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0}"#;

/// The tiny model in a folder.
pub(super) fn tiny_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_tiny(folder.path(), &tiny());
    folder
}

fn write_tiny(path: &Path, tensors: &HashMap<String, Tensor>) {
    std::fs::write(path.join("config.json"), TINY).unwrap();
    std::fs::write(path.join("tokenizer.json"), shipped_files().tokenizer).unwrap();
    candle_core::safetensors::save(tensors, path.join("model.safetensors")).unwrap();
}

/// The outcome of loading the tiny model after `change` was done to its folder.
fn load(change: impl Fn(&mut HashMap<String, Tensor>, &Path)) -> Result<Bert, ExtractError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("config.json"), TINY).unwrap();
    std::fs::write(path.join("tokenizer.json"), shipped_files().tokenizer).unwrap();
    let mut tensors = tiny();
    change(&mut tensors, path);
    if !path.join("model.gguf").exists() {
        candle_core::safetensors::save(&tensors, path.join("model.safetensors")).unwrap();
    }
    Bert::open(path)
}

fn check(change: impl Fn(&mut HashMap<String, Tensor>, &Path), expected: &str) {
    let error = load(change).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

const QUERY: &str = "encoder.layer.0.attention.self.query.weight";

fn put(tensors: &mut HashMap<String, Tensor>, name: &str, shape: &[usize], value: f32) {
    tensors.insert(name.to_owned(), Tensor::full(value, shape, &Device::Cpu).unwrap());
}

#[test]
fn refuses_bad_tensors() {
    check(|t, _| drop(t.remove(QUERY)), &format!("no tensor `{QUERY}`"));
    check(|t, _| put(t, QUERY, &[8, 4], 0.0), "has shape [8, 4], config.json asks for [8, 8]");
    check(|t, _| put(t, QUERY, &[8, 8], f32::NAN), &format!("`{QUERY}` holds NaN"));
    check(|t, _| put(t, QUERY, &[8, 8], f32::INFINITY), &format!("`{QUERY}` holds NaN"));
}

#[test]
fn refuses_bad_files() {
    let write = |path: &Path, name: &str, bytes: &[u8]| {
        std::fs::write(path.join(name), bytes).unwrap();
    };
    let gguf = shipped_files().weights.1;
    for n_bytes in [0, 3, 100, 4000, 1 << 20, gguf.len() - 1000] {
        check(|_, path| write(path, "model.gguf", &gguf[..n_bytes]), "damaged or cut short");
    }
    check(|_, path| std::fs::remove_file(path.join("config.json")).unwrap(), "is missing");
    check(|_, path| std::fs::remove_file(path.join("tokenizer.json")).unwrap(), "is missing");
    check(|_, path| write(path, "config.json", b"{}"), "not the configuration of a BERT");
    check(|_, path| write(path, "tokenizer.json", b"{}"), "cannot be used");
    let change = |from: &str, to: &str| TINY.replace(from, to).into_bytes();
    let fewer = change("30522", "30000");
    check(|_, path| write(path, "config.json", &fewer), "30522 tokens, config.json says 30000");
    for heads in ["0", "3"] {
        let heads = change(r#"heads": 2"#, &format!(r#"heads": {heads}"#));
        check(|_, path| write(path, "config.json", &heads), "which must be");
    }
    let folder = tempfile::tempdir().unwrap();
    let error = Weights::open(folder.path()).unwrap_err();
    assert!(matches!(error, ExtractError::MissingFile { .. }), "{error}");
}

#[test]
fn refuses_an_output_that_is_not_finite() {
    let encoder = load(|t, _| {
        put(t, "encoder.layer.0.output.LayerNorm.weight", &[8], f32::MAX);
        put(t, "encoder.layer.0.output.LayerNorm.bias", &[8], f32::MAX);
    });
    let error = encoder.unwrap().encode(&["a text"]).unwrap_err();
    assert!(matches!(error, ExtractError::NotFiniteOutput { n_tokens: 4 }), "{error}");
}

#[test]
fn accepts_the_names_of_a_checkpoint_with_a_head() {
    let plain = load(|_, _| ()).unwrap().encode(&["a text"]).unwrap();
    let prefixed = load(|tensors, _| {
        *tensors = tensors.drain().map(|(name, t)| (format!("bert.{name}"), t)).collect();
        put(tensors, "classifier.weight", &[3, 8], 0.0);
    });
    assert_eq!(prefixed.unwrap().encode(&["a text"]).unwrap(), plain);
}

#[test]
fn quantised_files_keep_their_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |folder: &Path, name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    write(one.path(), "config.json", TINY.as_bytes());
    write(one.path(), "tokenizer.json", shipped_files().tokenizer);
    candle_core::safetensors::save(&tiny(), one.path().join("model.safetensors")).unwrap();
    let read = |folder: &Path| std::fs::read(folder.join("model.gguf")).unwrap();
    let quantize = |from: &Path, to: &Path| {
        Weights::open(from).unwrap().quantize(from, to).unwrap();
        read(to)
    };
    let first = quantize(one.path(), two.path());
    assert_eq!(first, quantize(two.path(), &two.path().join("again")));
}

/// A matrix from `Q4_0` returns to it; one value beside its grid makes it `Q8_0`.
#[test]
fn quantised_files_lose_nothing_of_four_bits() {
    let name = "encoder.layer.0.output.dense.weight";
    let mut values: Vec<f32> = (0..64).map(|n| (n % 16 - 8) as f32 / 4.0).collect();
    let mut check = |value: f32, dtype: GgmlDType, largest: f32| {
        values[3] = value;
        let tensor = Tensor::new(&values[..], &Device::Cpu).unwrap().reshape((2, 32)).unwrap();
        let bytes = weights::gguf(&HashMap::from([(name.to_owned(), tensor)])).unwrap();
        let mut reader = std::io::Cursor::new(&bytes);
        let content = gguf_file::Content::read(&mut reader).unwrap();
        assert_eq!(content.tensor_infos[name].ggml_dtype, dtype);
        let read = content.tensor(&mut reader, name, &Device::Cpu).unwrap();
        let read = read.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap();
        let read = read.to_vec1::<f32>().unwrap();
        let differences = read.iter().zip(&values).map(|(a, b)| (a - b).abs());
        assert!(differences.fold(0.0, f32::max) <= largest);
    };
    check(0.25, GgmlDType::Q4_0, 0.0);
    check(0.3, GgmlDType::Q8_0, 0.01);
}

/// Sizes that would take hours if anything were quadratic.
#[test]
fn reads_huge_texts() {
    let bert = load(|_, _| ()).unwrap();
    let vocabulary = genres(&["Drama", "Science Fiction"]);
    let word = "x".repeat(1 << 20);
    let mut document = "a drama of two words, 恐怖片 ".repeat(1 << 16);
    document.push_str("science-fiction");
    assert!(document.len() > 2_000_000);
    let found = bert.extract(&[&word, &document], &vocabulary).unwrap();
    assert_eq!(found[0].mentions, []);
    let surfaces = found[1].mentions.iter().filter(|m| m.method == Method::Surface).count();
    assert_eq!(surfaces, (1 << 16) + 1);
    assert_eq!(found[1].mentions.last().unwrap().span.slice(&document), "science-fiction");
}

#[test]
fn refuses_broken_heads() {
    let write = |path: &Path, heads: &str| std::fs::write(path.join("heads.json"), heads).unwrap();
    let heads = |signature: &str, temperature: &str| {
        format!(
            r#"{{"types": ["brand"], "relations": ["of"], "signatures": [{signature}],
                "temperature": {temperature}, "relation_threshold": 0.0}}"#
        )
    };
    check(|_, path| write(path, "{"), "does not describe the heads");
    check(|_, path| write(path, &heads("[0, 0, 1]", "1.0")), "that is not listed");
    check(|_, path| write(path, &heads("", "0.0")), "temperature must be above 0");
    check(|_, path| write(path, &heads("", "1.0")), "no tensor `span.");
    let shaped = |tensors: &mut HashMap<String, Tensor>, types: usize| {
        for (name, shape) in head::shapes(8, types, 1) {
            put(tensors, name, &shape, 0.0);
        }
    };
    let wrong = |tensors: &mut HashMap<String, Tensor>, path: &Path| {
        shaped(tensors, 2);
        write(path, &heads("", "1.0"));
    };
    check(wrong, "tensor `type.offset` has shape [2, 128]");
    let not_finite = |tensors: &mut HashMap<String, Tensor>, path: &Path| {
        shaped(tensors, 1);
        put(tensors, "span.key.bias", &[64], f32::NAN);
        write(path, &heads("", "1.0"));
    };
    check(not_finite, "tensor `span.key.bias` holds NaN");
    let error = load(|_, _| ()).unwrap().find(&["a text"], &[TypeName::new("brand")]).unwrap_err();
    assert!(matches!(error, ExtractError::NoHeads), "{error}");
}

/// Texts that nobody meant to write, through both shipped models.
#[test]
fn reads_any_text_with_exact_offsets() {
    let long = "Nothing of note happens in this sentence. ".repeat(120);
    let long = format!("{long}Lana Del Rey sang in Berlin. {long}");
    let texts = [
        "",
        " \t\n",
        "\u{0}\u{7}\u{1b}",
        "🎬👍🏽🇩🇪",
        "Sony WH-1000XM5 降噪蓝牙耳机 ヘッドホン, 送料無料! Ünïcödé ﬁne ＡＢＣ",
        "小米手机很好用，屏幕细腻，就是电池不太耐用。",
        &"x".repeat(1 << 20),
        &"电".repeat(5000),
        &long,
    ];
    let types = ["person", "musician", "location", "brand", "product type", "aspect", "opinion"];
    let types: Vec<TypeName> = types.iter().map(|name| TypeName::new(name)).collect();
    for model in super::SHIPPED {
        let model = open(Some(Path::new(model.name))).unwrap();
        let found = model.find(&texts, &types).unwrap();
        for (text, found) in texts.iter().zip(&found) {
            let chars: Vec<char> = text.chars().collect();
            for mention in &found.mentions {
                assert_eq!(mention.span.slice(text), mention.surface);
                let (start, end) =
                    (mention.span.char_start as usize, mention.span.char_end as usize);
                assert_eq!(chars[start..end].iter().collect::<String>(), mention.surface);
                assert!((0.0..=1.0).contains(&mention.confidence));
            }
            assert!(found.mentions.windows(2).all(|two| !two[0].span.overlaps(&two[1].span)));
        }
        let late = |surface: &str| found[8].mentions.iter().any(|m| m.surface == surface);
        assert!(late("Lana Del Rey") && late("Berlin"), "{:?}", found[8].mentions);
    }
}
