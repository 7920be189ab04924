//! Publishing what a build came to.
//!
//! Rules: blobs first, the note that names them last; what is there is not sent; each result by itself, so that one that
//! cannot be published keeps back no other. Nothing here fails a build.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sinter_graph::derivation::{Derivation, NodeId};
use sinter_graph::digest::{BlobDigest, ContentKey, LayerDigest};
use sinter_oci::registry::{RegistryError, Repository};
use sinter_oci::{EMPTY_DOCUMENT, LONGEST_NOTE, LayerMediaType, Note, NotedBlob};
use sinter_store::{LayerFacts, Origin};

use super::entry::{CachedResult, Entry};
use super::sign;
use crate::context::Context;
use crate::error::BuildError;
use crate::events::Event;
use crate::layer_bytes::LayerBytes;
use crate::needed::Needed;
use crate::work::pull::chain_records;

/// How many results go at once.
const AT_ONCE: usize = 8;
/// What the list of a layer's entries is.
const TREE: &str = "application/vnd.sinter.tree.v1";

/// Publishes the results of `roots`, and of all that they are made from, which the cache does not have.
pub(crate) fn publish(context: &Context, roots: &[NodeId], found: &BTreeSet<NodeId>) {
    let Some(cache) = context.caches.written() else { return };
    let entries = entries(context, roots, found);
    let publishing =
        Publishing { context, repository: &cache.repository, blobs: Mutex::default(), sent: AtomicUsize::new(0) };
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            if cache.is_away() {
                return;
            }
            match publishing.entry(entry) {
                Ok(()) => {}
                Err(Failed::Registry(error)) => drop(context.caches.tried::<()>(cache, Err(error))),
                // Its bytes are gone here: somebody else may publish it.
                Err(Failed::Gone) => {}
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(entries.len()) {
            scope.spawn(work);
        }
    });
    let sent = publishing.sent.into_inner();
    if sent > 0 {
        context.listener.on(Event::Published { cache: cache.name.clone(), results: sent });
    }
}

enum Failed {
    Registry(RegistryError),
    Gone,
}

impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<BuildError> for Failed {
    fn from(_: BuildError) -> Self {
        Self::Gone
    }
}

/// All results that this machine remembers of a build; what cannot be read is left out.
fn entries(context: &Context, roots: &[NodeId], found: &BTreeSet<NodeId>) -> Vec<Entry> {
    let needed = Needed::by_nodes(&context.graph, roots.iter().copied()).nodes;
    let unpublished = needed.difference(found);
    let mut entries: Vec<Entry> = unpublished.filter_map(|id| definition(context, *id).ok().flatten()).collect();
    let made = lock(&context.made);
    entries.extend(made.iter().filter_map(|key| content(context, key).ok().flatten()));
    entries.retain(Entry::is_unmarked);
    entries
}

fn definition(context: &Context, id: NodeId) -> Result<Option<Entry>, BuildError> {
    let key = context.keys.get(id);
    let Some((record, _)) = context.records.definition(&key)? else { return Ok(None) };
    let Some(stack) = context.records.stack(&record.outcome.stack)? else { return Ok(None) };
    let mut documents = Vec::new();
    if let Some(image) = record.outcome.image {
        documents = vec![context.store.read_blob(&image.config)?, context.store.read_blob(&image.manifest)?];
    }
    let chains = match &context.graph.node(id).derivation {
        Derivation::Pull(input) => chain_records(context, context.pins.pulled(*input))?.unwrap_or_default(),
        _ => vec![],
    };
    let Some(layers) = facts(context, stack.layers())? else { return Ok(None) };
    Ok(Some(Entry { result: CachedResult::Definition { key, record, documents, chains }, layers }))
}

fn content(context: &Context, key: &ContentKey) -> Result<Option<Entry>, BuildError> {
    let Some(record) = context.records.content(key)? else { return Ok(None) };
    let Some(layers) = facts(context, record.layer.into_iter().collect())? else { return Ok(None) };
    Ok(Some(Entry { result: CachedResult::Content { key: *key, record }, layers }))
}

type Layers = Vec<(LayerDigest, LayerFacts)>;

fn facts(context: &Context, layers: Vec<LayerDigest>) -> Result<Option<Layers>, BuildError> {
    let known = layers.into_iter().map(|layer| Ok(context.store.facts(&layer)?.map(|facts| (layer, facts))));
    known.collect::<Result<Option<Vec<_>>, BuildError>>()
}

struct Publishing<'a> {
    context: &'a Context,
    repository: &'a Repository,
    /// The size of each blob that is known to be in the repository.
    blobs: Mutex<HashMap<BlobDigest, Arc<Mutex<Option<u64>>>>>,
    sent: AtomicUsize,
}

impl Publishing<'_> {
    fn entry(&self, entry: &Entry) -> Result<(), Failed> {
        let tag = entry.question().tag();
        let bytes = entry.encode();
        if bytes.len() > LONGEST_NOTE || self.repository.manifest_digest(&tag)?.is_some() {
            return Ok(());
        }
        let mut blobs = BTreeSet::new();
        for (layer, facts) in &entry.layers {
            blobs.insert(self.layer(layer, facts)?);
            blobs.insert(self.tree(layer, facts)?);
        }
        self.once(BlobDigest::of(EMPTY_DOCUMENT), |digest| self.bytes(digest, EMPTY_DOCUMENT))?;
        let signature = self.context.caches.settings.signer.as_ref().map(|key| sign::sign(key, &bytes));
        let manifest = Note { bytes, signature }.manifest(&blobs.into_iter().collect::<Vec<_>>());
        self.repository.put_manifest(&tag, Note::media_type(), &manifest)?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Brings a layer to the repository: our own as its tar, one of a pulled image as the blob it came in.
    fn layer(&self, layer: &LayerDigest, facts: &LayerFacts) -> Result<NotedBlob, Failed> {
        let (digest, size, media_type) = match &facts.origin {
            Origin::Foreign { media_type, blob, blob_size, .. } => (*blob, *blob_size, media_type.clone()),
            Origin::Captured | Origin::Placed => {
                (BlobDigest::from(*layer), facts.size, LayerMediaType::Tar.to_string())
            }
        };
        self.once(digest, |digest| {
            let source = LayerBytes { context: self.context, blob: digest };
            let beside = self.context.repositories_beside(self.repository);
            let beside: Vec<&str> = beside.iter().map(String::as_str).collect();
            self.repository.push_blob(digest, size, &beside, &source)?;
            Ok(size)
        })?;
        Ok(NotedBlob { digest, size, media_type })
    }

    /// Brings the list of a layer's entries to the repository.
    fn tree(&self, layer: &LayerDigest, facts: &LayerFacts) -> Result<NotedBlob, Failed> {
        let send = |digest| self.bytes(digest, &self.context.manifest(layer)?.encode());
        Ok(NotedBlob { digest: facts.manifest, size: self.once(facts.manifest, send)?, media_type: TREE.to_owned() })
    }

    fn bytes(&self, digest: BlobDigest, bytes: &[u8]) -> Result<u64, Failed> {
        let size = bytes.len() as u64;
        self.repository.push_blob(digest, size, &[], &bytes)?;
        Ok(size)
    }

    /// Brings a blob to the repository by `send`, once, and gives its size: who wants the same one waits. Registries that
    /// keep blobs in plain files answer with errors while another writes the same.
    fn once(&self, blob: BlobDigest, send: impl FnOnce(BlobDigest) -> Result<u64, Failed>) -> Result<u64, Failed> {
        let there = lock(&self.blobs).entry(blob).or_default().clone();
        let mut there = lock(&there);
        let size = match *there {
            Some(size) => size,
            None => send(blob)?,
        };
        *there = Some(size);
        Ok(size)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
