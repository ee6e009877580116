//! Who knows whom: lines of a user and a friend.

use std::path::Path;

use super::EvaluateError;
use super::files::{Ids, Lines, fields};
use crate::model::Sparse;

/// Users by users: 1 where a line names the two, whichever comes first; lines of users who are in no
/// other file are passed over.
///
/// # Errors
/// [`EvaluateError::Read`]; [`EvaluateError::Line`] for a line without a friend;
/// [`EvaluateError::NoFriends`] where no line names two of `users`.
pub(super) fn read(path: &Path, users: &Ids) -> Result<Sparse, EvaluateError> {
    let mut cells = Vec::new();
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        let line = line.to_owned();
        let [user, friend, ..] = fields(&line)[..] else {
            return Err(lines.wrong("expected a user and a friend"));
        };
        if let (Some(user), Some(friend)) = (users.get(user), users.get(friend))
            && user != friend
        {
            cells.extend([(user, friend, 1.0), (friend, user, 1.0)]);
        }
    }
    if cells.is_empty() {
        return Err(EvaluateError::NoFriends { path: path.to_owned() });
    }
    let friends = Sparse::from_cells(users.len(), users.len(), cells);
    Ok(friends.mapped(|_, _, value| value.min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Sparse, EvaluateError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("friends.tsv");
        std::fs::write(&path, text).unwrap();
        let mut users = Ids::default();
        for user in ["ann", "bob", "cid"] {
            users.number(user);
        }
        read(&path, &users)
    }

    #[test]
    fn friendship_holds_both_ways_and_once() {
        let friends = check("user\tfriend\nann\tbob\nbob\tann\t1\ncid\tbob\nann\tann\nann\tdan\n");
        let expected = [(0, 1, 1.0), (1, 0, 1.0), (1, 2, 1.0), (2, 1, 1.0)];
        assert_eq!(friends.unwrap(), Sparse::from_cells(3, 3, expected.to_vec()));
    }

    #[test]
    fn what_is_no_friendship_is_told_with_its_line() {
        let error = check("ann bob\ncid\n").unwrap_err().to_string();
        assert!(error.contains("line 2: expected a user and a friend"), "{error}");
        let error = check("dan eve\n").unwrap_err().to_string();
        assert!(error.contains("names two users"), "{error}");
    }
}
