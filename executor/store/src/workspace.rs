//! Private directories of running processes, and the sweeping of those that dead processes left.
//!
//! The lease is a flock on the directory itself, which the kernel releases however the holder ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use crate::error::StoreError;
use crate::moment::unique_name;
use crate::trash::Trash;

/// A private directory in the store, on the same file system as everything else there, so that what was made in it can
/// be published by a rename. It is discarded when the value is dropped.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    trash: Arc<Trash>,
    _hold: Hold,
}

/// What keeps a sweep away.
#[derive(Debug)]
enum Hold {
    Lease {
        _lock: File,
    },
    /// It lies in a directory that is leased.
    Within {
        _outer: Arc<Workspace>,
    },
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
                return Ok(Self { path, trash: trash.clone(), _hold: Hold::Lease { _lock: lease } });
            }
        }
    }

    /// Makes a directory in another one, whose lease is enough for both.
    pub(crate) fn within(outer: &Arc<Self>) -> Result<Self, StoreError> {
        let path = outer.path.join(unique_name());
        std::fs::create_dir(&path).map_err(|error| StoreError::io(&path, "create", error))?;
        Ok(Self { path, trash: outer.trash.clone(), _hold: Hold::Within { _outer: outer.clone() } })
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What stays behind, for instance on a full disk, is swept by a later open.
        let _ = self.trash.discard(&self.path);
    }
}

/// Moves the directories of dead processes to the trash.
///
/// # Errors
/// If the directory cannot be listed.
pub(crate) fn sweep(work: &Path, trash: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(work)?.flatten() {
        if let Ok(Some(_lease)) = lease(&entry.path()) {
            let _ = std::fs::rename(entry.path(), trash.join(unique_name()));
        }
    }
    Ok(())
}

/// The lock on a directory; `None` if another process holds it or has moved the directory away.
fn lease(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let directory: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        // A link or a socket is nobody's workspace.
        Err(Errno::LOOP | Errno::NXIO) => return Ok(None),
        result => result?.into(),
    };
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(None),
        result => result?,
    }
    let locked = directory.metadata()?;
    let named = std::fs::symlink_metadata(path).ok();
    let same = named.is_some_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino()));
    Ok(same.then_some(directory))
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
        std::fs::write(work.join("file"), "").expect("a file");
        sweep(&work, &trash).expect("a sweep");
        assert!(alive.path().exists() && !work.join("dead").exists() && !work.join("file").exists());
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
