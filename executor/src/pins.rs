//! Pins: reading the lock, asking what it lacks, writing what was added.
//!
//! The only networked phase before execution. A pin that is there is believed; nothing is asked twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sinter_graph::derivation::{DeclaredInput, Graph, Input, InputId, Unpack};
use sinter_graph::lock::{DebianPin, DebianQuestion, DebianRelease, Lock, PinnedPackage};
use sinter_source::debian::Debian;

use crate::error::BuildError;

/// What may happen to the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// Missing pins are added.
    Add,
    /// Nothing is written; a missing pin is an error.
    Locked,
    /// Missing pins are worked out and nothing is written: the caller only wants to know.
    Compare,
}

/// The lock file of a work tree.
#[derive(Debug, Clone)]
pub struct LockFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says; empty if there is none.
    pub lock: Lock,
}

impl LockFile {
    /// Reads the lock at `path`; a missing file is an empty lock.
    ///
    /// # Errors
    /// If it cannot be read, or is no lock of this version.
    pub fn read(path: &Path) -> Result<Self, BuildError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(BuildError::LockUnreadable { path: path.to_owned(), source }),
        };
        let lock = Lock::parse(&text).map_err(|source| BuildError::Lock { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Writes `lock` beside the file and renames it over, so that a crash leaves the old one.
    ///
    /// # Errors
    /// If the directory or the disk refuses.
    pub fn write(&self, lock: &Lock) -> Result<(), BuildError> {
        let written = || -> std::io::Result<()> {
            let directory = self.path.parent().unwrap_or(Path::new("."));
            let beside = directory.join(format!(".sinter.lock.{}", std::process::id()));
            let mut file = std::fs::File::create(&beside)?;
            let result = file
                .write_all(lock.render().as_bytes())
                .and_then(|()| file.sync_all())
                .and_then(|()| std::fs::rename(&beside, &self.path));
            if result.is_err() {
                // The write already failed; a left-over that cannot be removed either changes nothing about that.
                let _ = std::fs::remove_file(&beside);
            }
            result
        };
        written().map_err(|source| BuildError::LockUnwritable { path: self.path.clone(), source })
    }
}

/// The pinned packages of each needed Debian input.
#[derive(Debug, Clone, Default)]
pub struct Pins {
    debian: BTreeMap<InputId, Packages>,
}

#[derive(Debug, Clone)]
struct Packages {
    suite: String,
    closure: Vec<PinnedPackage>,
    essential: Vec<PinnedPackage>,
}

impl Pins {
    /// The packages an unpacking takes, sorted, each once: the closure, for a whole system with the Essential set.
    pub(crate) fn packages(&self, unpack: &Unpack) -> Vec<PinnedPackage> {
        let pin = &self.debian[&unpack.packages];
        let mut packages: BTreeSet<PinnedPackage> = pin.closure.iter().cloned().collect();
        if unpack.system {
            packages.extend(pin.essential.iter().cloned());
        }
        packages.into_iter().collect()
    }

    /// The suite an unpacking takes its packages from.
    pub(crate) fn suite(&self, unpack: &Unpack) -> &str {
        &self.debian[&unpack.packages].suite
    }
}

/// What resolving gave.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The pins of the needed inputs.
    pub pins: Pins,
    /// The lock with everything in it.
    pub lock: Lock,
    /// What was added to the lock, a line each; empty if it was complete.
    pub added: Vec<String>,
}

/// Finds the pins of `needed` inputs, in the lock or by asking.
///
/// # Errors
/// If the lock lacks one and `locking` forbids adding it, or if it cannot be resolved or written.
pub fn resolve(
    graph: &Graph,
    needed: &BTreeSet<InputId>,
    file: &LockFile,
    locking: Locking,
    architecture: &str,
    debian: &Debian<'_>,
) -> Result<Resolved, BuildError> {
    let mut lock = file.lock.clone();
    let mut pins = Pins::default();
    let mut missing = Vec::new();
    for &id in needed {
        let declared = graph.input(id);
        let Input::Debian { suite, packages } = &declared.input else { continue };
        let question = DebianQuestion::new(suite, packages);
        if locking == Locking::Locked && pinned(&lock, &question, architecture).is_none() {
            missing.push(format!("+ debian.\"{question}\" for {architecture} (input `{}`)", declared.name));
            continue;
        }
        pins.debian.insert(id, ask(&mut lock, declared, &question, architecture, debian)?);
    }
    if !missing.is_empty() {
        return Err(BuildError::LockDrift { path: file.path.clone(), diff: missing });
    }
    let added = file.lock.diff(&lock);
    if locking == Locking::Add && !added.is_empty() {
        file.write(&lock)?;
    }
    Ok(Resolved { pins, lock, added })
}

fn pinned(lock: &Lock, question: &DebianQuestion, architecture: &str) -> Option<Packages> {
    let release = lock.debian_releases.get(&question.suite)?;
    let closure = lock.debian_pin(question)?.packages.get(architecture)?.clone();
    let essential = release.essential.get(architecture)?.clone();
    Some(Packages { suite: question.suite.clone(), closure, essential })
}

fn ask(
    lock: &mut Lock,
    declared: &DeclaredInput,
    question: &DebianQuestion,
    architecture: &str,
    debian: &Debian<'_>,
) -> Result<Packages, BuildError> {
    if let Some(packages) = pinned(lock, question, architecture) {
        return Ok(packages);
    }
    let known = lock.debian_releases.get(&question.suite);
    let (release, pin) = debian
        .resolve(&question.suite, &question.packages, architecture, known)
        .map_err(|source| BuildError::Debian { input: Some(declared.name.clone()), source: Box::new(source) })?;
    add_release(lock, &question.suite, release);
    add_pin(lock, question, pin);
    pinned(lock, question, architecture).ok_or_else(|| BuildError::Unresolved { input: declared.name.clone() })
}

fn add_release(lock: &mut Lock, suite: &str, release: DebianRelease) {
    let known = lock.debian_releases.entry(suite.to_owned()).or_default();
    known.archives = release.archives;
    known.essential.extend(release.essential);
}

fn add_pin(lock: &mut Lock, question: &DebianQuestion, pin: DebianPin) {
    if !question.packages.is_empty() {
        lock.debian.entry(question.clone()).or_default().packages.extend(pin.packages);
    }
}
