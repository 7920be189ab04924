//! What every part of one build shares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sinter_graph::config::Configuration;
use sinter_graph::derivation::{Graph, InputId, NodeId};
use sinter_graph::digest::{BlobDigest, ContentKey, DefinitionKey, LayerDigest};
use sinter_graph::image_source::ImageSource;
use sinter_graph::inherit::Configurations;
use sinter_graph::platform::Platform;
use sinter_graph::stack::Stack;
use sinter_graph::tree::{Manifest, Tree};
use sinter_oci::registry::{Registries, Repository};
use sinter_source::debian::{MirrorConfig, MirrorError};
use sinter_store::{Store, StoreError};

use crate::cache::Caches;
use crate::error::BuildError;
use crate::events::{Event, Listener};
use crate::images::{ImageError, Images};
use crate::keys::DefinitionKeys;
use crate::pins::Pins;
use crate::record::Outcome;
use crate::records::Records;
use crate::runner::Runner;
use crate::sources::Sources;
use crate::trees::Trees;

/// Everything that stays the same during one build.
pub(crate) struct Context {
    pub(crate) graph: Graph,
    pub(crate) configurations: Configurations,
    pub(crate) image_configurations: BTreeMap<NodeId, Configuration>,
    pub(crate) keys: DefinitionKeys,
    pub(crate) sources: Sources,
    pub(crate) pins: Pins,
    pub(crate) platform: Platform,
    pub(crate) store: Store,
    pub(crate) records: Records,
    pub(crate) trees: Trees,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) mirrors: Result<MirrorConfig, MirrorError>,
    pub(crate) registries: Registries,
    pub(crate) caches: Arc<Caches>,
    /// The content keys of steps that were asked in this build.
    pub(crate) made: Mutex<Vec<ContentKey>>,
    /// The images of others of which every layer is known to be here.
    pub(crate) unpacked: Mutex<BTreeSet<InputId>>,
    pub(crate) offline: bool,
    pub(crate) jobs: usize,
    /// Whether layers are made anew before anyone mounts them: a test that this changes nothing.
    pub(crate) reload: bool,
    /// Whether something that was counted on turned out to be gone or contradicted: from then on bytes are looked for
    /// before a result is believed.
    pub(crate) suspicious: AtomicBool,
}

impl Context {
    /// Images of others, by way of this build's settings.
    pub(crate) fn with_images<T>(&self, work: impl FnOnce(&Images<'_>) -> T) -> T {
        let progress = |progress| self.listener.on(Event::Image(progress));
        work(&Images {
            store: &self.store,
            work_tree: self.sources.work_tree.root(),
            registries: &self.registries,
            offline: self.offline,
            progress: &progress,
        })
    }

    /// Brings the blob of a pulled image into the store, if one of this build has it.
    ///
    /// # Errors
    /// If it cannot be had.
    pub(crate) fn fetch_blob(&self, blob: &BlobDigest) -> Result<(), ImageError> {
        for pulled in self.pins.all_pulled() {
            if let Some(layer) = pulled.image.layers.iter().find(|layer| layer.blob == *blob) {
                return self.with_images(|images| images.fetch(&pulled.source, &[*layer]));
            }
        }
        Ok(())
    }

    /// Repositories of the same registry from which this build has blobs.
    pub(crate) fn repositories_beside(&self, repository: &Repository) -> Vec<String> {
        let known = self.pins.all_pulled().filter_map(|pulled| match &pulled.source {
            ImageSource::Registry(reference) => self.registries.destination(reference).ok(),
            ImageSource::Local(_) => None,
        });
        let known = known.chain(self.caches.repositories().cloned());
        let mut names: Vec<String> =
            known.filter(|other| other.is_beside(repository)).map(|other| other.name().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// What a needed derivation of this key is called.
    pub(crate) fn name_of(&self, key: &DefinitionKey) -> Option<String> {
        self.keys.find(key).map(|id| self.name(id))
    }

    /// The layers of an outcome.
    ///
    /// # Errors
    /// If the store has forgotten them: the build starts over without that hit.
    pub(crate) fn stack(&self, outcome: &Outcome) -> Result<Stack, BuildError> {
        let gone = || BuildError::Revoked { reason: format!("stack {} is gone from the store", outcome.stack) };
        self.records.stack(&outcome.stack)?.ok_or_else(gone)
    }

    /// Whether every layer of a pulled image was seen here, and nothing has been found gone since.
    pub(crate) fn is_unpacked(&self, input: InputId) -> bool {
        !self.is_suspicious() && self.unpacked.lock().unwrap_or_else(PoisonError::into_inner).contains(&input)
    }

    pub(crate) fn set_unpacked(&self, input: InputId) {
        self.unpacked.lock().unwrap_or_else(PoisonError::into_inner).insert(input);
    }

    pub(crate) fn is_suspicious(&self) -> bool {
        self.suspicious.load(Ordering::SeqCst)
    }

    /// Whether every layer of an outcome can be had. One that is nowhere is forgotten.
    ///
    /// # Errors
    /// If nobody can tell.
    pub(crate) fn is_there(&self, outcome: &Outcome) -> Result<bool, BuildError> {
        match self.records.stack(&outcome.stack)? {
            Some(stack) => self.can_be_had(&stack.layers()),
            None => Ok(false),
        }
    }

    /// Whether layers are known and, if there is reason to doubt it, can be had. One that is nowhere is forgotten.
    ///
    /// # Errors
    /// If nobody can tell.
    pub(crate) fn can_be_had(&self, layers: &[LayerDigest]) -> Result<bool, BuildError> {
        for layer in layers {
            if !self.store.knows_layer(layer)? {
                return Ok(false);
            }
        }
        if !self.is_suspicious() {
            return Ok(true);
        }
        match self.store.ensure(layers) {
            Ok(_) => Ok(true),
            Err(StoreError::MissingLayer { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The name of a node.
    pub(crate) fn name(&self, id: NodeId) -> String {
        self.graph.node(id).name.clone()
    }

    /// The tree that a stack shows, from the store's manifests.
    ///
    /// # Errors
    /// If a layer is gone: the build starts over without it.
    pub(crate) fn tree(&self, stack: &Stack) -> Result<Arc<Tree>, BuildError> {
        self.trees.of(stack, &|layer| self.manifest(layer))
    }

    /// Reads all of `layers`, after something that should not fail did: a layer that was damaged is dropped by that.
    ///
    /// # Errors
    /// If a layer is gone or damaged: the build starts over without it.
    pub(crate) fn verify<'a>(&self, layers: impl IntoIterator<Item = &'a LayerDigest>) -> Result<(), BuildError> {
        layers.into_iter().try_for_each(|layer| Ok(self.store.verify_layer(layer)?))
    }

    /// The manifest of a layer.
    ///
    /// # Errors
    /// If the layer is gone: the build starts over without it.
    pub(crate) fn manifest(&self, layer: &LayerDigest) -> Result<Arc<Manifest>, BuildError> {
        Ok(self.store.manifest(layer)?)
    }
}
