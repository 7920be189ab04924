//! Assembling an image: two small documents over layers that are there already.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sinter_graph::derivation::{Derivation, Graph, Image, InputId, NodeId};
use sinter_graph::path::TreePath;
use sinter_graph::stack::Stack;
use sinter_graph::tree::{Kind, Tree};
use sinter_oci::{Found, LayerDescriptor, check_configuration};

use crate::context::Context;
use crate::error::BuildError;
use crate::needed::Needed;
use crate::record::{ImageBlobs, Known, Outcome, inherited_marks};
use crate::shown_files::read_file;
use crate::work::pull::unpacked;

/// Makes the configuration and manifest of `image`.
pub(crate) fn assemble(context: &Context, id: NodeId, image: &Image, known: &Known) -> Result<Outcome, BuildError> {
    let stack = image.tree.map_or_else(|| Ok(Stack::empty()), |tree| context.stack(&known[&tree].outcome))?;
    check(context, id, &stack)?;
    let descriptors = descriptors(context, id, &stack)?;
    let assembled = sinter_oci::assemble(&context.image_configurations[&id], &context.platform, &descriptors);
    let config = context.store.put_blob(&assembled.config)?;
    let manifest = context.store.put_blob(&assembled.manifest)?;
    context.records.keep_stack(&stack)?;
    Ok(Outcome { stack: stack.digest(), image: Some(ImageBlobs { config, manifest }), marks: inherited_marks(known) })
}

/// The layers of an image as its manifest names them. Where it stands on a whole pulled image, that one's layers keep the
/// blobs they came in; all others are our own.
fn descriptors(context: &Context, id: NodeId, stack: &Stack) -> Result<Vec<LayerDescriptor>, BuildError> {
    let layers = stack.layers();
    let (mut originals, mut replaced): (&[LayerDescriptor], usize) = (&[], 0);
    for input in pulled_below(&context.graph, id) {
        let pulled = context.pins.pulled(input);
        if let Some(unpacked) = unpacked(context, pulled)?
            && layers.starts_with(&unpacked)
            && (unpacked.len(), pulled.image.layers.len()) > (replaced, originals.len())
        {
            (originals, replaced) = (&pulled.image.layers, unpacked.len());
        }
    }
    let own = layers.iter().skip(replaced);
    let own = own.map(|&digest| Ok(LayerDescriptor::uncompressed(digest, context.store.layer_size(&digest)?)));
    let in_oci = |layer: &LayerDescriptor| LayerDescriptor { media_type: layer.media_type.oci(), ..*layer };
    originals.iter().map(in_oci).map(Ok).chain(own).collect()
}

/// The pulled images that a derivation is made from, in the order of their declarations.
pub(crate) fn pulled_below(graph: &Graph, id: NodeId) -> BTreeSet<InputId> {
    let pulled = |id: &NodeId| match &graph.node(*id).derivation {
        Derivation::Pull(input) => Some(*input),
        _ => None,
    };
    Needed::by_nodes(graph, [id]).nodes.iter().filter_map(pulled).collect()
}

/// An image that could not start is an error now, not in production.
fn check(context: &Context, id: NodeId, stack: &Stack) -> Result<(), BuildError> {
    let tree = context.tree(stack)?;
    let look_up = |path: &str| look_up(&tree, path);
    let failed = RefCell::new(None);
    let read = |path: &str| match read_file(context, stack, &tree, path) {
        Ok(bytes) => bytes,
        Err(error) => {
            failed.replace(Some(error));
            None
        }
    };
    let problems = check_configuration(&context.image_configurations[&id], &look_up, &read);
    // A file that cannot be read looks like one that is not there.
    if let Some(error) = failed.into_inner() {
        return Err(error);
    }
    if problems.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(BuildError::Assembly { node: id, name: context.name(id), problem: texts.join("; ") })
}

fn look_up(tree: &Tree, path: &str) -> Found {
    let shown = TreePath::normalized(path).ok().and_then(|path| tree.resolve(&path)).and_then(|path| tree.get(&path));
    match shown.map(|shown| (&shown.entry.kind, shown.entry.mode)) {
        None => Found::Missing,
        Some((Kind::File { .. }, mode)) if mode & 0o111 != 0 => Found::Executable,
        Some((Kind::File { .. }, _)) => Found::NotExecutable,
        Some(_) => Found::NotAFile,
    }
}
