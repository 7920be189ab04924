//! Whether anything was taken out of its place, told by one look however much there is.
//!
//! A build that stands on two thousand layers would otherwise look for each of them before and after each step, to learn
//! that nobody has found it damaged and taken it away.
//!
//! Form: a file that only grows, by one byte before something is taken away and by one after it, under flock. While its
//! length is even and nothing about it has changed, everything that was found in its place still is there. An odd length
//! says that somebody is at it, or died at it: then nothing is concluded.
//!
//! Rules: a file that is not there concludes nothing either, which is what is left where no byte can be written. Only
//! opening a store makes it. Must not know: what is taken away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::retry_on_intr;

/// The state of the file at one moment, in which nobody was taking anything away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    file: (u64, u64),
    length: u64,
    changed: (i64, i64),
}

/// The store's file `withdrawals`.
#[derive(Debug)]
pub(crate) struct Withdrawals {
    path: PathBuf,
}

impl Withdrawals {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Equal marks: nothing was taken away between them. `None` if nobody can tell.
    pub(crate) fn mark(&self) -> Option<Mark> {
        let found = std::fs::symlink_metadata(&self.path).ok().filter(|found| found.is_file())?;
        let changed = (found.ctime(), found.ctime_nsec());
        let mark = Mark { file: (found.dev(), found.ino()), length: found.len(), changed };
        mark.length.is_multiple_of(2).then_some(mark)
    }

    /// Runs `withdraw`, which takes something away, so that every mark from before differs from every mark from after it.
    pub(crate) fn announce<T>(&self, withdraw: impl FnOnce() -> T) -> T {
        let Some(mut file) = self.begin() else {
            // No room for a byte, for instance: without the file, everybody looks at everything.
            let _ = std::fs::remove_file(&self.path);
            return withdraw();
        };
        let result = withdraw();
        // Where this fails the length stays odd until the next withdrawal.
        let _ = file.write_all(b".");
        result
    }

    fn begin(&self) -> Option<File> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut file = OpenOptions::new().append(true).custom_flags(flags).open(&self.path).ok()?;
        retry_on_intr(|| flock(&file, FlockOperation::LockExclusive)).ok()?;
        if file.metadata().ok()?.len().is_multiple_of(2) {
            file.write_all(b".").ok()?;
        }
        Some(file)
    }

    /// Makes the file, if it is not there.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn create(&self) -> io::Result<()> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_differ_across_a_withdrawal_however_it_ends() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("withdrawals");
        let withdrawals = Withdrawals::new(path.clone());
        assert_eq!(withdrawals.mark(), None, "no file");
        withdrawals.create().expect("a file");
        let first = withdrawals.mark().expect("a mark");
        assert_eq!(withdrawals.mark(), Some(first));
        assert_eq!(withdrawals.announce(|| withdrawals.mark()), None, "at it");
        let second = withdrawals.mark().expect("a mark");
        assert_ne!(first, second);
        // Somebody died at it.
        std::fs::write(&path, "...").expect("an odd length");
        assert_eq!(withdrawals.mark(), None);
        withdrawals.announce(|| assert_eq!(withdrawals.mark(), None));
        assert_ne!(withdrawals.mark().expect("mended"), second);
        // No byte can be written: a directory stands for a full disk.
        std::fs::remove_file(&path).expect("a removal");
        assert_eq!(withdrawals.announce(|| 7), 7);
        assert_eq!(withdrawals.mark(), None);
    }
}
