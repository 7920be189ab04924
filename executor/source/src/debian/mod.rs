//! Debian packages: which ones a name stands for, their bytes, and what they unpack to.
//!
//! Rules: nothing is believed that is not signed by the keyring or pinned in the lock; network is used only where the
//! store lacks something; every error names the package or suite and the next step.
//! Must not know: the language, the graph's execution, the terminal.
//!
//! The way of the data: [`MirrorConfig`] -> `archive` (InRelease, indexes) -> `index` (the universe) -> `resolve` ->
//! pins of the lock -> `download` -> blobs of the store -> `unpack` (a directory and its manifest).

mod ar;
mod archive;
mod compression;
mod control;
mod database;
mod date;
mod deb822;
mod dependency;
mod download;
mod error;
mod index;
mod mirror;
mod order;
mod placement;
mod release;
mod resolve;
mod selection;
mod signature;
mod tape;
mod unpack;
mod version;

use std::path::Path;

use sinter_graph::lock::{DebianPin, DebianRelease, PinnedPackage};
use sinter_graph::tree::Manifest;
use sinter_store::Store;

pub use error::{DebianError, MirrorError};
pub use mirror::{ArchiveMirror, Keyring, MirrorConfig, MirrorSettings, SECURITY_ARCHIVE};
pub use version::compare_versions;

use sinter_http::Http;

/// What is happening, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// An archive's release or index is being fetched.
    IndexFetching {
        /// The suite, for instance `bookworm-updates`.
        suite: String,
    },
    /// An archive is not used, because the mirror does not have it.
    ArchiveLeftOut {
        /// The suite.
        suite: String,
        /// Why.
        reason: String,
    },
    /// The indexes of a release are read.
    IndexReady {
        /// How many packages there are.
        packages: usize,
    },
    /// Some bytes of packages came.
    Download {
        /// The package that they belong to.
        name: String,
        /// Bytes that are here, of all packages of this call.
        done_bytes: u64,
        /// Bytes there will be.
        total_bytes: u64,
    },
    /// A package was unpacked.
    Unpack {
        /// Its name.
        name: String,
        /// How many are unpacked.
        done: usize,
        /// How many there are.
        total: usize,
    },
}

/// Debian inputs over one store and one set of mirrors.
pub struct Debian<'p> {
    store: Store,
    mirrors: Result<MirrorConfig, MirrorError>,
    offline: bool,
    progress: &'p (dyn Fn(Progress) + Sync),
    http: std::sync::OnceLock<Http>,
}

impl<'p> Debian<'p> {
    /// Opens nothing and asks nobody yet: that there is no mirror is an error only once one is needed.
    #[must_use]
    pub fn new(
        store: Store,
        mirrors: Result<MirrorConfig, MirrorError>,
        offline: bool,
        progress: &'p (dyn Fn(Progress) + Sync),
    ) -> Self {
        Self { store, mirrors, offline, progress, http: std::sync::OnceLock::new() }
    }

    /// The closure of `packages` in `suite` for a Debian architecture, and the release it was found in.
    ///
    /// With `pinned`, the indexes of that release answer (from the store, else from the mirror by their hash), and the
    /// release comes back with what it lacked for this architecture; without, the mirror's current release.
    ///
    /// # Errors
    /// If the release cannot be had or trusted, a name is unknown, or no choice of packages fits.
    pub fn resolve(
        &self,
        suite: &str,
        packages: &[String],
        architecture: &str,
        pinned: Option<&DebianRelease>,
    ) -> Result<(DebianRelease, DebianPin), DebianError> {
        selection::resolve(self, suite, packages, architecture, pinned)
    }

    /// Brings packages into the store: eight at a time, resumed where an earlier download was cut, verified.
    ///
    /// # Errors
    /// If something is missing and cannot be had, or is not what the pin says.
    pub fn fetch(&self, packages: &[&PinnedPackage]) -> Result<(), DebianError> {
        download::fetch(self, packages)
    }

    /// Unpacks packages that are in the store into an empty directory of one of its workspaces.
    ///
    /// With `system`, the result has a dpkg database in which every package is unpacked and waits for its
    /// configuration, and `var/lib/dpkg/sinter-unpacked-order`; otherwise the data alone, and the entries in
    /// `var/lib/dpkg/status.d` that scanners read. Every time is [`sinter_graph::EPOCH`]. The order of `packages` does
    /// not matter.
    ///
    /// # Errors
    /// If a package is not in the store or is malformed, two packages bring one path, or the disk refuses.
    pub fn unpack(&self, packages: &[PinnedPackage], system: bool, into: &Path) -> Result<Manifest, DebianError> {
        unpack::unpack(self, packages, system, into)
    }

    fn mirrors(&self) -> Result<&MirrorConfig, DebianError> {
        self.mirrors.as_ref().map_err(|error| error.clone().into())
    }

    fn http(&self) -> &Http {
        self.http.get_or_init(Http::new)
    }

    fn report(&self, event: Progress) {
        (self.progress)(event);
    }
}

#[cfg(test)]
mod tests;
