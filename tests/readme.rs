//! The README's commands, run as they stand there.
//!
//! Of every block that is marked as `sh`, the lines that start with `predilect ` are run through the
//! built program, in order, in one empty folder; a line that ends in a backslash goes on in the
//! next. `predilect serve` runs in the background, at a free port, until the last line is done.
//! `grpcurl` lines are run where there is a grpcurl; everything else is passed over. A block marked
//! `sh ignore` is not run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The commands of a text, one a line.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    let mut open = String::new();
    for line in text.lines() {
        if let Some(mark) = line.trim_start().strip_prefix("```") {
            inside = !inside && mark.trim() == "sh";
            continue;
        }
        if !inside {
            continue;
        }
        let line = line.trim();
        let line = line.strip_prefix("$ ").unwrap_or(line);
        match line.strip_suffix('\\') {
            Some(start) => open.push_str(start),
            None => commands.push(std::mem::take(&mut open) + line),
        }
    }
    commands.retain(|line| line.starts_with("predilect ") || line.starts_with("grpcurl "));
    commands
}

/// The words of a command; quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '#') if words.last().is_some_and(String::is_empty) => break,
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A folder, and the servers that run in it until the end.
struct Session {
    folder: tempfile::TempDir,
    /// The address as the text has it, and the one that was free.
    servers: Vec<(String, String, Child)>,
}

impl Drop for Session {
    fn drop(&mut self) {
        for (.., server) in &mut self.servers {
            // One that has ended needs no end.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl Session {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), servers: Vec::new() }
    }

    fn run(&mut self, line: &str) {
        let mut words = words(line);
        for (written, free, _) in &self.servers {
            words.iter_mut().for_each(|word| *word = word.replace(written, free));
        }
        let program = match words.remove(0).as_str() {
            "predilect" => env!("CARGO_BIN_EXE_predilect"),
            other if Command::new(other).arg("--version").output().is_ok() => "grpcurl",
            _ => return self.answers(&words),
        };
        let serve = words.first().is_some_and(|word| word == "serve");
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if serve {
            return self.serve(command, words);
        }
        let done = command.args(words).output().unwrap();
        let err = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{line}\n{err}");
    }

    fn serve(&mut self, mut command: Command, mut words: Vec<String>) {
        let place = words.iter().position(|word| word == "--listen");
        let written = match place {
            Some(place) => std::mem::replace(&mut words[place + 1], "127.0.0.1:0".to_owned()),
            None => {
                words.extend(["--listen", "127.0.0.1:0"].map(str::to_owned));
                "127.0.0.1:7433".to_owned()
            }
        };
        let mut server = command.args(words).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(server.stderr.take().unwrap()).lines();
        let mut heard = Vec::new();
        let free = loop {
            let Some(line) = told.next() else { panic!("the server ended: {heard:?}") };
            let line = line.unwrap();
            match line.strip_prefix("listening on ") {
                Some(address) => break address.to_owned(),
                None => heard.push(line),
            }
        };
        // What it says later is read and passed over, so that it never waits for a reader.
        std::thread::spawn(move || told.for_each(drop));
        self.servers.push((written, free, server));
    }

    /// Without a grpcurl: the server it would ask is there, and answers over HTTP/2.
    fn answers(&self, words: &[String]) {
        use std::io::{Read, Write};

        let free = self.servers.iter().map(|(_, free, _)| free);
        let Some(address) = free.into_iter().find(|free| words.contains(free)) else {
            panic!("{words:?} asks no server of the text");
        };
        let mut stream = TcpStream::connect(address.as_str()).unwrap();
        // The preface of a client and an empty SETTINGS frame; a server answers with its own.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).unwrap();
        assert_eq!(frame[3], 4, "the first frame of a server is SETTINGS");
    }
}

#[test]
fn the_commands_of_the_readme_work() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let Ok(text) = fs::read_to_string(path) else { return };
    let mut session = Session::new();
    // Commands may name files of the repository.
    #[cfg(unix)]
    for name in ["graph-data", "schema"] {
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        std::os::unix::fs::symlink(there, session.folder.path().join(name)).unwrap();
    }
    for line in commands(&text) {
        session.run(&line);
    }
}

#[test]
fn commands_are_found() {
    let text = "Text\n```sh\n$ predilect demo   # a minute\ncargo build\npredilect load \\\n  --store s\n```\n\
                ```sh ignore\npredilect serve\n```\n```json\npredilect no\n```\n";
    let found = commands(text);
    assert_eq!(found, ["predilect demo   # a minute", "predilect load --store s"]);
    assert_eq!(words(&found[0]), ["predilect", "demo"]);
    assert_eq!(
        words("grpcurl -d '{\"user\": \"a\"}' x"),
        ["grpcurl", "-d", "{\"user\": \"a\"}", "x"]
    );
}

#[test]
fn commands_are_run_in_one_folder() {
    let mut session = Session::new();
    session.run("predilect generate --users 5 --items 5 --events 20 --dest data");
    session.run(
        "predilect load --store s --items data/items.jsonl --events data/events.csv --extractor off",
    );
    session.run("predilect export --store s --dest 'the export'");
    assert!(session.folder.path().join("the export/manifest.json").is_file());
}
