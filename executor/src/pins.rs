//! Pins: reading the lock, asking what it lacks, writing what was added.
//!
//! The only networked phase before execution. A pin that is there is believed; nothing is asked twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sinter_graph::config::Configuration;
use sinter_graph::derivation::{DeclaredInput, Graph, Input, InputId, Unpack};
use sinter_graph::image_source::ImageSource;
use sinter_graph::lock::{
    DebianPin, DebianQuestion, DebianRelease, InvalidPin, Lock, LockError, PinnedPackage, PullPin,
};
use sinter_graph::platform::Platform;
use sinter_source::debian::Debian;

use crate::error::BuildError;
use crate::images::{ImageError, Images, Pulled};

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
        Self::parsed(path, Lock::parse(&text_of(path)?))
    }

    /// Reads the lock at `path` also if git left both sides of a conflict in it; then it is to be written anew.
    ///
    /// # Errors
    /// As [`LockFile::read`].
    pub fn read_resolving(path: &Path) -> Result<(Self, bool), BuildError> {
        let text = text_of(path)?;
        match Lock::parse(&text) {
            Err(LockError::ConflictMarkers { .. }) => Ok((Self::parsed(path, Lock::without_conflicts(&text))?, true)),
            lock => Ok((Self::parsed(path, lock)?, false)),
        }
    }

    fn parsed(path: &Path, lock: Result<Lock, LockError>) -> Result<Self, BuildError> {
        let lock = lock.map_err(|source| BuildError::Lock { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Reads the lock at `path`, and keeps other builds from adding pins until the guard is dropped: two builds that add
    /// pins at once would each write a lock without the other's. Waits for a build that is doing so.
    ///
    /// # Errors
    /// As [`LockFile::read`].
    pub(crate) fn read_alone(path: &Path) -> Result<(Self, Option<File>), BuildError> {
        // A file system without locks has no two builds at once often enough to refuse building on it.
        let alone = File::open(directory_of(path)).and_then(|directory| directory.lock().map(|()| directory)).ok();
        Ok((Self::read(path)?, alone))
    }

    /// Whether every one of `needed` inputs is pinned for this architecture.
    pub(crate) fn is_complete(&self, graph: &Graph, needed: &BTreeSet<InputId>, architecture: &str) -> bool {
        needed.iter().all(|&id| match &graph.input(id).input {
            Input::Pull { image } => self.lock.pull.get(&image.to_string()).is_some(),
            Input::Debian { suite, packages } => {
                pinned(&self.lock, &DebianQuestion::new(suite, packages), architecture).is_some()
            }
            Input::Directory { .. } => true,
        })
    }

    /// Writes `lock` beside the file and renames it over, so that a crash leaves the old one.
    ///
    /// # Errors
    /// If the directory or the disk refuses.
    pub fn write(&self, lock: &Lock) -> Result<(), BuildError> {
        let written = || -> std::io::Result<()> {
            let beside = directory_of(&self.path).join(draft_name());
            let mut file = File::create_new(&beside)?;
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

fn text_of(path: &Path) -> Result<String, BuildError> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|source| BuildError::LockUnreadable { path: path.to_owned(), source }),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name that no other writer uses at this time.
fn draft_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(".sinter.lock.{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The pinned packages of each needed Debian input.
#[derive(Debug, Clone, Default)]
pub struct Pins {
    debian: BTreeMap<InputId, Packages>,
    pull: BTreeMap<InputId, Arc<Pulled>>,
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

    /// The pins of one input.
    #[cfg(test)]
    pub(crate) fn for_test(id: InputId, suite: &str, closure: &[PinnedPackage], essential: &[PinnedPackage]) -> Self {
        let packages = Packages { suite: suite.to_owned(), closure: closure.to_vec(), essential: essential.to_vec() };
        Self { debian: BTreeMap::from([(id, packages)]), ..Self::default() }
    }

    /// The image that an input is.
    pub(crate) fn pulled(&self, input: InputId) -> &Arc<Pulled> {
        &self.pull[&input]
    }

    /// All images of others that this build needs.
    pub(crate) fn all_pulled(&self) -> impl Iterator<Item = &Arc<Pulled>> {
        self.pull.values()
    }

    /// The inputs that they are.
    pub(crate) fn pulled_inputs(&self) -> impl Iterator<Item = InputId> + use<> {
        self.pull.keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// What the images of others say about running them.
    pub(crate) fn configurations(&self) -> BTreeMap<InputId, Configuration> {
        self.pull.iter().map(|(id, pulled)| (*id, pulled.image.configuration.clone())).collect()
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

/// Who is asked for what the lock lacks.
pub struct Resolvers<'a, 'p> {
    /// Package archives.
    pub(crate) debian: &'a Debian<'p>,
    /// Registries, layouts and archives of images.
    pub(crate) images: &'a Images<'a>,
    /// What pins are wanted for.
    pub(crate) platform: &'a Platform,
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
    resolvers: &Resolvers<'_, '_>,
) -> Result<Resolved, BuildError> {
    let architecture = resolvers.platform.architecture();
    let mut lock = file.lock.clone();
    let mut pins = Pins::default();
    let mut missing = Vec::new();
    for &id in needed {
        let declared = graph.input(id);
        match &declared.input {
            Input::Directory { .. } => {}
            Input::Debian { suite, packages } => {
                let question = DebianQuestion::new(suite, packages);
                if locking == Locking::Locked && pinned(&lock, &question, architecture).is_none() {
                    missing.push(format!("+ debian.\"{question}\" for {architecture} (input `{}`)", declared.name));
                    continue;
                }
                pins.debian.insert(id, ask(&mut lock, declared, &question, architecture, resolvers.debian)?);
            }
            Input::Pull { image } => {
                let failed = |source| BuildError::Image { input: declared.name.clone(), source: Box::new(source) };
                let known = lock.pull.get(&image.to_string());
                let pin = pin_of(image, known, resolvers.images).map_err(failed)?;
                if locking == Locking::Locked && known != Some(&pin) {
                    let change = if known.is_some() { "~" } else { "+" };
                    missing.push(format!("{change} pull.\"{image}\" (input `{}`)", declared.name));
                    continue;
                }
                pins.pull
                    .insert(id, Arc::new(resolvers.images.pulled(image, &pin, resolvers.platform).map_err(failed)?));
                lock.pull
                    .insert(&image.to_string(), pin)
                    .map_err(|source| BuildError::Unpinnable { input: declared.name.clone(), source })?;
            }
        }
    }
    if !missing.is_empty() {
        return Err(BuildError::LockDrift { path: file.path.clone(), diff: missing });
    }
    if locking == Locking::Add && lock != file.lock {
        file.write(&lock)?;
    }
    Ok(Resolved { pins, added: file.lock.diff(&lock), lock })
}

/// What an image is pinned to: as the lock says, if all of it follows from the digest, which somebody may have changed alone.
fn pin_of(image: &ImageSource, known: Option<&PullPin>, images: &Images<'_>) -> Result<PullPin, ImageError> {
    let Some(known) = known else { return images.resolve(image) };
    match images.pin(image, known.digest) {
        // What follows from it cannot be told here, and is believed.
        Err(ImageError::Offline { .. }) => Ok(known.clone()),
        pin => pin,
    }
}

fn pinned(lock: &Lock, question: &DebianQuestion, architecture: &str) -> Option<Packages> {
    let release = lock.debian.release(&question.suite)?;
    let closure = lock.debian.closure(question)?.packages.get(architecture)?.clone();
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
    let known = lock.debian.release(&question.suite);
    let (release, pin) = debian
        .resolve(&question.suite, &question.packages, architecture, known)
        .map_err(|source| BuildError::Debian { input: Some(declared.name.clone()), source: Box::new(source) })?;
    add(lock, question, release, pin)
        .map_err(|source| BuildError::Unpinnable { input: declared.name.clone(), source })?;
    pinned(lock, question, architecture).ok_or_else(|| BuildError::Unresolved { input: declared.name.clone() })
}

/// Adds an answer to what is pinned for other architectures.
fn add(
    lock: &mut Lock,
    question: &DebianQuestion,
    mut release: DebianRelease,
    pin: DebianPin,
) -> Result<(), InvalidPin> {
    if let Some(known) = lock.debian.release(&question.suite) {
        let others = known.essential.iter().map(|(architecture, packages)| (architecture.clone(), packages.clone()));
        release.essential = others.chain(release.essential).collect();
    }
    let mut closure = lock.debian.closure(question).unwrap_or_default();
    closure.packages.extend(pin.packages);
    lock.debian.insert_release(&question.suite, release)?;
    lock.debian.insert_closure(question.clone(), closure)
}

#[cfg(test)]
mod tests;
