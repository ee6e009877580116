//! Patterns of file names, for those that no shell expanded: `*` is any run of characters, `?` any one.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::IngestError;

/// Replaces each path that has `*` or `?` by the paths that it matches, in the order of their names. A path
/// that is there stands for itself, whatever it has. As in shells, a name that begins with a dot is matched
/// only by a pattern that does.
///
/// # Errors
/// [`IngestError::NotAFile`] for a pattern that matches nothing, [`IngestError::Io`] for a folder that
/// cannot be read.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, IngestError> {
    let mut expanded = Vec::new();
    for path in paths {
        if !is_pattern(path.as_os_str().as_encoded_bytes()) || fs::symlink_metadata(path).is_ok() {
            expanded.push(path.clone());
            continue;
        }
        let mut found = matches(path)?;
        if found.is_empty() {
            let reason = "matches no file; check the pattern".to_owned();
            return Err(IngestError::NotAFile { path: path.clone(), reason });
        }
        found.sort();
        expanded.append(&mut found);
    }
    Ok(expanded)
}

fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// What is there under a pattern, one component after the other.
fn matches(pattern: &Path) -> Result<Vec<PathBuf>, IngestError> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().as_encoded_bytes();
        let mut next = Vec::new();
        for folder in found {
            match component {
                Component::Normal(_) if is_pattern(name) => names(&folder, name, &mut next)?,
                _ => next.push(folder.join(component)),
            }
        }
        found = next;
    }
    found.retain(|path| fs::symlink_metadata(path).is_ok());
    Ok(found)
}

fn names(folder: &Path, pattern: &[u8], found: &mut Vec<PathBuf>) -> Result<(), IngestError> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !here.is_dir() {
        return Ok(());
    }
    let io = |source| IngestError::Io { path: here.to_owned(), source };
    for entry in fs::read_dir(here).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let bytes = name.as_encoded_bytes();
        let is_hidden = bytes.starts_with(b".") && !pattern.starts_with(b".");
        if !is_hidden && is_match(pattern, bytes) {
            found.push(folder.join(name));
        }
    }
    Ok(())
}

/// Does the name match? A star that turns out to be too short is made longer: only the last one ever needs to.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += character(&name[n..]);
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((place, start)) => {
                    *start += 1;
                    (p, n) = (*place + 1, *start);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Bytes of the character that begins here.
fn character(name: &[u8]) -> usize {
    1 + name[1..].iter().take_while(|byte| **byte & 0xc0 == 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, name, matches) in [
            ("*", "a.csv", true),
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?.csv", "a.csv", true),
            ("?.csv", "ä.csv", true),
            ("?.csv", "ab.csv", false),
            ("?", "", false),
            ("**", "", true),
            ("*a", "aaaaaaaaab", false),
            ("[a].csv", "a.csv", false),
        ] {
            assert_eq!(is_match(pattern.as_bytes(), name.as_bytes()), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_becomes_what_is_there_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["2025/b", "2025/a", "2024/c"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in
            ["2025/b/1.csv", "2025/a/2.csv", "2024/c/3.csv", "2025/a/.4.csv", "5*.csv", "56.csv"]
        {
            fs::write(at(name), "").unwrap();
        }
        let expand = |pattern: &str| expand(&[at(pattern)]);
        let all = expand("202?/*/*.csv").unwrap();
        assert_eq!(all, [at("2024/c/3.csv"), at("2025/a/2.csv"), at("2025/b/1.csv")]);
        assert_eq!(expand("2025/a/.*.csv").unwrap(), [at("2025/a/.4.csv")]);
        assert_eq!(expand("5*.csv").unwrap(), [at("5*.csv")], "a file of this very name");
        assert_eq!(expand("no.csv").unwrap(), [at("no.csv")], "the load tells that it is missing");
        for pattern in ["*.tsv", "202?/none/*", "56.csv/*"] {
            let error = expand(pattern).unwrap_err().to_string();
            assert!(error.contains("matches no file; check the pattern"), "{error}");
        }
    }
}
