//! Reads a lock. What stands in a line is checked line by line, so that an error names that very line.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::check::check_list;
use super::{
    DebianPin, DebianQuestion, DebianRelease, LOCK_VERSION, Lock, LockError, MAIN_ARCHIVE, PinnedArchive, PinnedPackage,
};
use crate::digest::BlobDigest;

pub(super) fn parse(text: &str) -> Result<Lock, LockError> {
    refuse_conflict_markers(text)?;
    if text.trim().is_empty() {
        return Ok(Lock::default());
    }
    let document: Document = toml::from_str(text).map_err(|error| {
        // A newer lock may not fit this shape at all: then its version is the reason worth telling.
        version_of(text).filter(|&found| found > LOCK_VERSION).map_or_else(
            || broken(text, error.span().map_or(0, |span| span.start), error.message()),
            |found| LockError::Newer { found },
        )
    })?;
    match *document.version.get_ref() {
        LOCK_VERSION => document.into_lock(text),
        found if found > LOCK_VERSION => Err(LockError::Newer { found }),
        found => Err(broken(text, document.version.span().start, &format!("there is no version {found} of the lock"))),
    }
}

fn refuse_conflict_markers(text: &str) -> Result<(), LockError> {
    let is_marker = |line: &str| line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>") || line == "=======";
    match text.lines().position(is_marker) {
        Some(index) => Err(LockError::ConflictMarkers { line: index + 1 }),
        None => Ok(()),
    }
}

fn version_of(text: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct OnlyVersion {
        version: i64,
    }
    toml::from_str::<OnlyVersion>(text).ok().map(|only| only.version)
}

fn broken(text: &str, offset: usize, reason: &str) -> LockError {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    LockError::Broken { line, reason: reason.trim_end().replace('\n', "; ") }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Spanned<i64>,
    #[serde(default)]
    debian: BTreeMap<Spanned<String>, Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    archives: Option<Vec<Spanned<ArchiveLine>>>,
    #[serde(default)]
    essential: ByArchitecture,
    #[serde(default)]
    packages: ByArchitecture,
}

type ByArchitecture = BTreeMap<String, Spanned<Vec<Spanned<PackageLine>>>>;

impl Document {
    fn into_lock(self, text: &str) -> Result<Lock, LockError> {
        let mut lock = Lock::default();
        for (key, table) in self.debian {
            let offset = key.span().start;
            let fault = |reason: &str| broken(text, offset, reason);
            let question: DebianQuestion = key.into_inner().parse().map_err(|error| fault(&format!("{error}")))?;
            let Table { archives, essential, packages } = table;
            let inserted = match archives {
                Some(archives) if question.packages.is_empty() && packages.is_empty() => {
                    let (archives, essential) = (lines(text, archives)?, checked(text, essential)?);
                    lock.insert_release(&question.suite, DebianRelease { archives, essential })
                }
                None if !question.packages.is_empty() && essential.is_empty() => {
                    lock.insert_closure(question, DebianPin { packages: checked(text, packages)? })
                }
                _ if question.packages.is_empty() => {
                    return Err(fault("the table of a suite has `archives` and `essential`, and nothing else"));
                }
                _ => return Err(fault("the table of a question has `packages`, and nothing else")),
            };
            inserted.map_err(|invalid| fault(&invalid.to_string()))?;
        }
        Ok(lock)
    }
}

/// Checks each line by itself, so that an error names that very line.
fn lines<L: TryInto<P, Error = String>, P>(text: &str, lines: Vec<Spanned<L>>) -> Result<Vec<P>, LockError> {
    let checked = lines.into_iter().map(|line| {
        let offset = line.span().start;
        line.into_inner().try_into().map_err(|reason| broken(text, offset, &reason))
    });
    checked.collect()
}

fn checked(text: &str, lists: ByArchitecture) -> Result<BTreeMap<String, Vec<PinnedPackage>>, LockError> {
    lists
        .into_iter()
        .map(|(architecture, packages)| {
            let offset = packages.span().start;
            let packages = lines(text, packages.into_inner())?;
            check_list(&architecture, &packages).map_err(|invalid| broken(text, offset, &invalid.to_string()))?;
            Ok((architecture, packages))
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageLine {
    name: String,
    version: String,
    arch: String,
    sha256: String,
    size: u64,
    path: String,
    archive: Option<String>,
}

impl TryFrom<PackageLine> for PinnedPackage {
    type Error = String;

    fn try_from(line: PackageLine) -> Result<Self, String> {
        let archive = line.archive.unwrap_or_else(|| MAIN_ARCHIVE.to_owned());
        let package = Self {
            name: line.name,
            version: line.version,
            architecture: line.arch,
            sha256: digest(&line.sha256)?,
            size: line.size,
            path: line.path,
            archive,
        };
        package.check().map_err(|invalid| invalid.to_string())?;
        Ok(package)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchiveLine {
    archive: Option<String>,
    suite: String,
    sha256: String,
    version: Option<String>,
    date: String,
    indexes: BTreeMap<String, String>,
}

impl TryFrom<ArchiveLine> for PinnedArchive {
    type Error = String;

    fn try_from(line: ArchiveLine) -> Result<Self, String> {
        let archive = line.archive.unwrap_or_else(|| MAIN_ARCHIVE.to_owned());
        let indexes = line
            .indexes
            .into_iter()
            .map(|(architecture, hex)| Ok((architecture, digest(&hex)?)))
            .collect::<Result<_, String>>()?;
        let sha256 = digest(&line.sha256)?;
        let archive = Self { archive, suite: line.suite, version: line.version, date: line.date, sha256, indexes };
        archive.check().map_err(|invalid| invalid.to_string())?;
        Ok(archive)
    }
}

fn digest(hex: &str) -> Result<BlobDigest, String> {
    format!("sha256:{hex}")
        .parse()
        .map_err(|_| format!("`{}` is no sha256: expected 64 lower-case hexadecimal digits", hex.escape_debug()))
}
