//! Merging trees and placing files on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinter_graph::derivation::{Files, Item, Merge, NodeId};
use sinter_graph::digest::LayerDigest;
use sinter_graph::stack::Stack;
use sinter_graph::tree::{Entry, Manifest};
use sinter_store::{Origin, write_view};

use crate::context::Context;
use crate::error::BuildError;
use crate::merge::{MergeError, Operand};
use crate::placement::Purpose;
use crate::record::{Known, Outcome, inherited_marks};
use crate::selection::{self, Ground};
use crate::work::placed::{self, directory};

/// Makes one tree of the items of `merge`.
pub(crate) fn merge(context: &Context, id: NodeId, merge: &Merge, known: &Known) -> Result<Outcome, BuildError> {
    let mut operands = Vec::new();
    let mut files: Vec<Files> = Vec::new();
    for item in &merge.items {
        match item {
            Item::Tree(tree) => {
                let layers = context.stack(&known[tree].outcome)?.layers();
                operands.push(Operand { layers, name: context.name(*tree) });
            }
            Item::Files(selection) => files.push(selection.clone()),
        }
    }
    let mut stack = Stack::of(merge_trees(context, id, &operands)?);
    if !files.is_empty()
        && let Some(layer) = place(context, id, &files, &stack, known)?
    {
        stack = stack.with(layer);
    }
    context.records.keep_stack(&stack)?;
    Ok(Outcome { stack: stack.digest(), image: None, marks: inherited_marks(known) })
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
        layers.push(publish(context, fixup)?);
    }
    Ok(layers)
}

fn place(
    context: &Context,
    id: NodeId,
    files: &[Files],
    stack: &Stack,
    known: &Known,
) -> Result<Option<LayerDigest>, BuildError> {
    let onto_tree = context.tree(stack)?;
    let landing = context.configurations.of_node(id)?.workdir().in_tree();
    let selected = selection::select(context, id, files, known, &Ground { stack, tree: &onto_tree })?;
    let placed = crate::placement::place(&selected, &landing, &onto_tree, (0, 0), Purpose::Image)
        .map_err(|error| selection::failed(context, id, error))?;
    placed::layer(context, &placed, Origin::Captured, &context.name(id))
}

/// Publishes a fix-up layer, which holds no file.
fn publish(context: &Context, fixup: Manifest) -> Result<LayerDigest, BuildError> {
    let workspace = context.store.workspace()?;
    let directory = directory(&workspace, "layer")?;
    let no_file = |_: &Entry| Err(std::io::Error::other("a fix-up layer holds no file"));
    write_view(&directory, &fixup, &no_file)?;
    placed::publish(context, &workspace, &directory, fixup, Origin::Captured)
}
