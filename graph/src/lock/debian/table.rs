//! Reads a table of the lock. What stands in a line is checked line by line, so that an error names that very line.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::check::check_list;
use super::{DebianPin, DebianPins, DebianQuestion, DebianRelease, MAIN_ARCHIVE, PinnedArchive, PinnedPackage};
use crate::lock::LockError;
use crate::lock::text::{Place, digest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::lock) struct Table {
    archives: Option<Vec<Spanned<ArchiveLine>>>,
    #[serde(default)]
    essential: ByArchitecture,
    #[serde(default)]
    packages: ByArchitecture,
}

type ByArchitecture = BTreeMap<String, Spanned<Vec<Spanned<PackageLine>>>>;

impl Table {
    pub(super) fn add_to(self, pins: &mut DebianPins, question: &str, place: Place<'_>) -> Result<(), LockError> {
        let question: DebianQuestion = question.parse().map_err(|invalid| place.broken(&invalid))?;
        let Self { archives, essential, packages } = self;
        let inserted = match archives {
            Some(archives) if question.packages.is_empty() && packages.is_empty() => {
                let (archives, essential) = (lines(place, archives)?, checked(place, essential)?);
                pins.insert_release(&question.suite, DebianRelease { archives, essential })
            }
            None if !question.packages.is_empty() && essential.is_empty() => {
                pins.insert_closure(question, DebianPin { packages: checked(place, packages)? })
            }
            _ if question.packages.is_empty() => {
                return Err(place.broken(&"the table of a suite has `archives` and `essential`, and nothing else"));
            }
            _ => return Err(place.broken(&"the table of a question has `packages`, and nothing else")),
        };
        inserted.map_err(|invalid| place.broken(&invalid))
    }
}

fn checked(place: Place<'_>, lists: ByArchitecture) -> Result<BTreeMap<String, Vec<PinnedPackage>>, LockError> {
    lists
        .into_iter()
        .map(|(architecture, packages)| {
            let place = place.of(&packages);
            let packages = lines(place, packages.into_inner())?;
            check_list(&architecture, &packages).map_err(|invalid| place.broken(&invalid))?;
            Ok((architecture, packages))
        })
        .collect()
}

/// Checks each line by itself, so that an error names that very line.
fn lines<L: TryInto<P, Error = String>, P>(place: Place<'_>, lines: Vec<Spanned<L>>) -> Result<Vec<P>, LockError> {
    let checked = lines.into_iter().map(|line| {
        let place = place.of(&line);
        line.into_inner().try_into().map_err(|reason| place.broken(&reason))
    });
    checked.collect()
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
