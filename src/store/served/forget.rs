//! Taking a user out of the log of what was shown.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::super::{NodeId, Pruned, StoreError};
use super::{ServedItem, ServedLog, ServedRecord, files_of, io, read, read_file};
use crate::event::NodeKey;
use crate::schema::NodeKind;

impl ServedLog {
    /// Takes every answer that was shown to the user of this id, or that showed the user, out of the files and
    /// of memory; says how many there were. Each file is rewritten whole or stays as it is. Or only counts them.
    ///
    /// # Errors
    /// Those of [`read_served`], and of writes: then calling it again goes on.
    pub fn forget(&mut self, user: &str, pruned: Pruned) -> Result<u64, StoreError> {
        let mut taken = 0;
        if pruned == Pruned::Counted {
            if let Some(folder) = &self.folder {
                read(folder, |record| taken += u64::from(names(&record, user)))?;
            }
            return Ok(taken);
        }
        self.file = None;
        if let Some(folder) = self.folder.clone() {
            for path in files_of(&folder)? {
                taken += forget_in(&folder, &path, user)?;
            }
            // It is read anew.
            self.index = None;
        } else if let Ok(key) = NodeKey::new(NodeKind::User, user)
            && let Some(index) = &mut self.index
        {
            let id = NodeId::of(&key);
            taken = index.users.remove(&id).map_or(0, |shown| shown.len() as u64);
            index.viewers.remove(&id);
            index.viewers.values_mut().for_each(|viewers| viewers.retain(|(one, _)| *one != id));
        }
        Ok(taken)
    }
}

/// Does an answer name a user?
fn names(record: &ServedRecord, user: &str) -> bool {
    let is_user = |item: &ServedItem| {
        item.kind == NodeKind::User.name()
            && (item.id == user || item.instead_of.as_deref() == Some(user))
    };
    record.user == user || record.items.iter().any(is_user)
}

/// Rewrites a file without the answers that name a user, where there are any; a line that was torn goes too.
fn forget_in(folder: &Path, path: &Path, user: &str) -> Result<u64, StoreError> {
    let (mut kept, mut taken) = (Vec::new(), 0);
    read_file(path, |line, record| {
        if names(&record, user) {
            taken += 1;
        } else {
            kept.extend_from_slice(line);
            kept.push(b'\n');
        }
    })?;
    let length = fs::metadata(path).map_err(|source| io(path, source))?.len();
    if kept.len() as u64 == length {
        return Ok(0);
    }
    let rewrite = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&kept)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    rewrite().map_err(|source| io(path, source))?;
    Ok(taken)
}
