//! What every part of one build shares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sinter_graph::config::Configuration;
use sinter_graph::derivation::{Graph, NodeId};
use sinter_graph::digest::{ContentHash, LayerDigest};
use sinter_graph::inherit::Configurations;
use sinter_graph::path::TreePath;
use sinter_graph::platform::Platform;
use sinter_graph::stack::Stack;
use sinter_graph::tree::{Kind, Manifest, Tree};
use sinter_oci::registry::Registries;
use sinter_source::debian::{MirrorConfig, MirrorError};
use sinter_store::{Store, StoreError};

use crate::error::BuildError;
use crate::events::{Event, Listener};
use crate::images::Images;
use crate::keys::DefinitionKeys;
use crate::pins::Pins;
use crate::record::Outcome;
use crate::records::Records;
use crate::runner::Runner;
use crate::sources::Sources;
use crate::trees::Trees;
use crate::users::{Identity, identity};

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

    /// The layers of an outcome.
    ///
    /// # Errors
    /// If the store has forgotten them: the build starts over without that hit.
    pub(crate) fn stack(&self, outcome: &Outcome) -> Result<Stack, BuildError> {
        let gone = || BuildError::Revoked { reason: format!("stack {} is gone from the store", outcome.stack) };
        self.records.stack(&outcome.stack)?.ok_or_else(gone)
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

    /// Who a user name or number means on a tree; `None` if the tree does not know it.
    ///
    /// # Errors
    /// If its user database cannot be read.
    pub(crate) fn identity(&self, user: &str, stack: &Stack, tree: &Tree) -> Result<Option<Identity>, BuildError> {
        let text = |path| -> Result<String, BuildError> {
            let bytes = self.read_file(stack, tree, path)?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(identity(user, &text("etc/passwd")?, &text("etc/group")?))
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

    /// The bytes of a file as a stack shows it, links followed; `None` if there is no such file.
    ///
    /// # Errors
    /// If its layer is gone or damaged: the build starts over without it.
    pub(crate) fn read_file(&self, stack: &Stack, tree: &Tree, path: &str) -> Result<Option<Vec<u8>>, BuildError> {
        let path = TreePath::normalized(path).ok().and_then(|path| tree.resolve(&path));
        let Some(shown) = path.as_ref().and_then(|path| tree.get(path)) else { return Ok(None) };
        let Kind::File { content, .. } = &shown.entry.kind else { return Ok(None) };
        let Some(layer) = stack.layers().get(shown.layer.0).copied() else { return Ok(None) };
        let lease = self.store.ensure(&[layer])?;
        let carrier = shown.link_of.as_ref().unwrap_or(&shown.entry.path);
        let bytes = lease.directory(&layer).map(|directory| std::fs::read(directory.join(carrier.to_os_path())));
        match bytes {
            Some(Ok(bytes)) if ContentHash::of(&bytes) == *content => Ok(Some(bytes)),
            _ => {
                self.store.verify_layer(&layer)?;
                Err(StoreError::MissingLayer { digest: layer }.into())
            }
        }
    }
}
