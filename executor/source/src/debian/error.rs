//! Everything that can go wrong with Debian inputs.

use std::path::PathBuf;

use sinter_graph::ErrorClass;
use sinter_graph::digest::BlobDigest;

use sinter_http::FetchError;

/// Why no mirror can be asked. Settled once at start, reported only when a mirror is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// Nothing says where packages come from.
    #[error(
        "no Debian mirror is known: give --mirror debian=URL, set SINTER_MIRROR_DEBIAN, or add a Debian archive to the apt \
         sources in {}", apt_directory.display()
    )]
    Unknown {
        /// Where apt's configuration was looked for.
        apt_directory: PathBuf,
    },
    /// A mirror's address cannot be used.
    #[error(
        "`{url}` is no address of a Debian mirror: expected http:// or https:// and the directory that holds `dists`"
    )]
    Address {
        /// What was given.
        url: String,
    },
    /// Nothing says whose signatures count.
    #[error(
        "no keyring to check the Debian archive's signature with: install the package debian-archive-keyring (looked in {}), \
         or set SINTER_KEYRING_DEBIAN", looked_in.display()
    )]
    NoKeyring {
        /// Where the machine's keyrings were looked for.
        looked_in: PathBuf,
    },
}

/// Why a Debian input cannot be resolved, fetched or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// No mirror can be asked.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// Network is forbidden and something is not in the store.
    #[error("{} not in the store, and --offline forbids to fetch: {}; build once without --offline", count(missing.len()), missing.join(", "))]
    Offline {
        /// What is missing.
        missing: Vec<String>,
    },
    /// A mirror cannot be reached or answers with an error.
    #[error("{what}: {source}; check the network and the mirror, or choose another with --mirror debian=URL")]
    Fetch {
        /// What was being fetched.
        what: String,
        /// What happened.
        source: FetchError,
    },
    /// The mirror has no such suite.
    #[error(
        "suite {suite} is not on the mirror {mirror}: check the suite's name, or choose another mirror with --mirror debian=URL"
    )]
    NoSuite {
        /// The suite.
        suite: String,
        /// Where it was looked for.
        mirror: String,
    },
    /// The mirror has no packages for an architecture.
    #[error("suite {suite} has no packages for {architecture}: choose a platform the suite has")]
    NoArchitecture {
        /// The suite.
        suite: String,
        /// The architecture.
        architecture: String,
    },
    /// A keyring cannot be read.
    #[error("keyring {}: {reason}; reinstall the package debian-archive-keyring or set SINTER_KEYRING_DEBIAN", path.display())]
    Keyring {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The release is not signed by a key of the keyring.
    #[error("the signature of suite {suite} does not hold: {reason}; the mirror may be tampered with or its keys newer than the keyring {}", keyring.display())]
    Signature {
        /// The suite.
        suite: String,
        /// Why no signature counts.
        reason: String,
        /// The keyring it was checked with.
        keyring: PathBuf,
    },
    /// The release is older than it allows.
    #[error(
        "the release of suite {suite} was valid until {until}: the mirror is stale, choose another with --mirror debian=URL"
    )]
    Expired {
        /// The suite.
        suite: String,
        /// The end of its validity.
        until: String,
    },
    /// The release or an index is signed but unusable.
    #[error("suite {suite}: {reason}; this mirror cannot be used")]
    Release {
        /// The suite.
        suite: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An index is not what the release says.
    #[error(
        "the package index of {suite} has sha256 {found}, the signed release says {expected}: the mirror is being updated or tampered with, try again later"
    )]
    IndexMismatch {
        /// The suite.
        suite: String,
        /// What the release says.
        expected: BlobDigest,
        /// What came.
        found: BlobDigest,
    },
    /// The index a lock pins is nowhere any more.
    #[error(
        "the package index of {suite} pinned in the lock ({digest}) is no longer on the mirror: run `sinter update` to move to the current release"
    )]
    IndexGone {
        /// The suite.
        suite: String,
        /// The pinned digest.
        digest: BlobDigest,
    },
    /// A name that no index has.
    #[error("package {name} is not in suite {suite} for {architecture}{}", hint(suggestions))]
    UnknownPackage {
        /// The name.
        name: String,
        /// The suite.
        suite: String,
        /// The architecture.
        architecture: String,
        /// Names that may be meant; for a virtual package, those who provide it.
        suggestions: Vec<String>,
    },
    /// A dependency that no package meets.
    #[error("in {question}: {} -> {relation} cannot be met: {}", chain.join(" -> "), there_is(candidates))]
    Unmet {
        /// The suite and the asked packages.
        question: String,
        /// From an asked package to the one that has the dependency.
        chain: Vec<String>,
        /// The dependency.
        relation: String,
        /// What there is instead.
        candidates: Vec<String>,
    },
    /// Two packages that exclude each other.
    #[error("in {question}: {package} excludes {other} (it says `{relation}`); the latter of them is wanted by {}: drop one of the two", chain.join(" -> "))]
    Conflict {
        /// The suite and the asked packages.
        question: String,
        /// The package that says so.
        package: String,
        /// What it says.
        relation: String,
        /// The other package.
        other: String,
        /// Why the package that was found later is wanted.
        chain: Vec<String>,
    },
    /// The search for a closure was given up.
    #[error(
        "in {question}: no choice of packages was found within the limit of the search: ask for fewer or more exact packages"
    )]
    TooHard {
        /// The suite and the asked packages.
        question: String,
    },
    /// A pinned package is nowhere any more.
    #[error(
        "package {name} {version} ({digest}) is no longer on the mirror: run `sinter update` to move to the current version"
    )]
    PackageGone {
        /// The package.
        name: String,
        /// Its pinned version.
        version: String,
        /// The pinned digest.
        digest: BlobDigest,
    },
    /// Something comes from an archive that no mirror is configured for.
    #[error("{what} comes from the archive {archive}, of which no mirror is known: give --mirror {archive}=URL")]
    NoSuchArchive {
        /// A package, or the index of a suite.
        what: String,
        /// The archive.
        archive: String,
    },
    /// The mirror sends other bytes than the pin says.
    #[error(
        "package {name} {version}: expected {expected}, the mirror sent {found}: it may be tampered with; choose another with --mirror debian=URL"
    )]
    PackageMismatch {
        /// The package.
        name: String,
        /// Its pinned version.
        version: String,
        /// What was expected.
        expected: String,
        /// What came.
        found: String,
    },
    /// A package file that does not follow the format.
    #[error("package {name}: {reason}; the package is broken, report it to its maintainer")]
    BadPackage {
        /// The package.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two packages bring the same path.
    #[error("/{path} is in both {first} and {second}, and neither replaces the other: drop one of the two packages")]
    FileConflict {
        /// The path.
        path: String,
        /// The package that was placed first.
        first: String,
        /// The other one.
        second: String,
    },
    /// A file of this machine cannot be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, for instance `write`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] sinter_store::StoreError),
}

impl DebianError {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownPackage { .. }
            | Self::Unmet { .. }
            | Self::Conflict { .. }
            | Self::TooHard { .. }
            | Self::FileConflict { .. }
            | Self::NoArchitecture { .. } => ErrorClass::User,
            Self::Mirror(MirrorError::Address { .. }) => ErrorClass::User,
            // The lock is right; its origin has moved on.
            Self::Store(error) => error.class(),
            _ => ErrorClass::Environment,
        }
    }
}

fn count(missing: usize) -> String {
    if missing == 1 { "1 item is".to_owned() } else { format!("{missing} items are") }
}

fn hint(suggestions: &[String]) -> String {
    match suggestions {
        [] => ": check the name".to_owned(),
        [one] => format!(": did you mean {one}?"),
        [rest @ .., last] => format!(": did you mean {} or {last}?", rest.join(", ")),
    }
}

fn there_is(candidates: &[String]) -> String {
    match candidates {
        [] => "no package has or provides this name".to_owned(),
        _ => format!("there is only {}", candidates.join(", ")),
    }
}
