//! What may stand in a lock. Checked when a pin enters one, whether from a file or from a mirror, so that nobody behind it
//! meets a name with a slash or a path with `..`, and whatever is in a lock can be written and read back.

use std::collections::BTreeMap;

use super::names::{is_architecture, is_package_name, is_pool_path, is_suite_name, is_version};
use super::{DebianPin, DebianPins, DebianQuestion, DebianRelease, PinnedArchive, PinnedPackage};
use crate::lock::InvalidPin;
use crate::lock::pins::require;

/// TOML has no larger number.
const LARGEST_SIZE: u64 = i64::MAX.unsigned_abs();

type ByArchitecture = BTreeMap<String, Vec<PinnedPackage>>;

impl DebianPins {
    /// Pins the release of a suite, in place of the one that is pinned.
    ///
    /// # Errors
    /// If a name, version, path or size may not stand in a lock, or if something is listed twice.
    pub fn insert_release(&mut self, suite: &str, mut release: DebianRelease) -> Result<(), InvalidPin> {
        require(is_suite_name(suite), "suite", suite)?;
        let DebianRelease { archives, essential } = &mut release;
        archives.iter().try_for_each(PinnedArchive::check)?;
        archives.sort_by(|left, right| left.place().cmp(&right.place()));
        if let Some(twice) = archives.windows(2).find(|pair| pair[0].place() == pair[1].place()) {
            return Err(InvalidPin(format!("the archive {} is listed twice", twice[0].suite)));
        }
        check_lists(essential)?;
        self.releases.insert(suite.to_owned(), release);
        Ok(())
    }

    /// Pins the closure of a question, in place of the one that is pinned. That of no package is not kept: it follows from
    /// the release.
    ///
    /// # Errors
    /// As [`DebianPins::insert_release`].
    pub fn insert_closure(&mut self, question: DebianQuestion, mut closure: DebianPin) -> Result<(), InvalidPin> {
        if question.to_string().parse().ok().as_ref() != Some(&question) {
            return Err(InvalidPin(format!("`{question}` is no question about a suite")));
        }
        check_lists(&mut closure.packages)?;
        if !question.packages.is_empty() {
            self.closures.insert(question, closure);
        }
        Ok(())
    }
}

impl PinnedArchive {
    fn place(&self) -> (&str, &str) {
        (&self.archive, &self.suite)
    }

    /// Checks what stands in one line.
    pub(super) fn check(&self) -> Result<(), InvalidPin> {
        let Self { archive, suite, version, date, sha256: _, indexes } = self;
        require(is_suite_name(archive), "archive", archive)?;
        require(is_suite_name(suite), "suite", suite)?;
        require(is_date(date), "date like 2026-05-17T09:12:50Z", date)?;
        version.iter().try_for_each(|version| require(is_version(version), "version", version))?;
        indexes.keys().try_for_each(|architecture| require(is_architecture(architecture), "architecture", architecture))
    }
}

impl PinnedPackage {
    /// Checks what stands in one line.
    pub(super) fn check(&self) -> Result<(), InvalidPin> {
        let Self { name, version, architecture, sha256: _, size, path, archive } = self;
        require(is_package_name(name), "package name", name)?;
        require(is_version(version), "version", version)?;
        require(is_architecture(architecture), "architecture", architecture)?;
        require(*size <= LARGEST_SIZE, "size", &size.to_string())?;
        require(is_pool_path(path), "path below pool/", path)?;
        require(is_suite_name(archive), "archive", archive)
    }
}

fn check_lists(lists: &mut ByArchitecture) -> Result<(), InvalidPin> {
    for (architecture, packages) in lists {
        packages.iter().try_for_each(PinnedPackage::check)?;
        packages.sort();
        check_list(architecture, packages)?;
    }
    Ok(())
}

/// Checks the packages of one architecture against each other.
pub(super) fn check_list(architecture: &str, packages: &[PinnedPackage]) -> Result<(), InvalidPin> {
    require(is_architecture(architecture), "architecture", architecture)?;
    let mut names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(InvalidPin(format!("package {} is listed twice for {architecture}", twice[0])));
    }
    match packages.iter().find(|package| package.architecture != "all" && package.architecture != architecture) {
        Some(foreign) => {
            Err(InvalidPin(format!("package {} is for {}, not {architecture}", foreign.name, foreign.architecture)))
        }
        None => Ok(()),
    }
}

fn is_date(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00Z";
    text.len() == SHAPE.len()
        && text
            .bytes()
            .zip(SHAPE)
            .all(|(byte, &shape)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape })
}
