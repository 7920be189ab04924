//! Private directories of running processes, and the sweeping of those that dead processes left.
//!
//! The lease is a flock on the directory itself, which the kernel releases however the holder ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};

use crate::boot::Moment;
use crate::error::StoreError;
use crate::remove::remove_tree;
use crate::trash::Trash;

/// A private directory in the store, on the same file system as everything else there, so that what was made in it can
/// be published by a rename. It is discarded when the value is dropped.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    trash: Arc<Trash>,
    _lease: File,
}

impl Workspace {
    /// The directory: absolute, empty at first.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes and leases a directory below `work`.
    pub(crate) fn create(work: &Path, trash: &Arc<Trash>) -> Result<Self, StoreError> {
        loop {
            let path = work.join(unique_name());
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result.map_err(|error| StoreError::io(&path, "create", error))?,
            }
            if let Some(lease) = lease(&path).map_err(|error| StoreError::io(&path, "lock", error))? {
                return Ok(Self { path, trash: trash.clone(), _lease: lease });
            }
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What stays behind, for instance on a full disk, is swept by a later open.
        let _ = self.trash.discard(&self.path);
    }
}

/// Moves the directories of dead processes to the trash, and says whether there is trash to delete.
pub(crate) fn sweep(work: &Path, trash: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(work)?.flatten() {
        if let Ok(Some(_lease)) = lease(&entry.path()) {
            let _ = std::fs::rename(entry.path(), trash.join(unique_name()));
        }
    }
    Ok(std::fs::read_dir(trash)?.next().is_some())
}

/// Deletes all that is in the trash. What cannot be deleted stays for the next time.
pub(crate) fn empty_trash(trash: &Path) {
    for entry in std::fs::read_dir(trash).into_iter().flatten().flatten() {
        let _ = remove_tree(&entry.path());
    }
}

/// The lock on a directory; `None` if another process holds it or has moved the directory away.
fn lease(path: &Path) -> io::Result<Option<File>> {
    let directory = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result?,
    };
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        result => result?,
    }
    let locked = directory.metadata()?;
    let named = std::fs::symlink_metadata(path).ok();
    let same = named.is_some_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino()));
    Ok(same.then_some(directory))
}

/// A name nobody else uses at this moment: process, time, counter.
pub(crate) fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{:x}-{count:x}", std::process::id(), Moment::now().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().expect("a directory");
        let (work, trash) = (root.path().join("work"), root.path().join("trash"));
        std::fs::create_dir(&work).expect("work");
        std::fs::create_dir(&trash).expect("trash");
        (root, work, trash)
    }

    #[test]
    fn living_leases_survive_a_sweep() {
        let (_root, work, trash) = directories();
        let alive = Workspace::create(&work, &Arc::new(Trash::new(trash.clone()))).expect("a workspace");
        std::fs::create_dir(work.join("dead")).expect("a directory");
        assert!(sweep(&work, &trash).expect("a sweep"));
        assert!(alive.path().exists() && !work.join("dead").exists());
        empty_trash(&trash);
        assert!(!sweep(&work, &trash).expect("a sweep"));
    }

    #[test]
    fn dropped_workspaces_leave_nothing() {
        let (_root, work, trash) = directories();
        let bin = Arc::new(Trash::new(trash.clone()));
        let workspace = Workspace::create(&work, &bin).expect("a workspace");
        std::fs::write(workspace.path().join("file"), "x").expect("a file");
        drop((workspace, bin));
        for directory in [work, trash] {
            assert_eq!(std::fs::read_dir(directory).expect("a listing").count(), 0);
        }
    }
}
