//! Runs the built program in a folder of its own: arguments in, expected output out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with the tiny data, in which commands are run.
pub struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with the tiny graph loaded into `store`, without extraction.
    pub fn with_store() -> Self {
        let folder = Self::new();
        folder.check(&format!("load --store store {} --extractor off", tiny_files()), 0);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The command of these words, split at spaces.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_predilect"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command; asserts its exit code and that nothing ended in a panic.
    pub fn check(&self, line: &str, code: i32) -> Answer {
        let Output { status, stdout, stderr } = self.command(line).output().unwrap();
        let answer = Answer {
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        };
        assert_eq!(status.code(), Some(code), "predilect {line}\n{}{}", answer.out, answer.err);
        assert!(!answer.err.contains("panicked"), "{}", answer.err);
        answer
    }

    /// Runs a command that must succeed and print just this.
    pub fn prints(&self, line: &str, expected: &str) {
        let out = self.check(line, 0).out;
        assert_eq!(out.trim_end(), expected.trim_end(), "predilect {line}");
    }

    /// Runs a command that must fail with `code` and one line that holds `expected`.
    pub fn refuses(&self, line: &str, code: i32, expected: &str) {
        let Answer { out, err } = self.check(line, code);
        assert_eq!(out, "", "predilect {line}");
        let errors: Vec<_> = err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(expected), "predilect {line}\n{err}");
    }

    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.check(line, 0).out).unwrap()
    }
}

/// What a command wrote.
pub struct Answer {
    pub out: String,
    pub err: String,
}

/// A file of the tiny data.
pub fn tiny(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("graph-data/tiny").join(name)
}

/// Both files of the tiny data, as arguments.
pub fn tiny_files() -> String {
    format!("--items {} --events {}", tiny("items.jsonl").display(), tiny("events.csv").display())
}
