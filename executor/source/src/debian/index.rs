//! The packages of a release for one architecture: of every name the highest version among the archives.
//!
//! Rules: borrows from the index texts; parses a package's relations only when asked.
//! Must not know: mirrors, signatures, which packages are wanted.

use std::collections::HashMap;

use sinter_graph::digest::BlobDigest;
use sinter_graph::lock::{self, PinnedPackage};

use super::deb822::{Paragraph, Paragraphs};
use super::dependency::{Alternatives, Relation, parse_relations};
use super::version::compare_versions;

/// One package index and where it comes from.
#[derive(Debug)]
pub(super) struct IndexText {
    /// The archive, for instance `debian-security`.
    pub(super) archive: String,
    /// The suite, for messages.
    pub(super) suite: String,
    /// The decompressed index.
    pub(super) text: String,
}

/// Number of a package in its [`Universe`].
pub(super) type PackageId = usize;

/// One package that can be chosen.
#[derive(Debug)]
pub(super) struct Candidate<'t> {
    pub(super) name: &'t str,
    pub(super) version: &'t str,
    pub(super) architecture: &'t str,
    archive: &'t str,
    paragraph: Paragraph<'t>,
}

/// The packages of a release for one architecture.
#[derive(Debug)]
pub(super) struct Universe<'t> {
    architecture: String,
    packages: Vec<Candidate<'t>>,
    by_name: HashMap<&'t str, PackageId>,
    /// Who provides a name, and which version of it; best first (see [`Candidate::preference`]).
    providers: HashMap<&'t str, Vec<(PackageId, Option<&'t str>)>>,
}

impl<'t> Candidate<'t> {
    /// The first of several providers of a name is the one of the most important priority, then the first by name.
    fn preference(&self) -> (usize, &'t str) {
        const PRIORITIES: [&str; 5] = ["required", "important", "standard", "optional", "extra"];
        let priority = self.paragraph.get("Priority").unwrap_or_default();
        (PRIORITIES.iter().position(|&known| known == priority).unwrap_or(PRIORITIES.len()), self.name)
    }

    pub(super) fn is_essential(&self) -> bool {
        self.paragraph.get("Essential") == Some("yes")
    }

    /// Whether a dependency with the qualifier `:any` may be met by this package.
    pub(super) fn allows_any(&self) -> bool {
        matches!(self.paragraph.get("Multi-Arch"), Some("allowed" | "foreign"))
    }

    /// The pin of this package.
    ///
    /// # Errors
    /// A sentence that says which of its fields is missing or unusable.
    pub(super) fn pin(&self) -> Result<PinnedPackage, String> {
        let field = |name: &str| self.paragraph.get(name).ok_or_else(|| format!("it has no `{name}`"));
        let path = field("Filename")?.trim_start_matches("./");
        if !lock::is_package_name(self.name) || !lock::is_version(self.version) || !lock::is_pool_path(path) {
            return Err("its name, version or path has characters that it must not have".to_owned());
        }
        Ok(PinnedPackage {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            architecture: self.architecture.to_owned(),
            sha256: format!("sha256:{}", field("SHA256")?).parse::<BlobDigest>().map_err(|e| e.to_string())?,
            size: field("Size")?.parse().map_err(|_| "its `Size` is no number".to_owned())?,
            path: path.to_owned(),
            archive: self.archive.to_owned(),
        })
    }
}

impl<'t> Universe<'t> {
    /// Reads the indexes. Packages of other architectures are left out.
    ///
    /// # Errors
    /// A sentence that names the suite, the line and the fault.
    pub(super) fn read(indexes: &'t [IndexText], architecture: &str) -> Result<Self, String> {
        let mut universe = Self {
            architecture: architecture.to_owned(),
            packages: Vec::new(),
            by_name: HashMap::new(),
            providers: HashMap::new(),
        };
        for index in indexes {
            for paragraph in Paragraphs::new(&index.text) {
                let paragraph = paragraph.map_err(|error| format!("{}: {error}", index.suite))?;
                universe.add(index, paragraph).map_err(|reason| format!("{}: {reason}", index.suite))?;
            }
        }
        universe.collect_providers()?;
        Ok(universe)
    }

    fn add(&mut self, index: &'t IndexText, paragraph: Paragraph<'t>) -> Result<(), String> {
        let name = paragraph.get("Package").ok_or("a paragraph has no `Package`")?;
        let field = |field| paragraph.get(field).ok_or_else(|| format!("package {name} has no `{field}`"));
        let (version, architecture) = (field("Version")?, field("Architecture")?);
        if architecture != "all" && architecture != self.architecture {
            return Ok(());
        }
        let candidate = Candidate { name, version, architecture, archive: &index.archive, paragraph };
        match self.by_name.get(name) {
            None => {
                self.by_name.insert(name, self.packages.len());
                self.packages.push(candidate);
            }
            // Of equal versions the first stays: the archives come in a fixed order.
            Some(&id) if compare_versions(version, self.packages[id].version).is_gt() => self.packages[id] = candidate,
            Some(_) => {}
        }
        Ok(())
    }

    fn collect_providers(&mut self) -> Result<(), String> {
        for (id, package) in self.packages.iter().enumerate() {
            for provided in relations(package, &["Provides"], &self.architecture)? {
                for relation in provided.0 {
                    let version = relation.version.map(|(_, version)| version);
                    self.providers.entry(relation.name).or_default().push((id, version));
                }
            }
        }
        for providers in self.providers.values_mut() {
            providers.sort_by_key(|&(id, _)| self.packages[id].preference());
        }
        Ok(())
    }

    pub(super) fn package(&self, id: PackageId) -> &Candidate<'t> {
        &self.packages[id]
    }

    pub(super) fn len(&self) -> usize {
        self.packages.len()
    }

    pub(super) fn find(&self, name: &str) -> Option<PackageId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn ids(&self) -> std::ops::Range<PackageId> {
        0..self.packages.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'t str> + '_ {
        self.packages.iter().map(|package| package.name).chain(self.providers.keys().copied())
    }

    /// Whether the package of this name could be meant, but only providers exist: their names, best first.
    pub(super) fn providers(&self, name: &str) -> &[(PackageId, Option<&'t str>)] {
        self.providers.get(name).map_or(&[], Vec::as_slice)
    }

    /// The packages that meet a relation: the real one first, then the providers in order of preference.
    pub(super) fn meeting<'u>(&'u self, relation: &'u Relation<'_>) -> impl Iterator<Item = PackageId> + 'u {
        let real = self.find(relation.name).filter(|&id| relation.admits(self.packages[id].version));
        let provided = self.providers(relation.name).iter().filter(|(_, version)| relation.admits_provided(*version));
        real.into_iter().chain(provided.map(|&(id, _)| id)).filter(|&id| self.has_architecture(id, relation))
    }

    fn has_architecture(&self, id: PackageId, relation: &Relation<'_>) -> bool {
        match relation.qualifier {
            None | Some("native") => true,
            Some("any") => self.packages[id].allows_any(),
            Some(architecture) => architecture == self.architecture && self.packages[id].architecture == architecture,
        }
    }

    /// `Pre-Depends` and `Depends` of a package.
    pub(super) fn dependencies(&self, id: PackageId) -> Result<Vec<Alternatives<'t>>, String> {
        relations(&self.packages[id], &["Pre-Depends", "Depends"], &self.architecture)
    }

    /// `Conflicts` and `Breaks` of a package.
    pub(super) fn conflicts(&self, id: PackageId) -> Result<Vec<Alternatives<'t>>, String> {
        relations(&self.packages[id], &["Conflicts", "Breaks"], &self.architecture)
    }
}

fn relations<'t>(
    package: &Candidate<'t>,
    fields: &[&str],
    architecture: &str,
) -> Result<Vec<Alternatives<'t>>, String> {
    let mut all = Vec::new();
    for field in fields {
        let text = package.paragraph.get(field).unwrap_or_default();
        let parsed = parse_relations(text, architecture);
        all.extend(parsed.map_err(|reason| format!("package {}, field {field}: {reason}", package.name))?);
    }
    Ok(all)
}
