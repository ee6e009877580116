//! The layout that ARCHITECTURE.md promises, read off the sources.
//!
//! Every rule is a function from a file's path and text to what is wrong with it, so that each can
//! be shown a file that it must refuse. The sources are read as tokens: comments, strings and test
//! code neither break a rule nor hide that it is broken.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules in reading order. A module may import itself and those above it.
const ORDER: [&str; 23] = [
    "pages",
    "schema",
    "event",
    "store",
    "extract",
    "link",
    "ingest",
    "privacy",
    "graph",
    "traverse",
    "embed",
    "model",
    "snapshot",
    "explain",
    "interest",
    "recommend",
    "evaluate",
    "export",
    "generate",
    "engine",
    "rpc",
    "cli",
    "main",
];

/// Crates, by the start of their name, and the modules that may name them.
const CONFINED: [(&[&str], &[&str]); 10] = [
    (&["rocksdb", "librocksdb"], &["store/rocks"]),
    // Networks that read text, and networks among the fitted models.
    (&["candle"], &["extract/bert", "embed", "model/neural"]),
    (&["tokenizers"], &["extract/bert", "embed"]),
    (&["hnsw"], &["embed/linked"]),
    (&["tonic", "prost"], &["rpc"]),
    (&["tokio"], &["rpc", "main", "ingest/sql"]),
    (&["clap"], &["cli", "main"]),
    (&["anyhow"], &["cli", "main"]),
    (
        &["rayon"],
        &[
            "store/bulk",
            "store/sorter",
            "ingest",
            "graph",
            "embed",
            "model",
            "snapshot",
            "evaluate",
            "extract/bert",
        ],
    ),
    (&["datafusion"], &["ingest/sql", "cli/sql"]),
];

/// Macros that end the program: errors are values here.
const FORBIDDEN_MACROS: [&str; 4] = ["panic", "todo", "unimplemented", "dbg"];

const MAX_LINES: usize = 600;
const MAX_LINES_UNEXPLAINED: usize = 400;
const MAX_LINES_OF_MAIN: usize = 59;

/// What the header of a long file must contain, in a sentence that says why.
const EXPLANATION: &str = "one file";

#[test]
fn modules_import_only_what_stands_above_them() {
    check_sources(order_violations);
}

#[test]
fn crates_are_named_only_where_they_belong() {
    check_sources(confinement_violations);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    check_sources(shape_violations);
}

#[test]
fn errors_are_values() {
    check_sources(panic_violations);
}

#[test]
fn the_library_lists_its_modules_in_reading_order() {
    let lib = read(&root().join("src/lib.rs"));
    assert_eq!(declaration_violations(&lib), Vec::<String>::new());
}

#[test]
fn the_code_map_lists_the_modules_in_reading_order() {
    let path = root().join("ARCHITECTURE.md");
    if !path.exists() {
        return;
    }
    let modules: Vec<String> = sources().iter().map(|(path, _)| top_module(path)).collect();
    assert_eq!(code_map_violations(&read(&path), &modules), Vec::<String>::new());
}

// Below, each rule is shown what it must refuse, and what it must let pass.

/// Asserts that `rule` finds something in the file `path` of this text exactly if `refused`.
fn check(rule: fn(&str, &str) -> Vec<String>, path: &str, text: &str, refused: bool) {
    let violations = rule(path, text);
    assert_eq!(!violations.is_empty(), refused, "{path}: {text}\n{violations:?}");
}

#[test]
fn order_refuses_a_module_below() {
    let refuses = |path, text| check(order_violations, path, text, true);
    refuses("store/mod.rs", "use crate::engine::Engine;");
    refuses("store/mod.rs", "use crate::{schema::Schema, engine::Engine};");
    refuses("store/mod.rs", "use crate::{\n    schema,\n    engine as e,\n};");
    refuses("store/mod.rs", "fn f(engine: &crate::engine::Engine) {}");
    refuses("store/mod.rs", "fn f() { crate :: engine :: start() }");
    refuses("store/mod.rs", "macro_rules! m { () => { $crate::engine::start() } }");
    refuses("store/mod.rs", "use crate::*;");
    refuses("store/mod.rs", "use crate as top;");
    refuses("store/mod.rs", "use crate::{self as top};");
    refuses("store/mod.rs", "use crate::Engine;");
    refuses("store/mod.rs", "extern crate self as predilect;");
    refuses("schema.rs", "use super::event::Event;");
    refuses("schema.rs", "use self::super::event::Event;");
    refuses("store/rocks.rs", "use super::super::engine::Engine;");
    refuses("store/rocks.rs", "use super::{Backend, super::engine::Engine};");
    refuses("store/rocks.rs", "mod inner { use super::super::super::engine::Engine; }");
    refuses("store/mod.rs", "/* no */ use crate::engine::Engine; // no");
    refuses("store/mod.rs", "const A: &str = \"// \"; use crate::engine::Engine;");
    refuses("store/mod.rs", "const A: &str = r#\"\"/*\"#; use crate::engine::Engine;");
    refuses("store/mod.rs", "const A: char = '\"'; use crate::engine::Engine;");
    refuses("store/mod.rs", "#[cfg(test)] mod tests { fn f() {} } use crate::engine::Engine;");
    refuses("store/mod.rs", "#[cfg(test)] mod tests; use crate::engine::Engine;");
    refuses("utils.rs", "");
}

#[test]
fn order_lets_a_module_above_pass() {
    let passes = |path, text| check(order_violations, path, text, false);
    passes("engine.rs", "use crate::{schema::{Kind, Schema}, store::GraphStore};");
    passes("store/rocks.rs", "use crate::store::Backend; use super::{Batch, keyspace::Key};");
    passes("store/rocks.rs", "use super::super::event::Event;");
    passes("store/rocks.rs", "mod inner { use super::super::Batch; pub(super) fn f() {} }");
    passes("store/mod.rs", "pub(crate) fn f() {} pub(in crate::store) fn g() {}");
    passes("store/mod.rs", "// use crate::engine::Engine;\n/* /* crate::engine */ crate::cli */");
    passes("store/mod.rs", "/// See [`crate::engine::Engine`].\nfn f<'a>(_: &'a str) {}");
    passes("store/mod.rs", "const A: &str = \"crate::engine\";");
    passes("store/mod.rs", "#[cfg(test)] mod tests { use crate::engine::Engine; }");
    passes("store/mod.rs", "#[cfg(test)] use crate::{engine::Engine, cli::run};");
    passes("store/tests.rs", "use crate::engine::Engine;");
    passes("lib.rs", "pub use crate::engine::Engine;");
}

#[test]
fn confinement_refuses_a_crate_elsewhere() {
    let refuses = |path, text| check(confinement_violations, path, text, true);
    refuses("store/mod.rs", "use rocksdb::DB;");
    refuses("store/rocksdb.rs", "use ::rocksdb as engine;");
    refuses("link/mod.rs", "use candle_core::Tensor;");
    refuses("model/fused.rs", "use candle_core::Tensor;");
    refuses("model/neural/mod.rs", "use tokenizers::Tokenizer;");
    refuses("extract/mod.rs", "fn f(_: &tokenizers::Tokenizer) {}");
    refuses("event.rs", "#[derive(prost::Message)] struct Event;");
    refuses("engine.rs", "use tonic::Status;");
    refuses("cli/serve.rs", "use tokio::runtime::Runtime;");
    refuses("cli/serve.rs", "use {tokio::net, clap::Parser};");
    refuses("engine.rs", "#[derive(clap::Args)] struct Flags;");
    refuses("engine.rs", "fn f() -> anyhow::Result<()> {}");
    refuses("traverse/mod.rs", "use rayon::prelude::*;");
    refuses("ingest/mod.rs", "use datafusion::prelude::SessionContext;");
}

#[test]
fn confinement_lets_a_crate_at_home_pass() {
    let passes = |path, text| check(confinement_violations, path, text, false);
    passes("store/rocks.rs", "use rocksdb::DB;");
    passes("extract/bert/encoder.rs", "use candle_nn::Linear; use tokenizers::Tokenizer;");
    passes("extract/bert.rs", "use candle_nn::Linear;");
    passes("embed/fusion.rs", "use candle_core::Tensor; use rayon::prelude::*;");
    passes("model/neural/adam.rs", "use candle_core::InplaceOp2;");
    passes("rpc/convert.rs", "use tonic::Status; use prost_types::Timestamp;");
    passes("main.rs", "#[tokio::main] async fn main() {}");
    passes("store/mod.rs", "//! `rocksdb` is named only in `rocks.rs`.\nmod rocks;");
    passes("store/mod.rs", "fn f(options: &Options) -> u64 { options.rocksdb }");
    passes("engine.rs", "#[cfg(test)] mod tests { #[tokio::test] async fn f() {} }");
}

#[test]
fn shape_refuses_long_files_and_files_without_a_header() {
    let refuses = |path, text: &str| check(shape_violations, path, text, true);
    let passes = |path, text: &str| check(shape_violations, path, text, false);
    let long = |header: &str, n_lines: usize| header.to_owned() + &"\n".repeat(n_lines);
    refuses("event.rs", "");
    refuses("event.rs", "use std::fmt;\n//! Late.\n");
    refuses("event.rs", "// Not a header.\n");
    refuses("event.rs", &long("//! Events.", 401));
    refuses("event.rs", &long("//! Events.\n// It is one file.", 400));
    refuses("event.rs", &long("//! One file, because a parser is read as a whole.", 601));
    refuses("main.rs", &long("//! The binary.", 60));
    passes("event.rs", "//! Events.\n");
    passes("event.rs", &long("//! Events.", 400));
    passes("event.rs", &long("//! One file, because a parser is read as a whole.", 600));
    passes("main.rs", &long("//! The binary.", 59));
}

#[test]
fn panics_are_refused_outside_tests() {
    let refuses = |text| check(panic_violations, "event.rs", text, true);
    let passes = |path, text| check(panic_violations, path, text, false);
    refuses("fn f(x: Option<u8>) -> u8 { x.unwrap() }");
    refuses("fn f(x: Option<u8>) -> u8 { x\n    .unwrap()\n}");
    refuses("fn f() { panic!(\"no\") }");
    refuses("fn f() { std::todo!() }");
    refuses("fn f() { unimplemented! {} }");
    refuses("fn f() { dbg!(1); }");
    refuses("#[cfg(test)] mod tests { fn f() {} } fn g() { panic!() }");
    refuses("#[cfg(test)]\n#[rustfmt::skip]\nconst A: [u8; 1] = { [0] };\nfn g() { panic!() }");
    passes("event.rs", "fn f(x: Option<u8>) -> u8 { x.unwrap_or(0) } // x.unwrap()");
    passes("event.rs", "/// `x.unwrap()` would panic!()\nfn f() -> &'static str { \"panic!()\" }");
    passes("event.rs", "fn f() -> u8 { [1].first().copied().expect(\"the array has one\") }");
    passes("event.rs", "#[cfg(test)] mod tests { fn f() { None::<u8>.unwrap(); panic!() } }");
    passes("event/tests.rs", "fn f() { None::<u8>.unwrap() }");
}

#[test]
fn declarations_out_of_order_are_refused() {
    let clean = Vec::<String>::new();
    assert_eq!(declaration_violations("pub mod schema;\npub mod event;\nmod engine;"), clean);
    assert_eq!(declaration_violations("pub mod schema;\n#[cfg(test)] mod fixtures;"), clean);
    assert_ne!(declaration_violations("pub mod event;\npub mod schema;"), clean);
    assert_ne!(declaration_violations("pub mod schema;\npub mod utils;"), clean);
}

#[test]
fn a_code_map_out_of_order_or_with_gaps_is_refused() {
    let modules = ["schema".to_owned(), "store".to_owned(), "lib".to_owned()];
    let map = |rows: &str| code_map_violations(&format!("# A\n## Code map\n{rows}"), &modules);
    assert_eq!(map("| `schema` | b |\n| `store/` | c |\n"), Vec::<String>::new());
    assert_eq!(map("### `src/schema.rs`\n### `src/store/`\n"), Vec::<String>::new());
    assert_ne!(map("| `store/` | b |\n| `schema` | c |\n"), Vec::<String>::new());
    assert_ne!(map("| `schema` | of `store` |\n"), Vec::<String>::new());
    assert_ne!(map("| `schema` | b |\n## Next\n| `store/` | c |\n"), Vec::<String>::new());
}

// The rules.

fn order_violations(path: &str, text: &str) -> Vec<String> {
    let module = top_module(path);
    if module == "lib" || is_test_file(path) {
        return Vec::new();
    }
    let Some(own) = position(&module) else {
        return vec![format!("{path}: the reading order does not name `{module}`")];
    };
    let tokens = without_tests(tokens(text));
    let mut violations = Vec::new();
    for (line, name) in roots(&tokens, module_depth(path)) {
        match position(&name) {
            Some(other) if other <= own => {}
            Some(_) => violations.push(format!("{path}:{line}: `{module}` imports `{name}`")),
            None => violations.push(format!("{path}:{line}: `crate::{name}` names no module")),
        }
    }
    for pair in tokens.windows(2) {
        if pair[0].text == "extern" && pair[1].text == "crate" {
            violations.push(format!("{path}:{}: `extern crate` renames a root", pair[0].line));
        }
    }
    violations
}

fn confinement_violations(path: &str, text: &str) -> Vec<String> {
    if is_test_file(path) {
        return Vec::new();
    }
    let at_home = |home: &&str| {
        path.strip_prefix(*home).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    };
    let tokens = without_tests(tokens(text));
    let mut violations = Vec::new();
    for (crates, homes) in CONFINED {
        if homes.iter().any(at_home) {
            continue;
        }
        for (index, token) in tokens.iter().enumerate() {
            let named = crates.iter().any(|name| {
                let rest = token.text.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
            });
            if named && !follows(&tokens, index, ".") {
                let name = &token.text;
                violations.push(format!("{path}:{}: `{name}` belongs in {homes:?}", token.line));
            }
        }
    }
    violations
}

fn shape_violations(path: &str, text: &str) -> Vec<String> {
    let n_lines = text.lines().count();
    let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let explained = header.join("\n").to_lowercase().contains(EXPLANATION);
    let mut violations = Vec::new();
    if header.is_empty() {
        violations.push(format!("{path}: does not open with `//!`"));
    }
    if n_lines > MAX_LINES {
        violations.push(format!("{path}: {n_lines} lines, more than {MAX_LINES}"));
    } else if n_lines > MAX_LINES_UNEXPLAINED && !explained {
        violations.push(format!(
            "{path}: {n_lines} lines; split it, or let its header say why it is {EXPLANATION}"
        ));
    }
    if path == "main.rs" && n_lines > MAX_LINES_OF_MAIN {
        violations.push(format!("{path}: {n_lines} lines, more than {MAX_LINES_OF_MAIN}"));
    }
    violations
}

fn panic_violations(path: &str, text: &str) -> Vec<String> {
    if is_test_file(path) {
        return Vec::new();
    }
    let tokens = without_tests(tokens(text));
    let mut violations = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).map_or("", |next| next.text.as_str());
        let unwraps = token.text == "unwrap" && next == "(" && follows(&tokens, index, ".");
        if unwraps || (next == "!" && FORBIDDEN_MACROS.contains(&token.text.as_str())) {
            violations.push(format!("{path}:{}: `{}`", token.line, token.text));
        }
    }
    violations
}

fn declaration_violations(lib: &str) -> Vec<String> {
    let tokens = without_tests(tokens(lib));
    let declared = tokens.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";");
    let names: Vec<&str> = declared.map(|three| three[1].text.as_str()).collect();
    ascending_violations("src/lib.rs", &names)
}

/// In the section "Code map", the first name in backticks of a table row, heading or list item
/// that is a module's counts as its entry.
fn code_map_violations(architecture: &str, modules: &[String]) -> Vec<String> {
    let is_heading = |line: &&str| line.starts_with("# ") || line.starts_with("## ");
    let is_map = |line: &&str| is_heading(line) && line.to_lowercase().contains("code map");
    let mut entries: Vec<&str> = Vec::new();
    let section = architecture.lines().skip_while(|line| !is_map(line)).skip(1);
    for line in section.take_while(|line| !is_heading(line)) {
        if !line.starts_with(['|', '#', '-', '*']) {
            continue;
        }
        let Some(name) = line.split('`').nth(1) else { continue };
        let name = name.strip_prefix("src/").unwrap_or(name);
        let name = name.trim_end_matches('/').trim_end_matches(".rs").trim_end_matches("/mod");
        if position(name).is_some() && !entries.contains(&name) {
            entries.push(name);
        }
    }
    let mut violations = ascending_violations("ARCHITECTURE.md", &entries);
    for module in modules.iter().filter(|module| *module != "lib") {
        if !entries.contains(&module.as_str()) {
            violations.push(format!("ARCHITECTURE.md: the code map does not list `{module}`"));
        }
    }
    violations
}

fn ascending_violations(place: &str, names: &[&str]) -> Vec<String> {
    let unknown = names.iter().filter(|name| position(name).is_none());
    let mut violations: Vec<String> =
        unknown.map(|name| format!("{place}: the reading order does not name `{name}`")).collect();
    for pair in names.windows(2) {
        if position(pair[0]) > position(pair[1]) {
            violations.push(format!("{place}: `{}` comes after `{}`", pair[1], pair[0]));
        }
    }
    violations
}

// Rust as far as the rules need it.

struct Token {
    text: String,
    line: usize,
}

/// Words and marks, without white space, comments, strings and characters; `::` is one token.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut index, mut line) = (0, 1);
    while index < chars.len() {
        let start = index;
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '/' if at(index + 1) == '*' => index = after_block_comment(&chars, index),
            '"' => index = after_string(&chars, index),
            '\'' if at(index + 1) == '\\' || at(index + 2) == '\'' => {
                index += if at(index + 1) == '\\' { 3 } else { 2 };
                while index < chars.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            first if first.is_alphanumeric() || first == '_' => {
                while at(index).is_alphanumeric() || at(index) == '_' {
                    index += 1;
                }
                let text: String = chars[start..index].iter().collect();
                let hashes = chars[index..].iter().take_while(|&&mark| mark == '#').count();
                if matches!(text.as_str(), "r" | "br" | "cr") && at(index + hashes) == '"' {
                    index = after_raw_string(&chars, index + hashes + 1, hashes);
                } else {
                    tokens.push(Token { text, line });
                }
            }
            ':' if at(index + 1) == ':' => {
                tokens.push(Token { text: "::".to_owned(), line });
                index += 2;
            }
            mark => {
                if !mark.is_whitespace() {
                    tokens.push(Token { text: mark.to_string(), line });
                }
                index += 1;
            }
        }
        let passed = &chars[start..index.min(chars.len())];
        line += passed.iter().filter(|&&passed| passed == '\n').count();
    }
    tokens
}

fn after_block_comment(chars: &[char], start: usize) -> usize {
    let (mut index, mut depth) = (start, 0);
    while index < chars.len() {
        match chars[index..] {
            ['/', '*', ..] => depth += 1,
            ['*', '/', ..] => depth -= 1,
            _ => {
                index += 1;
                continue;
            }
        }
        index += 2;
        if depth == 0 {
            break;
        }
    }
    index
}

fn after_string(chars: &[char], start: usize) -> usize {
    let mut index = start + 1;
    while index < chars.len() && chars[index] != '"' {
        index += if chars[index] == '\\' { 2 } else { 1 };
    }
    index + 1
}

fn after_raw_string(chars: &[char], start: usize, hashes: usize) -> usize {
    let mut end = vec!['"'];
    end.resize(1 + hashes, '#');
    let length = chars[start..].windows(end.len()).position(|window| window == end);
    length.map_or(chars.len(), |length| start + length + end.len())
}

/// Leaves out every item under `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let texts: Vec<String> = tokens.iter().map(|token| token.text.clone()).collect();
    let mut kept = vec![true; tokens.len()];
    let mut index = 0;
    while index < texts.len() {
        let end = if texts[index..].starts_with(&CFG_TEST.map(str::to_owned)) {
            after_item(&texts, index)
        } else {
            index
        };
        kept[index..end].fill(false);
        index = end.max(index + 1);
    }
    tokens.into_iter().zip(kept).filter_map(|(token, kept)| kept.then_some(token)).collect()
}

/// Where the item whose attributes begin at `start` has ended: at its `;`, or at the brace that
/// closes its body.
fn after_item(texts: &[String], start: usize) -> usize {
    let (mut depth, mut index) = (0_usize, start);
    while index < texts.len() {
        match texts[index].as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                let ends_later = texts.get(index + 1).is_some_and(|next| next == ";");
                if depth == 0 && !ends_later {
                    return index + 1;
                }
            }
            ";" if depth == 0 => return index + 1,
            _ => {}
        }
        index += 1;
    }
    texts.len()
}

/// Every name that the tokens look up at the root of the crate, by `crate::` or by enough
/// `super::`, with its line. `depth` is how many steps up from the file the root is.
fn roots(tokens: &[Token], depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // For every open brace, whether it opened a module within the file.
    let mut braces: Vec<bool> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => braces.push(index >= 2 && tokens[index - 2].text == "mod"),
            "}" => drop(braces.pop()),
            "crate" => below(tokens, index, 0, &mut found),
            "super" if !(follows(tokens, index, "::") && follows(tokens, index - 1, "super")) => {
                let inner = braces.iter().filter(|&&is_module| is_module).count();
                below(tokens, index, (depth + inner).saturating_sub(1), &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Notes what the path at `tokens[index]` names at the root, `up` steps above where it stands.
fn below(tokens: &[Token], index: usize, up: usize, found: &mut Vec<(usize, String)>) {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let branch = |index: usize, found: &mut Vec<(usize, String)>| match text(index) {
        "super" => below(tokens, index, up.saturating_sub(1), found),
        name if up == 0 => found.push((tokens[index].line, name.to_owned())),
        _ => {}
    };
    if up == 0 && text(index + 1) == "as" {
        found.push((tokens[index].line, "as".to_owned()));
    }
    if text(index + 1) != "::" {
        return;
    }
    if text(index + 2) != "{" {
        return branch(index + 2, found);
    }
    let mut open = 0_usize;
    for inner in index + 2..tokens.len() {
        match text(inner) {
            "{" => open += 1,
            "}" => open -= 1,
            _ => {}
        }
        if open == 0 {
            return;
        }
        if open == 1 && matches!(text(inner), "{" | ",") && !matches!(text(inner + 1), "}" | ",") {
            branch(inner + 1, found);
        }
    }
}

fn follows(tokens: &[Token], index: usize, text: &str) -> bool {
    index > 0 && tokens[index - 1].text == text
}

// The files.

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file of `src`: its path from there, with `/`, and its text; in order of the paths.
fn sources() -> Vec<(String, String)> {
    let source_root = root().join("src");
    let mut folders = vec![source_root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be listed") {
            let path = entry.expect("src can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&source_root).expect("it was found below src");
                let below: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                files.push((below.join("/"), read(&path)));
            }
        }
    }
    files.sort();
    files
}

fn check_sources(rule: fn(&str, &str) -> Vec<String>) {
    let files = sources();
    assert!(files.iter().any(|(path, _)| path == "lib.rs"), "src/lib.rs was not found");
    let violations: Vec<String> = files.iter().flat_map(|(path, text)| rule(path, text)).collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

fn position(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// `store` of `store/rocks.rs`, `event` of `event.rs`.
fn top_module(path: &str) -> String {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs").to_owned()
}

/// How many `super` lead from the file's module to the root of the crate.
fn module_depth(path: &str) -> usize {
    let parts = path.split('/').count();
    if path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}
