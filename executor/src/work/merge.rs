//! Merging trees and placing files on them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sinter_graph::derivation::{Files, Item, Merge, NodeId};
use sinter_graph::digest::{ContentKey, LayerDigest};
use sinter_graph::encode::Encoder;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Manifest};
use sinter_store::write_view;

use crate::context::Context;
use crate::error::BuildError;
use crate::merge::{MergeError, Operand};
use crate::placement::{Placed, Purpose};
use crate::record::{ContentRecord, Outcome};
use crate::selection::{self, Ground};
use crate::work::placed;

/// Makes one tree of the items of `merge`.
pub(crate) fn merge(
    context: &Context,
    id: NodeId,
    merge: &Merge,
    known: &BTreeMap<NodeId, Arc<Outcome>>,
) -> Result<Outcome, BuildError> {
    let mut operands = Vec::new();
    let mut files: Vec<Files> = Vec::new();
    for item in &merge.items {
        match item {
            Item::Tree(tree) => {
                operands.push(Operand { layers: known[tree].layers.clone(), name: context.name(*tree) });
            }
            Item::Files(selection) => files.push(selection.clone()),
        }
    }
    let mut layers = merge_trees(context, id, &operands)?;
    if !files.is_empty() {
        layers.extend(place(context, id, &files, &layers, known)?);
    }
    Ok(Outcome { layers, image: None })
}

fn merge_trees(context: &Context, id: NodeId, operands: &[Operand]) -> Result<Vec<LayerDigest>, BuildError> {
    let mut manifests: BTreeMap<LayerDigest, Arc<Manifest>> = BTreeMap::new();
    for layer in operands.iter().flat_map(|operand| &operand.layers) {
        if !manifests.contains_key(layer) {
            manifests.insert(*layer, context.manifest(layer)?);
        }
    }
    let merged = crate::merge::merge(operands, &|layer| manifests[layer].clone())
        .map_err(|source: MergeError| BuildError::Merge { node: id, name: context.name(id), source })?;
    let mut layers = merged.layers;
    if let Some(fixup) = merged.fixup {
        let no_file = |_: &Entry| Err(std::io::Error::other("a fix-up layer holds no file"));
        let write = |directory: &Path| Ok(write_view(directory, &fixup, &no_file)?);
        layers.push(publish(context, fixup.clone(), &write)?);
    }
    Ok(layers)
}

fn place(
    context: &Context,
    id: NodeId,
    files: &[Files],
    layers: &[LayerDigest],
    known: &BTreeMap<NodeId, Arc<Outcome>>,
) -> Result<Option<LayerDigest>, BuildError> {
    let onto_tree = context.tree(layers)?;
    let workdir = context.configurations.of_node(id)?.workdir().to_owned();
    let selected = selection::select(context, id, files, known, &Ground { layers, tree: &onto_tree })?;
    let landing = TreePath::normalized(&workdir).unwrap_or_else(|_| TreePath::root());
    let placed = crate::placement::place(&selected, &landing, &onto_tree, (0, 0), Purpose::Image)
        .map_err(|error| selection::failed(context, id, error))?;
    if placed.manifest.is_empty() {
        return Ok(None);
    }
    let key = key(&placed);
    if let Some(record) = context.records.content(&key) {
        return Ok(record.layer);
    }
    let layer = publish(context, placed.manifest.clone(), &|directory| placed::write(context, &placed, directory))?;
    context.records.put_content(&key, &ContentRecord { layer: Some(layer) })?;
    Ok(Some(layer))
}

/// A layer of placed files is named by what is placed.
fn key(placed: &Placed) -> ContentKey {
    let mut e = Encoder::new("placement");
    e.bytes(placed.digest.as_bytes());
    ContentKey::from_bytes(e.hash())
}

fn publish(
    context: &Context,
    manifest: Manifest,
    write: &dyn Fn(&Path) -> Result<(), BuildError>,
) -> Result<LayerDigest, BuildError> {
    let workspace = context.store.workspace()?;
    let directory = placed::directory(&workspace, "layer")?;
    write(&directory)?;
    placed::publish(context, &workspace, &directory, manifest)
}
