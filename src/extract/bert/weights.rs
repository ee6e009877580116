//! A model folder becomes checked tensors, and fp32 tensors become a quantised file.
//!
//! A folder holds `config.json`, `tokenizer.json` and the weights, as `model.gguf` (preferred) or
//! `model.safetensors`. Every tensor that the configuration asks for is checked for name, shape and
//! finite values before a model is built. Quantised tensors are turned into f32 at load: candle's
//! matrix product over `Q8_0` blocks is several times slower than over f32.
//!
//! A matrix is written in the smaller of two formats that loses nothing, or else as `Q8_0`: values
//! that came from `Q4_0` and were not trained since go back to it, bit for bit.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
use candle_core::{DType, Device, Tensor};
use candle_transformers::models::bert::Config;
use tokenizers::Tokenizer;

use super::super::ExtractError;
use super::case::{CASES, Case};
use super::head;
use super::labels::Labels;

/// File name of the configuration.
pub(super) const CONFIG: &str = "config.json";
/// File name of the tokenizer.
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// File name of quantised weights.
pub(super) const GGUF: &str = "model.gguf";
/// File name of full weights.
const SAFETENSORS: &str = "model.safetensors";

/// File name of what the heads find.
pub(super) const HEADS: &str = "heads.json";

/// Prefixes that checkpoints with a head put before the names of the encoder's tensors.
const PREFIX: &str = "bert.";

/// The bytes of the files of one model.
#[derive(Debug)]
pub struct ModelFiles<'b> {
    /// Where they come from, for messages.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: &'b [u8],
    /// `tokenizer.json`.
    pub tokenizer: &'b [u8],
    /// File name and bytes of the weights; the ending says the format.
    pub weights: (&'b str, &'b [u8]),
    /// `heads.json`, for a model with trained heads.
    pub heads: Option<&'b [u8]>,
}

/// A model read and checked, before the encoder is built.
#[derive(Debug)]
pub struct Weights {
    /// What `config.json` says.
    pub(super) config: Config,
    /// The tokenizer, neither padding nor cutting.
    pub(super) tokenizer: Tokenizer,
    /// The tensors of the encoder, f32, by candle's names.
    pub(super) tensors: HashMap<String, Tensor>,
    /// What the heads find and their tensors, when the model has heads.
    pub(super) heads: Option<(Labels, HashMap<String, Tensor>)>,
    /// blake3 over configuration, tokenizer and weights, and what the heads find.
    pub(super) hash: [u8; 32],
}

impl Weights {
    /// Reads a model folder.
    ///
    /// # Errors
    /// [`ExtractError::MissingFile`] and the errors of [`parse`](Self::parse).
    pub fn open(folder: &Path) -> Result<Self, ExtractError> {
        let name = if folder.join(GGUF).exists() { GGUF } else { SAFETENSORS };
        let (config, tokenizer) = (read(&folder.join(CONFIG))?, read(&folder.join(TOKENIZER))?);
        let weights = read(&folder.join(name))?;
        let heads = folder.join(HEADS);
        let heads = heads.exists().then(|| read(&heads)).transpose()?;
        Self::parse(&ModelFiles {
            folder: folder.to_owned(),
            config: &config,
            tokenizer: &tokenizer,
            weights: (name, &weights),
            heads: heads.as_deref(),
        })
    }

    /// Reads a model from bytes.
    ///
    /// # Errors
    /// [`ExtractError::Config`], [`ExtractError::ConfigValue`], [`ExtractError::Tokenizer`],
    /// [`ExtractError::VocabularySize`], [`ExtractError::Weights`],
    /// [`ExtractError::MissingTensor`], [`ExtractError::WrongShape`] and
    /// [`ExtractError::NotFiniteWeight`], by the file at fault.
    pub fn parse(files: &ModelFiles<'_>) -> Result<Self, ExtractError> {
        let config: Config = serde_json::from_slice(files.config)
            .map_err(|source| ExtractError::Config { path: files.folder.join(CONFIG), source })?;
        check_config(&config)?;
        let tokenizer = parse_tokenizer(files, &config)?;
        let (name, bytes) = files.weights;
        let path = files.folder.join(name);
        let found = if Path::new(name).extension().is_some_and(|suffix| suffix == "gguf") {
            read_gguf(bytes)
        } else {
            read_full(bytes)
        }
        .map_err(|source| ExtractError::Weights { path, source: source.into() })?;
        let mut found = found;
        let mut tensors = check_tensors(&mut found, &expected_tensors(&config))?;
        let cases = (CASES.to_owned(), vec![Case::N, config.hidden_size]);
        if found.contains_key(CASES) {
            tensors.extend(check_tensors(&mut found, &[cases])?);
        } else {
            let none = Tensor::zeros(cases.1, DType::F32, &Device::Cpu).map_err(compute)?;
            tensors.insert(cases.0, none);
        }
        let heads = match files.heads {
            Some(heads) => Some(parse_heads(files, heads, &mut found, config.hidden_size)?),
            None => None,
        };
        let mut hasher = blake3::Hasher::new();
        for part in [files.config, files.tokenizer, bytes].into_iter().chain(files.heads) {
            hasher.update(blake3::hash(part).as_bytes());
        }
        Ok(Self { config, tokenizer, tensors, heads, hash: *hasher.finalize().as_bytes() })
    }

    /// Writes `model.gguf`, `config.json` and `tokenizer.json` to `folder`.
    ///
    /// Vectors stay f32. A matrix becomes `Q4_0` (blocks of 32 values of 4 bits, one f16 scale each)
    /// where that changes no value, else `Q8_0` (8 bits). Tensors outside the encoder, such as the
    /// pooler, are left out. `source` is the folder the model was opened from: its configuration and
    /// tokenizer are copied byte for byte.
    ///
    /// # Errors
    /// [`ExtractError::Io`] and [`ExtractError::Compute`].
    pub fn quantize(&self, source: &Path, folder: &Path) -> Result<(), ExtractError> {
        let mut tensors = self.tensors.clone();
        let mut labels = None;
        if let Some((own, heads)) = &self.heads {
            tensors.extend(heads.clone());
            labels = Some(own);
        }
        write_model(folder, &base_files(source)?, &tensors, labels, true)
    }
}

/// The bytes of `config.json` and `tokenizer.json` of a model folder.
pub(super) fn base_files(folder: &Path) -> Result<[Vec<u8>; 2], ExtractError> {
    Ok([read(&folder.join(CONFIG))?, read(&folder.join(TOKENIZER))?])
}

/// Writes a model folder: weights as `model.gguf` when they are to be quantised, else as
/// `model.safetensors`.
pub(super) fn write_model(
    folder: &Path,
    [config, tokenizer]: &[Vec<u8>; 2],
    tensors: &HashMap<String, Tensor>,
    labels: Option<&Labels>,
    quantize: bool,
) -> Result<(), ExtractError> {
    let mut files = vec![(CONFIG, config.clone()), (TOKENIZER, tokenizer.clone())];
    if let Some(labels) = labels {
        let labels = serde_json::to_vec_pretty(labels)
            .map_err(|source| ExtractError::Compute { source: source.into() })?;
        files.push((HEADS, labels));
    }
    if quantize {
        files.push((GGUF, gguf(tensors).map_err(compute)?));
    }
    write_folder(folder, &files)?;
    let (full, quantized) = (folder.join(SAFETENSORS), folder.join(GGUF));
    if !quantize {
        candle_core::safetensors::save(tensors, &full).map_err(compute)?;
    }
    let other = if quantize { full } else { quantized };
    match std::fs::remove_file(&other) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(ExtractError::Io { path: other, source })
        }
        _ => Ok(()),
    }
}

/// Writes files into a folder, which is created when absent.
pub(super) fn write_folder(folder: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), ExtractError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ExtractError::Io { path, source }
    };
    std::fs::create_dir_all(folder).map_err(io(folder))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        let mut file = std::fs::File::create(&path).map_err(io(&path))?;
        file.write_all(bytes).map_err(io(&path))?;
        file.sync_all().map_err(io(&path))?;
    }
    Ok(())
}

/// `model.gguf`: tensors in order of name, so that the same weights give the same bytes.
pub(super) fn gguf(tensors: &HashMap<String, Tensor>) -> candle_core::Result<Vec<u8>> {
    let mut written = BTreeMap::new();
    for (name, tensor) in tensors {
        written.insert(name.as_str(), quantized(tensor)?);
    }
    let architecture = gguf_file::Value::String("bert".to_owned());
    let written: Vec<_> = written.iter().map(|(&name, tensor)| (name, tensor)).collect();
    let mut bytes = Cursor::new(Vec::new());
    gguf_file::write(&mut bytes, &[("general.architecture", &architecture)], &written)?;
    Ok(bytes.into_inner())
}

/// A tensor in the format that [`Weights::quantize`] states.
fn quantized(tensor: &Tensor) -> candle_core::Result<QTensor> {
    if tensor.rank() != 2 || !tensor.dims()[1].is_multiple_of(32) || tensor.elem_count() == 0 {
        return QTensor::quantize(tensor, GgmlDType::F32);
    }
    let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
    let small = QTensor::quantize(tensor, GgmlDType::Q4_0)?;
    if values(&small.dequantize(&Device::Cpu)?)? == values(tensor)? {
        return Ok(small);
    }
    QTensor::quantize(tensor, GgmlDType::Q8_0)
}

/// Boxes an error of the tensor library.
pub(super) fn compute(source: candle_core::Error) -> ExtractError {
    ExtractError::Compute { source: source.into() }
}

fn read(path: &Path) -> Result<Vec<u8>, ExtractError> {
    std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ExtractError::MissingFile { path: path.to_owned() },
        _ => ExtractError::Io { path: path.to_owned(), source },
    })
}

/// Refuses numbers that the encoder could not run or would divide by.
fn check_config(config: &Config) -> Result<(), ExtractError> {
    let heads = config.num_attention_heads;
    let rules = [
        ("num_attention_heads", heads, heads > 0, "positive"),
        (
            "hidden_size",
            config.hidden_size,
            heads > 0 && config.hidden_size > 0 && config.hidden_size.is_multiple_of(heads),
            "a positive multiple of num_attention_heads",
        ),
        (
            "max_position_embeddings",
            config.max_position_embeddings,
            config.max_position_embeddings >= 8,
            "at least 8",
        ),
        (
            "num_hidden_layers",
            config.num_hidden_layers,
            (1..=1000).contains(&config.num_hidden_layers),
            "between 1 and 1000",
        ),
    ];
    match rules.into_iter().find(|(_, _, holds, _)| !holds) {
        Some((field, found, _, expected)) => {
            Err(ExtractError::ConfigValue { field, found, expected })
        }
        None => Ok(()),
    }
}

/// The tokenizer with padding and truncation off, whatever its file says.
fn parse_tokenizer(files: &ModelFiles<'_>, config: &Config) -> Result<Tokenizer, ExtractError> {
    let error = |source| ExtractError::Tokenizer { path: files.folder.join(TOKENIZER), source };
    let mut tokenizer = Tokenizer::from_bytes(files.tokenizer).map_err(error)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(error)?;
    let found = tokenizer.get_vocab_size(true);
    if found != config.vocab_size {
        return Err(ExtractError::VocabularySize { expected: config.vocab_size, found });
    }
    Ok(tokenizer)
}

fn read_full(bytes: &[u8]) -> candle_core::Result<HashMap<String, Tensor>> {
    candle_core::safetensors::load_buffer(bytes, &Device::Cpu)
}

fn read_gguf(bytes: &[u8]) -> candle_core::Result<HashMap<String, Tensor>> {
    let mut reader = Cursor::new(bytes);
    let content = gguf_file::Content::read(&mut reader)?;
    let mut tensors = HashMap::new();
    for name in content.tensor_infos.keys() {
        let tensor = content.tensor(&mut reader, name, &Device::Cpu)?;
        tensors.insert(name.clone(), tensor.dequantize(&Device::Cpu)?);
    }
    Ok(tensors)
}

/// What the heads find, and their tensors.
fn parse_heads(
    files: &ModelFiles<'_>,
    heads: &[u8],
    found: &mut HashMap<String, Tensor>,
    hidden: usize,
) -> Result<(Labels, HashMap<String, Tensor>), ExtractError> {
    let path = files.folder.join(HEADS);
    let labels: Labels = serde_json::from_slice(heads)
        .map_err(|source| ExtractError::Heads { path: path.clone(), source })?;
    labels.check().map_err(|problem| ExtractError::HeadsValue { path, problem })?;
    let expected: Vec<(String, Vec<usize>)> =
        head::shapes(hidden, labels.types.len(), labels.relations.len())
            .into_iter()
            .map(|(name, shape)| (name.to_owned(), shape))
            .collect();
    let tensors = check_tensors(found, &expected)?;
    Ok((labels, tensors))
}

/// Picks the expected tensors, as f32, and checks each.
fn check_tensors(
    found: &mut HashMap<String, Tensor>,
    expected: &[(String, Vec<usize>)],
) -> Result<HashMap<String, Tensor>, ExtractError> {
    let mut tensors = HashMap::new();
    for (name, expected) in expected.iter().cloned() {
        let tensor = found
            .remove(&name)
            .or_else(|| found.remove(&format!("{PREFIX}{name}")))
            .ok_or_else(|| ExtractError::MissingTensor { name: name.clone() })?;
        if tensor.dims() != expected {
            let found = tensor.dims().to_vec();
            return Err(ExtractError::WrongShape { name, expected, found });
        }
        let tensor = tensor.to_dtype(DType::F32).map_err(compute)?;
        let values =
            tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).map_err(compute)?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(ExtractError::NotFiniteWeight { name });
        }
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// Name and shape of every tensor of a BERT encoder, after candle-transformers' `models/bert.rs`.
pub(super) fn expected_tensors(config: &Config) -> Vec<(String, Vec<usize>)> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mut expected = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![config.vocab_size, hidden]),
        (
            "embeddings.position_embeddings.weight".to_owned(),
            vec![config.max_position_embeddings, hidden],
        ),
        (
            "embeddings.token_type_embeddings.weight".to_owned(),
            vec![config.type_vocab_size, hidden],
        ),
        ("embeddings.LayerNorm.weight".to_owned(), vec![hidden]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![hidden]),
    ];
    for layer in 0..config.num_hidden_layers {
        let linears = [
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inner, hidden),
            ("output.dense", hidden, inner),
        ];
        for (name, rows, columns) in linears {
            let name = format!("encoder.layer.{layer}.{name}");
            expected.push((format!("{name}.weight"), vec![rows, columns]));
            expected.push((format!("{name}.bias"), vec![rows]));
        }
        for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
            let name = format!("encoder.layer.{layer}.{name}");
            expected.push((format!("{name}.weight"), vec![hidden]));
            expected.push((format!("{name}.bias"), vec![hidden]));
        }
    }
    expected
}
