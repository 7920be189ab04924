//! The format of `sinter.lock`: what each input was found to be, pinned by content.
//!
//! TOML with LF, sorted, one self-contained table per pin, keyed by *what was asked*: `[debian."bookworm gcc libc6-dev"]`.
//! Digests stand beside the name they belong to, so that a bot can edit a line. The writer is deterministic; the reader
//! accepts any valid TOML of the same meaning and nothing else.
//! Rules: what a kind of pin looks like, one module knows (`pins`); the list of kinds is in `kinds`, and nothing else
//! here names one. Must not know: files, mirrors, how a pin is found.

mod conflict;
mod debian;
mod diff;
mod kinds;
mod pins;
mod pull;
mod read;
mod text;
mod write;

pub use debian::{
    DebianPin, DebianPins, DebianQuestion, DebianRelease, InvalidQuestion, MAIN_ARCHIVE, PinnedArchive, PinnedPackage,
    is_architecture, is_package_name, is_pool_path, is_suite_name, is_version,
};
pub use kinds::Lock;
pub use pull::{PullPin, PullPins};

use crate::ErrorClass;

/// The number of the format this program reads and writes.
pub const LOCK_VERSION: i64 = 1;

/// A pin that may not stand in a lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPin(pub String);

impl InvalidPin {
    /// A mirror answered what cannot be pinned; what a hand edit broke is a [`LockError::Broken`].
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Environment
    }
}

/// Why a text is no lock this program can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// It was written by a newer sinter.
    #[error("the lock has version {found}, this sinter knows version 1: use the sinter that wrote it, or a newer one")]
    Newer {
        /// The version it has.
        found: i64,
    },
    /// Two branches changed it and git left both.
    #[error("line {line} of the lock is a conflict marker of git: run `sinter lock` to resolve it")]
    ConflictMarkers {
        /// The line of the first marker, from 1.
        line: usize,
    },
    /// It is no lock, or was edited into something that is none.
    #[error("line {line} of the lock: {reason}; undo the edit, or delete the table and run `sinter lock`")]
    Broken {
        /// The line of the fault, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
}

impl LockError {
    /// Always the lock's own class.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Lock
    }
}

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    /// If the text is from a newer version, holds conflict markers, or is no lock. An empty text is an empty lock.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        read::parse(text)
    }

    /// Reads a lock in which git left both sides of a conflict: everything the sides do not contradict each other in. What
    /// they pin differently is missing, and to be asked again.
    ///
    /// # Errors
    /// As [`Lock::parse`], for each side.
    pub fn without_conflicts(text: &str) -> Result<Self, LockError> {
        conflict::without_conflicts(text)
    }

    /// The lock as text: the same lock always gives the same bytes, and [`Lock::parse`] gives the lock back.
    #[must_use]
    pub fn render(&self) -> String {
        write::render(self)
    }

    /// What changes from this lock to `other`, one line each, sorted: `+ new`, `- gone`, `~ old -> new`.
    #[must_use]
    pub fn diff(&self, other: &Self) -> Vec<String> {
        diff::diff(self, other)
    }
}

#[cfg(test)]
mod tests;
