//! What every part of one build shares.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sinter_graph::config::Configuration;
use sinter_graph::derivation::{Graph, NodeId};
use sinter_graph::digest::{ContentKey, DefinitionKey, LayerDigest};
use sinter_graph::inherit::Configurations;
use sinter_graph::path::TreePath;
use sinter_graph::platform::Platform;
use sinter_graph::tree::{Kind, LayerIndex, Manifest, Tree};
use sinter_source::debian::{MirrorConfig, MirrorError};
use sinter_store::{RecordKind, Store};

use crate::error::BuildError;
use crate::events::Listener;
use crate::keys::DefinitionKeys;
use crate::needed::direct;
use crate::pins::Pins;
use crate::record::{ContentRecord, DefinitionRecord, Outcome};
use crate::runner::{RunnerProgram, Running};
use crate::sources::Sources;
use crate::users::{Identity, identity};
use crate::work::remember::Turns;

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
    pub(crate) turns: Turns,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) running: Running,
    pub(crate) runner: RunnerProgram,
    pub(crate) mirrors: Result<MirrorConfig, MirrorError>,
    pub(crate) offline: bool,
    pub(crate) jobs: usize,
    /// Whether layers are made anew before anyone mounts them: a test that this changes nothing.
    pub(crate) reload: bool,
}

impl Context {
    /// Whether every byte an outcome names is in the store.
    pub(crate) fn is_present(&self, outcome: &Outcome) -> bool {
        outcome.layers.iter().all(|layer| self.store.has_layer(layer))
            && outcome.image.is_none_or(|image| {
                self.store.blob(&image.config).is_some() && self.store.blob(&image.manifest).is_some()
            })
    }

    /// Everything `id` is derived from, itself not included, in topological order.
    pub(crate) fn below(&self, id: NodeId) -> BTreeSet<NodeId> {
        let mut below = BTreeSet::new();
        let mut pending = vec![id];
        while let Some(node) = pending.pop() {
            let direct = direct(&self.graph.node(node).derivation);
            pending.extend(direct.into_iter().filter(|&node| below.insert(node)));
        }
        below
    }

    /// Who a user name or number means on a tree.
    pub(crate) fn identity(&self, user: &str, layers: &[LayerDigest], tree: &Tree) -> Option<Identity> {
        let text = |path| {
            let bytes = read_file(&self.store, layers, tree, path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        identity(user, &text("etc/passwd"), &text("etc/group"))
    }

    /// The name of a node.
    pub(crate) fn name(&self, id: NodeId) -> String {
        self.graph.node(id).name.clone()
    }

    /// The tree that a stack shows, from the store's manifests.
    ///
    /// # Errors
    /// If a layer is gone: the build starts over without it.
    pub(crate) fn tree(&self, layers: &[LayerDigest]) -> Result<Arc<Tree>, BuildError> {
        self.trees.get(layers, &self.store)
    }

    /// Reads all of `layers`, after something that should not fail did: a layer that was damaged is dropped by that.
    ///
    /// # Errors
    /// If a layer is gone or damaged: the build starts over without it.
    pub(crate) fn verify<'a>(&self, layers: impl IntoIterator<Item = &'a LayerDigest>) -> Result<(), BuildError> {
        layers.into_iter().try_for_each(|layer| Ok(self.store.write_layer(layer, &mut std::io::sink())?))
    }

    /// The manifest of a layer.
    ///
    /// # Errors
    /// If the layer is gone: the build starts over without it.
    pub(crate) fn manifest(&self, layer: &LayerDigest) -> Result<Arc<Manifest>, BuildError> {
        manifest(&self.store, layer)
    }
}

fn manifest(store: &Store, layer: &LayerDigest) -> Result<Arc<Manifest>, BuildError> {
    store.manifest(layer).map_err(|error| match store.has_layer(layer) {
        true => BuildError::Store(error),
        false => BuildError::Revoked { reason: format!("layer {layer} is gone from the store") },
    })
}

/// Trees already put together, by their stack.
#[derive(Default)]
pub(crate) struct Trees {
    known: Mutex<HashMap<Vec<LayerDigest>, Arc<Tree>>>,
}

impl Trees {
    fn get(&self, layers: &[LayerDigest], store: &Store) -> Result<Arc<Tree>, BuildError> {
        if let Some(tree) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(layers) {
            return Ok(tree.clone());
        }
        let (mut tree, known) = self.largest_known(layers);
        for (index, layer) in layers.iter().enumerate().skip(known) {
            tree = Arc::new(tree.with(LayerIndex(index), &*manifest(store, layer)?));
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(layers.to_vec(), tree.clone());
        Ok(tree)
    }

    /// The tree of the longest part of a stack, from the bottom, that was put together already, and how many layers
    /// that are: mostly all but the one that the step below has just added.
    fn largest_known(&self, layers: &[LayerDigest]) -> (Arc<Tree>, usize) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let longest_first = (1..layers.len()).rev();
        longest_first
            .into_iter()
            .find_map(|count| Some((known.get(&layers[..count])?.clone(), count)))
            .unwrap_or_default()
    }
}

/// The store's records in the executor's words.
pub(crate) struct Records {
    store: Store,
}

impl Records {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// What is remembered under a definition key. A record that cannot be read is a miss.
    pub(crate) fn definition(&self, key: &DefinitionKey) -> Option<DefinitionRecord> {
        serde_json::from_slice(&self.store.record(RecordKind::Definition, &key.hex())?).ok()
    }

    pub(crate) fn put_definition(&self, key: &DefinitionKey, record: &DefinitionRecord) -> Result<(), BuildError> {
        let bytes = serde_json::to_vec(record).map_err(|error| BuildError::Panicked { reason: error.to_string() })?;
        Ok(self.store.put_record(RecordKind::Definition, &key.hex(), &bytes)?)
    }

    /// What is remembered under a content key, if its layer is still there.
    pub(crate) fn content(&self, key: &ContentKey) -> Option<ContentRecord> {
        self.content_said(key).filter(|record| record.layer.is_none_or(|layer| self.store.has_layer(&layer)))
    }

    /// What is remembered under a content key, also if its layer is gone.
    pub(crate) fn content_said(&self, key: &ContentKey) -> Option<ContentRecord> {
        serde_json::from_slice(&self.store.record(RecordKind::Content, &key.hex())?).ok()
    }

    pub(crate) fn put_content(&self, key: &ContentKey, record: &ContentRecord) -> Result<(), BuildError> {
        let bytes = serde_json::to_vec(record).map_err(|error| BuildError::Panicked { reason: error.to_string() })?;
        Ok(self.store.put_record(RecordKind::Content, &key.hex(), &bytes)?)
    }
}

/// The bytes of a file as a stack shows it, links followed; `None` if there is no such file.
pub(crate) fn read_file(store: &Store, layers: &[LayerDigest], tree: &Tree, path: &str) -> Option<Vec<u8>> {
    let path = tree.resolve(&TreePath::normalized(path).ok()?)?;
    let shown = tree.get(&path)?;
    if !matches!(shown.entry.kind, Kind::File { .. }) {
        return None;
    }
    let layer = layers.get(shown.layer.0)?;
    std::fs::read(store.layer_directory(layer).join(shown.link_of.as_ref().unwrap_or(&path).to_os_path())).ok()
}
