//! What `debian` inputs were found to be.
//!
//! `[debian."bookworm"]` is the release every question about that suite is answered from, and
//! `[debian."bookworm gcc libc6-dev"]` is one answer; one package per line.

mod check;
mod names;
mod question;
mod table;
mod write;

use std::collections::BTreeMap;

pub use names::{is_architecture, is_package_name, is_pool_path, is_suite_name, is_version};
pub use question::{DebianQuestion, InvalidQuestion};

use super::LockError;
use super::pins::{Item, Pins};
use super::text::Place;
use crate::digest::BlobDigest;

/// All pins of `debian` inputs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DebianPins {
    /// The pinned release of each suite.
    releases: BTreeMap<String, DebianRelease>,
    /// The pinned closure of each question about some package.
    closures: BTreeMap<DebianQuestion, DebianPin>,
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

impl DebianPins {
    /// The pinned release of a suite.
    #[must_use]
    pub fn release(&self, suite: &str) -> Option<&DebianRelease> {
        self.releases.get(suite)
    }

    /// The questions about some package that have a pinned closure.
    pub fn questions(&self) -> impl ExactSizeIterator<Item = &DebianQuestion> {
        self.closures.keys()
    }

    /// Drops the release of a suite and all closures from it: they must fit together.
    pub fn forget_suite(&mut self, suite: &str) {
        self.releases.remove(suite);
        self.closures.retain(|question, _| question.suite != suite);
    }

    /// The pinned closure of a question. The closure of no package is empty, and pinned once the release is.
    #[must_use]
    pub fn closure(&self, question: &DebianQuestion) -> Option<DebianPin> {
        if !question.packages.is_empty() {
            return self.closures.get(question).cloned();
        }
        let release = self.releases.get(&question.suite)?;
        Some(DebianPin {
            packages: release.essential.keys().map(|architecture| (architecture.clone(), vec![])).collect(),
        })
    }
}

impl Pins for DebianPins {
    type Table = table::Table;

    fn add(&mut self, question: &str, table: table::Table, place: Place<'_>) -> Result<(), LockError> {
        table.add_to(self, question, place)
    }

    /// A question about no package has no table: its closure is empty (see [`DebianPins::closure`]).
    fn tables(&self) -> BTreeMap<String, String> {
        let releases = self.releases.iter().map(|(suite, release)| (suite.clone(), write::release(release)));
        releases
            .chain(self.closures.iter().map(|(question, pin)| (question.to_string(), write::closure(pin))))
            .collect()
    }

    fn items(&self) -> Vec<Item> {
        let releases = self.releases.iter().flat_map(|(suite, release)| release.items(suite));
        let closures = self.closures.iter().flat_map(|(question, pin)| items(&question.to_string(), &pin.packages));
        releases.chain(closures).collect()
    }

    /// Closures of a suite must fit together, so with a suite's release go all its closures.
    fn joined(&self, other: &Self) -> Self {
        let mut releases = self.releases.clone();
        releases.extend(other.releases.clone());
        releases.retain(|suite, _| agree(&self.releases, &other.releases, suite));
        let mut closures = self.closures.clone();
        closures.extend(other.closures.clone());
        closures.retain(|question, _| {
            agree(&self.releases, &other.releases, &question.suite) && agree(&self.closures, &other.closures, question)
        });
        Self { releases, closures }
    }
}

/// Whether the two say nothing different under this key.
fn agree<K: Ord, V: PartialEq>(one: &BTreeMap<K, V>, other: &BTreeMap<K, V>, key: &K) -> bool {
    one.get(key).zip(other.get(key)).is_none_or(|(one, other)| one == other)
}

impl DebianRelease {
    fn items(&self, suite: &str) -> Vec<Item> {
        let mut items = items(suite, &self.essential);
        for archive in &self.archives {
            let item = |what, shown, digest| Item { table: suite.to_owned(), what, shown, digest };
            let shown = archive.version.iter().chain([&archive.date]).cloned().collect::<Vec<_>>().join(" of ");
            items.push(item(format!("release {}", archive.suite), shown, archive.sha256));
            for (architecture, &digest) in &archive.indexes {
                let what = format!("index {} ({architecture})", archive.suite);
                items.push(item(what, archive.date.clone(), digest));
            }
        }
        items
    }
}

fn items(table: &str, lists: &BTreeMap<String, Vec<PinnedPackage>>) -> Vec<Item> {
    let packages =
        lists.iter().flat_map(|(architecture, list)| list.iter().map(move |package| (architecture, package)));
    let item = |(architecture, package): (&String, &PinnedPackage)| Item {
        table: table.to_owned(),
        what: format!("{} ({architecture})", package.name),
        shown: package.version.clone(),
        digest: package.sha256,
    };
    packages.map(item).collect()
}
