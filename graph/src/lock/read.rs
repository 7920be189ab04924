//! Reads a lock. Every value is checked here, so that nobody behind it meets a name with a slash or a path with `..`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{
    DebianPin, DebianQuestion, DebianRelease, LOCK_VERSION, Lock, LockError, MAIN_ARCHIVE, PinnedArchive,
    PinnedPackage, is_architecture, is_package_name, is_pool_path, is_suite_name, is_version,
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
    essential: Option<ByArchitecture>,
    packages: Option<ByArchitecture>,
}

type ByArchitecture = BTreeMap<String, Spanned<Vec<Spanned<PackageLine>>>>;

impl Document {
    fn into_lock(self, text: &str) -> Result<Lock, LockError> {
        let mut lock = Lock::default();
        for (key, table) in self.debian {
            let offset = key.span().start;
            let fault = |reason: &str| broken(text, offset, reason);
            let question: DebianQuestion = key.into_inner().parse().map_err(|error| fault(&format!("{error}")))?;
            match table {
                Table { archives: Some(archives), essential: Some(essential), packages: None }
                    if question.packages.is_empty() =>
                {
                    let archives = lines(text, archives)?;
                    let essential = checked(text, essential)?;
                    lock.debian_releases.insert(question.suite, DebianRelease { archives, essential });
                }
                Table { archives: None, essential: None, packages: Some(packages) }
                    if !question.packages.is_empty() =>
                {
                    lock.debian.insert(question, DebianPin { packages: checked(text, packages)? });
                }
                _ if question.packages.is_empty() => {
                    return Err(fault("the table of a suite has `archives` and `essential`, and nothing else"));
                }
                _ => return Err(fault("the table of a question has `packages`, and nothing else")),
            }
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
            check_list(&architecture, &packages).map_err(|reason| broken(text, offset, &reason))?;
            Ok((architecture, packages))
        })
        .collect()
}

fn check_list(architecture: &str, packages: &[PinnedPackage]) -> Result<(), String> {
    if !is_architecture(architecture) {
        return Err(format!("`{architecture}` is no architecture"));
    }
    let mut names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("package {} is listed twice for {architecture}", twice[0]));
    }
    match packages.iter().find(|package| package.architecture != "all" && package.architecture != architecture) {
        Some(foreign) => Err(format!("package {} is for {}, not {architecture}", foreign.name, foreign.architecture)),
        None => Ok(()),
    }
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
        require(is_package_name(&line.name), "package name", &line.name)?;
        require(is_version(&line.version), "version", &line.version)?;
        require(is_architecture(&line.arch), "architecture", &line.arch)?;
        require(is_pool_path(&line.path), "path below pool/", &line.path)?;
        require(is_suite_name(&archive), "archive", &archive)?;
        Ok(Self {
            name: line.name,
            version: line.version,
            architecture: line.arch,
            sha256: digest(&line.sha256)?,
            size: line.size,
            path: line.path,
            archive,
        })
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
        require(is_suite_name(&archive), "archive", &archive)?;
        require(is_suite_name(&line.suite), "suite", &line.suite)?;
        require(is_date(&line.date), "date like 2026-05-17T09:12:50Z", &line.date)?;
        if let Some(version) = &line.version {
            require(is_version(version), "version", version)?;
        }
        let indexes = line
            .indexes
            .into_iter()
            .map(|(architecture, hex)| {
                require(is_architecture(&architecture), "architecture", &architecture)?;
                Ok((architecture, digest(&hex)?))
            })
            .collect::<Result<_, String>>()?;
        let sha256 = digest(&line.sha256)?;
        Ok(Self { archive, suite: line.suite, version: line.version, date: line.date, sha256, indexes })
    }
}

fn require(holds: bool, what: &str, text: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("`{}` is no {what}", text.escape_debug())) }
}

fn is_date(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00Z";
    text.len() == SHAPE.len()
        && text
            .bytes()
            .zip(SHAPE)
            .all(|(byte, &shape)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape })
}

fn digest(hex: &str) -> Result<BlobDigest, String> {
    format!("sha256:{hex}")
        .parse()
        .map_err(|_| format!("`{}` is no sha256: expected 64 lower-case hexadecimal digits", hex.escape_debug()))
}
