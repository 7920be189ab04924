//! From a question to pins: the release, its universe, the Essential set, the closure.
//!
//! Must not know: how archives are fetched, how a closure is searched.

use std::collections::BTreeMap;

use sinter_graph::lock::{self, DebianPin, DebianQuestion, DebianRelease, MAIN_ARCHIVE, PinnedArchive, PinnedPackage};

use super::archive::Live;
use super::error::DebianError;
use super::index::{IndexText, PackageId, Universe};
use super::mirror::SECURITY_ARCHIVE;
use super::resolve::{Context, Failure, resolve as close};
use super::{Debian, Progress};

/// Where a dependency says `usrmerge | usr-is-merged`, the second: the tree is merged already, there is nothing to do.
const PREFERRED: [&str; 1] = ["usr-is-merged"];

/// How many names a "did you mean" has at most, and how alike they must be.
const MAX_SUGGESTIONS: usize = 3;
const MIN_LIKENESS: f64 = 0.8;

pub(super) fn resolve(
    debian: &Debian<'_>,
    suite: &str,
    packages: &[String],
    architecture: &str,
    pinned: Option<&DebianRelease>,
) -> Result<(DebianRelease, DebianPin), DebianError> {
    if !lock::is_suite_name(suite) {
        return Err(DebianError::NoSuite { suite: suite.to_owned(), mirror: "any mirror".to_owned() });
    }
    if !lock::is_architecture(architecture) {
        let (suite, architecture) = (suite.to_owned(), architecture.to_owned());
        return Err(DebianError::NoArchitecture { suite, architecture });
    }
    let (archives, indexes) = match pinned {
        Some(release) => pinned_archives(debian, release, architecture)?,
        None => live_archives(debian, suite, architecture)?,
    };
    let fault = |reason: String| DebianError::Release { suite: suite.to_owned(), reason };
    let universe = Universe::read(&indexes, architecture).map_err(fault)?;
    debian.report(Progress::IndexReady { packages: universe.len() });
    let search = Search { question: DebianQuestion::new(suite, packages), architecture, universe: &universe };
    let (essential, closure) = search.run()?;
    let mut release =
        DebianRelease { archives, essential: pinned.map(|pinned| pinned.essential.clone()).unwrap_or_default() };
    release.essential.entry(architecture.to_owned()).or_insert(essential);
    Ok((release, DebianPin { packages: BTreeMap::from([(architecture.to_owned(), closure)]) }))
}

type Archives = (Vec<PinnedArchive>, Vec<IndexText>);

fn live_archives(debian: &Debian<'_>, suite: &str, architecture: &str) -> Result<Archives, DebianError> {
    let wanted = [
        (MAIN_ARCHIVE, suite.to_owned()),
        (MAIN_ARCHIVE, format!("{suite}-updates")),
        (SECURITY_ARCHIVE, format!("{suite}-security")),
    ];
    let (mut archives, mut indexes) = (Vec::new(), Vec::new());
    for (archive, part) in wanted {
        let found = match debian.live_archive(archive, &part, architecture) {
            // Side archives need not have every architecture the suite has.
            Err(error @ DebianError::NoArchitecture { .. }) if part != suite => Live::Absent(error.to_string()),
            other => other?,
        };
        match found {
            Live::Found(pinned, index) => {
                archives.push(pinned);
                indexes.push(index);
            }
            Live::Absent(_) if part == suite => {
                let mirrors: Vec<&str> = debian.mirrors()?.of(archive, suite).iter().map(|m| m.url.as_str()).collect();
                return Err(DebianError::NoSuite { suite: part, mirror: mirrors.join(", ") });
            }
            Live::Absent(reason) => debian.report(Progress::ArchiveLeftOut { suite: part, reason }),
        }
    }
    archives.sort_by(|left, right| (&left.archive, &left.suite).cmp(&(&right.archive, &right.suite)));
    sort_indexes(&mut indexes);
    Ok((archives, indexes))
}

fn pinned_archives(debian: &Debian<'_>, release: &DebianRelease, architecture: &str) -> Result<Archives, DebianError> {
    let (mut archives, mut indexes) = (release.archives.clone(), Vec::new());
    for archive in &mut archives {
        let digest = match archive.indexes.get(architecture) {
            Some(digest) => *digest,
            None => debian.index_of_pinned_release(archive, architecture)?,
        };
        indexes.push(debian.pinned_index(archive, architecture, &digest)?);
        archive.indexes.insert(architecture.to_owned(), digest);
    }
    sort_indexes(&mut indexes);
    Ok((archives, indexes))
}

/// Of equal versions the first archive's is taken, so the order must not depend on where the indexes came from.
fn sort_indexes(indexes: &mut [IndexText]) {
    indexes.sort_by(|left, right| (&left.archive, &left.suite).cmp(&(&right.archive, &right.suite)));
}

struct Search<'s, 't> {
    question: DebianQuestion,
    architecture: &'s str,
    universe: &'s Universe<'t>,
}

impl Search<'_, '_> {
    /// The Essential set with all it needs, and the closure of the asked packages. The closure stands alone: nothing in
    /// it counts on the Essential set, but where there is a choice it takes what the Essential set has, so that both
    /// fit together.
    fn run(&self) -> Result<(Vec<PinnedPackage>, Vec<PinnedPackage>), DebianError> {
        let mut roots: Vec<PackageId> =
            self.universe.ids().filter(|&id| self.universe.package(id).is_essential()).collect();
        roots.sort_by_key(|&id| self.universe.package(id).name);
        let mut context = Context::default();
        context.preferred.extend(PREFERRED.iter().filter_map(|name| self.universe.find(name)));
        let essential = self.close(&roots, &context, &format!("the Essential set of {}", self.question.suite))?;
        let asked = self.question.packages.iter().map(|name| self.find(name)).collect::<Result<Vec<_>, _>>()?;
        context.preferred.extend(&essential);
        context.beside.clone_from(&essential);
        let closure = self.close(&asked, &context, &self.question.to_string())?;
        Ok((self.pins(&essential)?, self.pins(&closure)?))
    }

    fn close(&self, roots: &[PackageId], context: &Context, question: &str) -> Result<Vec<PackageId>, DebianError> {
        let question = question.to_owned();
        close(self.universe, roots, context).map_err(|failure| match failure {
            Failure::Unmet { chain, relation, candidates } => {
                DebianError::Unmet { question, chain, relation, candidates }
            }
            Failure::Conflict { package, relation, other, chain } => {
                DebianError::Conflict { question, package, relation, other, chain }
            }
            Failure::TooHard => DebianError::TooHard { question },
            Failure::Malformed(reason) => DebianError::Release { suite: self.question.suite.clone(), reason },
        })
    }

    fn pins(&self, ids: &[PackageId]) -> Result<Vec<PinnedPackage>, DebianError> {
        let pin = |&id: &PackageId| {
            let package = self.universe.package(id);
            package.pin().map_err(|reason| DebianError::BadPackage { name: package.name.to_owned(), reason })
        };
        let mut pins = ids.iter().map(pin).collect::<Result<Vec<_>, _>>()?;
        pins.sort();
        Ok(pins)
    }

    fn find(&self, name: &str) -> Result<PackageId, DebianError> {
        self.universe.find(name).ok_or_else(|| DebianError::UnknownPackage {
            name: name.to_owned(),
            suite: self.question.suite.clone(),
            architecture: self.architecture.to_owned(),
            suggestions: self.suggestions(name),
        })
    }

    /// Who provides the name; else the names most like it.
    fn suggestions(&self, name: &str) -> Vec<String> {
        let providers = self.universe.providers(name);
        if !providers.is_empty() {
            let names = providers.iter().map(|&(id, _)| self.universe.package(id).name.to_owned());
            return names.take(MAX_SUGGESTIONS).collect();
        }
        let mut alike: Vec<(f64, &str)> = self
            .universe
            .names()
            .map(|known| (strsim::jaro_winkler(name, known), known))
            .filter(|(likeness, _)| *likeness >= MIN_LIKENESS)
            .collect();
        alike.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(right.1)));
        alike.dedup_by_key(|(_, known)| *known);
        alike.into_iter().take(MAX_SUGGESTIONS).map(|(_, known)| known.to_owned()).collect()
    }
}
