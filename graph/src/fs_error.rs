//! The one error of file systems: what was tried, on which path, and what the operating system said.
//!
//! Plain data; whoever touches a disk makes it. Every domain's error wraps it, so that a full disk reads the same
//! wherever it is met. Must not know: who met it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::ErrorClass;

/// The operating system refused something on a path.
#[derive(Debug)]
pub struct FsError {
    /// What was tried, as a verb: "write", "set the owner".
    pub action: &'static str,
    /// What it was done to.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

impl FsError {
    /// That `action` was tried on `path`, and what came of it.
    #[must_use]
    pub fn new(path: &Path, action: &'static str, source: impl Into<io::Error>) -> Self {
        Self { action, path: path.to_owned(), source: source.into() }
    }

    /// Whether the disk or the quota is full.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Whether it only says that something is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whose fault it is: the machine's.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Environment
    }
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        if self.is_no_space() {
            return write!(f, "{path}: no space left on the device; free some and build again");
        }
        write!(f, "{path}: cannot {}: {}", self.action, self.source)
    }
}

impl std::error::Error for FsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disks_read_the_same_everywhere() {
        for (kind, expected) in [
            (io::ErrorKind::StorageFull, "/s: no space left on the device; free some and build again"),
            (io::ErrorKind::QuotaExceeded, "/s: no space left on the device; free some and build again"),
            (io::ErrorKind::NotFound, "/s: cannot write: entity not found"),
        ] {
            let error = FsError::new(Path::new("/s"), "write", kind);
            assert_eq!(error.to_string(), expected);
            assert_eq!(
                (error.is_not_found(), error.class()),
                (kind == io::ErrorKind::NotFound, ErrorClass::Environment)
            );
        }
    }
}
