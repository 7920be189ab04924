//! The format of `sinter.lock`: what each input was found to be, pinned by content.
//!
//! TOML with LF, sorted, one package per line, one self-contained table per pin, keyed by *what was asked*:
//! `[debian."bookworm"]` is the release every question about that suite is answered from, and
//! `[debian."bookworm gcc libc6-dev"]` is one answer. Digests stand beside the name they belong to, so that a bot can
//! edit a line. The writer is deterministic; the reader accepts any valid TOML of the same meaning and nothing else.
//! Must not know: files, mirrors, how a pin is found.

mod check;
mod conflict;
mod diff;
mod read;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::ErrorClass;
use crate::digest::BlobDigest;

/// The number of the format this program reads and writes.
pub const LOCK_VERSION: i64 = 1;

/// Everything a lock file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// The pinned release of each Debian suite.
    debian_releases: BTreeMap<String, DebianRelease>,
    /// The pinned closure of each Debian question about some package.
    debian: BTreeMap<DebianQuestion, DebianPin>,
}

/// What a `debian` input asks. As text: the suite and the packages, separated by one space each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DebianQuestion {
    /// Code name, for instance `bookworm`.
    pub suite: String,
    /// Package names, sorted, each once.
    pub packages: Vec<String>,
}

/// One state of a suite: the indexes that every question about it is answered from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DebianRelease {
    /// The archives it is made of, sorted by archive and suite.
    pub archives: Vec<PinnedArchive>,
    /// The suite's Essential set and all it depends on, by Debian architecture; sorted by name.
    pub essential: BTreeMap<String, Vec<PinnedPackage>>,
}

/// One archive of a release: an `InRelease` file and the package indexes it vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedArchive {
    /// Which mirror it comes from: [`MAIN_ARCHIVE`] or `debian-security`.
    pub archive: String,
    /// The suite as the mirror names it, for instance `bookworm-updates`.
    pub suite: String,
    /// The point release, for instance `12.11`, where the archive has such numbers.
    pub version: Option<String>,
    /// When the archive was made, as `2026-05-17T09:12:50Z`.
    pub date: String,
    /// Digest of the `InRelease` file, signature and all.
    pub sha256: BlobDigest,
    /// Digest of the package index (as compressed by the archive), by Debian architecture.
    pub indexes: BTreeMap<String, BlobDigest>,
}

/// The closure of one question, by Debian architecture; sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DebianPin {
    /// The packages.
    pub packages: BTreeMap<String, Vec<PinnedPackage>>,
}

/// The archive a package comes from unless the lock says otherwise.
pub const MAIN_ARCHIVE: &str = "debian";

/// One binary package, exactly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinnedPackage {
    /// Its name (Debian Policy 5.6.1).
    pub name: String,
    /// Its version (Debian Policy 5.6.12).
    pub version: String,
    /// Its architecture, which may be `all`.
    pub architecture: String,
    /// Digest of the `.deb` file.
    pub sha256: BlobDigest,
    /// Size of the `.deb` file in bytes.
    pub size: u64,
    /// Where the file is, relative to the mirror: `pool/…`.
    pub path: String,
    /// Which mirror has it: [`MAIN_ARCHIVE`] or `debian-security`.
    pub archive: String,
}

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
    /// A question about no package has no table: its closure is empty (see [`Lock::debian_pin`]).
    #[must_use]
    pub fn render(&self) -> String {
        write::render(self)
    }

    /// What changes from this lock to `other`, one line each, sorted: `+ new`, `- gone`, `~ old -> new`.
    #[must_use]
    pub fn diff(&self, other: &Self) -> Vec<String> {
        diff::diff(self, other)
    }

    /// The pinned release of a Debian suite.
    #[must_use]
    pub fn debian_release(&self, suite: &str) -> Option<&DebianRelease> {
        self.debian_releases.get(suite)
    }

    /// The Debian questions about some package that have a pinned closure.
    pub fn debian_questions(&self) -> impl ExactSizeIterator<Item = &DebianQuestion> {
        self.debian.keys()
    }

    /// Drops the release of a suite and all closures from it: they must fit together.
    pub fn forget_suite(&mut self, suite: &str) {
        self.debian_releases.remove(suite);
        self.debian.retain(|question, _| question.suite != suite);
    }

    /// The pinned closure of a question. The closure of no package is empty, and pinned once the release is.
    #[must_use]
    pub fn debian_pin(&self, question: &DebianQuestion) -> Option<DebianPin> {
        if !question.packages.is_empty() {
            return self.debian.get(question).cloned();
        }
        let release = self.debian_releases.get(&question.suite)?;
        Some(DebianPin {
            packages: release.essential.keys().map(|architecture| (architecture.clone(), vec![])).collect(),
        })
    }
}

impl DebianQuestion {
    /// Sorts the names and drops repetitions.
    #[must_use]
    pub fn new(suite: &str, packages: &[String]) -> Self {
        let mut packages = packages.to_vec();
        packages.sort();
        packages.dedup();
        Self { suite: suite.to_owned(), packages }
    }
}

impl fmt::Display for DebianQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suite)?;
        self.packages.iter().try_for_each(|package| write!(f, " {package}"))
    }
}

/// A text that is no Debian question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a suite followed by sorted package names, separated by single spaces")]
pub struct InvalidQuestion(pub String);

impl FromStr for DebianQuestion {
    type Err = InvalidQuestion;

    fn from_str(text: &str) -> Result<Self, InvalidQuestion> {
        let invalid = || InvalidQuestion(text.to_owned());
        let (suite, names) = text.split_once(' ').map_or((text, None), |(suite, names)| (suite, Some(names)));
        let packages: Vec<String> =
            names.map(|names| names.split(' ').map(str::to_owned).collect()).unwrap_or_default();
        if !is_suite_name(suite) || !packages.iter().all(|name| is_package_name(name)) {
            return Err(invalid());
        }
        if packages.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(invalid());
        }
        Ok(Self { suite: suite.to_owned(), packages })
    }
}

/// Whether `name` may name a binary package: lower-case letters, digits, `+ - .`, at least two characters, the first
/// a letter or digit (Debian Policy 5.6.1).
#[must_use]
pub fn is_package_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (2..=128).contains(&bytes.len())
        && (bytes[0].is_ascii_lowercase() || bytes[0].is_ascii_digit())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(byte))
}

/// Whether `version` consists of the characters a version may have (Debian Policy 5.6.12).
#[must_use]
pub fn is_version(version: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".+-:~".contains(&byte);
    (1..=256).contains(&version.len()) && version.bytes().all(allowed)
}

/// Whether `name` may name a suite: letters, digits, `- . _`, starting with a letter or digit.
#[must_use]
pub fn is_suite_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
}

/// Whether `name` may name an architecture: lower-case letters, digits, `-` (Debian Policy 11.1).
#[must_use]
pub fn is_architecture(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether `path` is a place in a mirror's pool: below `pool/`, no empty, `.` or `..` component, only characters that
/// mean themselves in a URL path.
#[must_use]
pub fn is_pool_path(path: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-._~:%=@,^()".contains(&byte);
    path.len() <= 1024
        && path.starts_with("pool/")
        && path.bytes().all(allowed)
        && crate::path::TreePath::new(path).is_ok()
        && !path.to_ascii_lowercase().contains("%2")
}

#[cfg(test)]
mod tests;
