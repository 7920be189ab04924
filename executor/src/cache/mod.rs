//! Results of other machines, in repositories of a registry.
//!
//! Each result is a note of its own under a tag made from its key, so that any number of machines write at once without a
//! lock, and whoever knows the key finds it. A note brings facts; bytes of layers come when something mounts them.
//!
//! Rules: a cache that is away, slow, full or lying costs time, never a build: what it says is believed only as far as it
//! fits together, and bytes only if their digest is right. That a result belongs to a key nobody can check, so only trusted
//! repositories are read, or with `trusted` keys only notes that one of them signed. Results with marks are neither
//! published nor taken. Must not know: the language, how results are made.

mod bytes;
mod entry;
mod import;
mod prefetch;
mod publish;
mod sign;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sinter_graph::image_reference::ImageReference;
use sinter_oci::registry::{Registries, RegistryError, Repository};
use sinter_oci::{LONGEST_NOTE, Note};

pub(crate) use bytes::CachedBytes;
pub(crate) use entry::{Entry, Question};
pub(crate) use import::import;
pub(crate) use prefetch::prefetch;
pub(crate) use publish::publish;
pub use sign::{InvalidKey, PublicKey, SecretKey};

use crate::events::{Event, Listener};

/// Which caches a build has.
#[derive(Debug, Clone, Default)]
pub struct CacheSettings {
    /// Repositories that are asked, in order.
    pub repositories: Vec<ImageReference>,
    /// Whether results are published to the first of them.
    pub write: bool,
    /// Whose notes are believed; everybody's if there is none.
    pub trusted: Vec<PublicKey>,
    /// Who signs what is published.
    pub signer: Option<SecretKey>,
}

/// The caches of a build.
pub(crate) struct Caches {
    caches: Vec<Cache>,
    settings: CacheSettings,
    listener: Arc<dyn Listener>,
}

struct Cache {
    name: String,
    repository: Repository,
    /// Whether it failed: then it is not asked again.
    away: AtomicBool,
    /// Whether it was said that notes of it are not believed.
    distrusted: AtomicBool,
}

impl Caches {
    /// Opens nothing. A repository that the machine's settings forbid is told and left out.
    pub(crate) fn new(registries: &Registries, settings: &CacheSettings, listener: &Arc<dyn Listener>) -> Self {
        let mut caches = Vec::new();
        for reference in &settings.repositories {
            match registries.destination(reference) {
                Ok(repository) => caches.push(Cache {
                    name: reference.name(),
                    repository,
                    away: AtomicBool::new(false),
                    distrusted: AtomicBool::new(false),
                }),
                Err(error) => {
                    listener.on(Event::CacheAway { cache: reference.name(), reason: error.to_string() });
                }
            }
        }
        Self { caches, settings: settings.clone(), listener: listener.clone() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.caches.is_empty()
    }

    /// All of them.
    pub(crate) fn repositories(&self) -> impl Iterator<Item = &Repository> {
        self.caches.iter().map(|cache| &cache.repository)
    }

    /// What the first cache that knows it says; `None` if none does.
    pub(crate) fn ask(&self, question: &Question) -> Option<Entry> {
        self.caches.iter().filter(|cache| !cache.is_away()).find_map(|cache| {
            let manifest = self.tried(cache, cache.repository.manifest(&question.tag()))??;
            self.believed(cache, &manifest.bytes, question)
        })
    }

    fn believed(&self, cache: &Cache, manifest: &[u8], question: &Question) -> Option<Entry> {
        let note = Note::read(manifest).filter(|note| note.bytes.len() <= LONGEST_NOTE)?;
        if !sign::is_trusted(&self.settings.trusted, &note) {
            self.distrust(cache, "its results are not signed by a trusted key");
            return None;
        }
        let entry = Entry::decode(&note.bytes).and_then(|entry| entry.answers(question));
        match entry {
            Ok(entry) => Some(entry).filter(Entry::is_unmarked),
            Err(error) => {
                self.distrust(cache, &format!("a result of it is not believed: {error}"));
                None
            }
        }
    }

    /// Runs over the caches that can be asked until one answers.
    fn first<T>(&self, ask: impl Fn(&Repository) -> Result<Option<T>, RegistryError>) -> Option<T> {
        let mut present = self.caches.iter().filter(|cache| !cache.is_away());
        present.find_map(|cache| self.tried(cache, ask(&cache.repository))?)
    }

    /// A cache that fails is told once and left alone from then on.
    fn tried<T>(&self, cache: &Cache, result: Result<T, RegistryError>) -> Option<T> {
        result
            .map_err(|error| {
                if !cache.away.swap(true, Ordering::Relaxed) {
                    self.listener.on(Event::CacheAway { cache: cache.name.clone(), reason: error.to_string() });
                }
            })
            .ok()
    }

    fn distrust(&self, cache: &Cache, reason: &str) {
        if !cache.distrusted.swap(true, Ordering::Relaxed) {
            self.listener.on(Event::CacheAway { cache: cache.name.clone(), reason: reason.to_owned() });
        }
    }

    /// The cache that is written to.
    fn written(&self) -> Option<&Cache> {
        self.caches.first().filter(|cache| self.settings.write && !cache.is_away())
    }
}

impl Cache {
    fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }
}
