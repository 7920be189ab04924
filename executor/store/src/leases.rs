//! Leases: what builds that are running have mounted or counted on.
//!
//! Each build has one file `leases/NAME`, held with flock as long as the build lives, to which it appends the 32 bytes of
//! every digest before it looks whether the object is there. Who deletes moves the object out of sight first and then
//! reads all leases: so either the lease is seen, or the object is seen to be gone. A file whose lock is free is that of a
//! dead build and means nothing.
//!
//! Rules: a build never takes a digest back; its leases end with it. Must not know: what digests name.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, OFlags, flock};
use sinter_graph::FsError;

use crate::moment::unique_name;

/// The digest of a leased object.
pub(crate) type Leased = [u8; 32];

/// The leases of this build, and the look at those of others.
#[derive(Debug)]
pub(crate) struct Leases {
    directory: PathBuf,
    own: Mutex<Option<Own>>,
}

#[derive(Debug)]
struct Own {
    path: PathBuf,
    file: File,
    listed: HashSet<Leased>,
}

impl Leases {
    pub(crate) const fn new(directory: PathBuf) -> Self {
        Self { directory, own: Mutex::new(None) }
    }

    /// From now on nobody deletes these. Call it before looking whether they are there. Gives those that were not leased
    /// yet.
    ///
    /// # Errors
    /// If the file of this build cannot be written.
    pub(crate) fn add(&self, digests: impl IntoIterator<Item = Leased>) -> Result<Vec<Leased>, FsError> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let own = match &mut *own {
            Some(own) => own,
            none => none.insert(self.begin()?),
        };
        let new: Vec<Leased> = digests.into_iter().filter(|digest| own.listed.insert(*digest)).collect();
        if !new.is_empty() {
            own.file.write_all(&new.concat()).map_err(|error| FsError::new(&own.path, "write", error))?;
        }
        Ok(new)
    }

    /// Whether a living build, this one among them, leases the object.
    ///
    /// # Errors
    /// If the leases cannot be read: then nothing may be deleted.
    pub(crate) fn holds(&self, digest: &Leased) -> Result<bool, FsError> {
        let error = |path: &Path, error| FsError::new(path, "read", error);
        let entries = std::fs::read_dir(&self.directory).map_err(|source| error(&self.directory, source))?;
        for entry in entries {
            let path = entry.map_err(|source| error(&self.directory, source))?.path();
            if names(&path, digest).map_err(|source| error(&path, source))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a build lives that leases anything. What cannot be looked at is taken for alive.
    pub(crate) fn is_any_alive(&self) -> bool {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let is_dead = |path: &Path| match open(path) {
            Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared).is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        entries.into_iter().any(|entry| !is_dead(&entry.path()))
    }

    /// Removes the files of dead builds.
    pub(crate) fn sweep(&self) {
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            if let Ok(file) = open(&entry.path())
                && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Ends the leases of this build; `false` if it had none.
    pub(crate) fn end(&self) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Own { path, file, .. }) = own else { return false };
        let _ = std::fs::remove_file(path);
        drop(file);
        true
    }

    fn begin(&self) -> Result<Own, FsError> {
        loop {
            let path = self.directory.join(unique_name());
            let file = File::create_new(&path).map_err(|error| FsError::new(&path, "create", error))?;
            flock(&file, FlockOperation::NonBlockingLockExclusive)
                .map_err(|error| FsError::new(&path, "lock", error))?;
            // A sweep may have found it before it was locked.
            if path.exists() {
                return Ok(Own { path, file, listed: HashSet::new() });
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?.into())
}

/// Whether the file at `path` is that of a living build and lists `digest`.
fn names(path: &Path, digest: &Leased) -> io::Result<bool> {
    let mut file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        result => result?,
    };
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let (listed, _) = bytes.as_chunks::<32>();
    Ok(listed.contains(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn living_leases_are_seen_and_dead_ones_swept() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mine, other) = (Leases::new(directory.path().to_owned()), Leases::new(directory.path().to_owned()));
        other.add([[1; 32], [2; 32]]).expect("a lease");
        mine.add([[3; 32]]).expect("a lease");
        for (digest, expected) in [([1; 32], true), ([2; 32], true), ([3; 32], true), ([4; 32], false)] {
            assert_eq!(mine.holds(&digest).expect("a look"), expected, "{digest:?}");
        }
        mine.sweep();
        assert!(mine.holds(&[1; 32]).expect("a look"), "a living lease survives a sweep");
        assert!(other.end() && !other.end());
        assert!(!mine.holds(&[1; 32]).expect("a look"));
        std::fs::write(directory.path().join("dead"), [5; 32]).expect("the file of a dead build");
        assert!(!mine.holds(&[5; 32]).expect("a look"));
        mine.sweep();
        assert!(!directory.path().join("dead").exists());
    }
}
