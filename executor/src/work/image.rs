//! Assembling an image: two small documents over layers that are there already.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinter_graph::derivation::{Image, NodeId};
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Kind, Tree};
use sinter_oci::{Found, LayerDescriptor, check_configuration};

use crate::context::{Context, read_file};
use crate::error::BuildError;
use crate::record::{ImageBlobs, Outcome};

/// Makes the configuration and manifest of `image`.
pub(crate) fn assemble(
    context: &Context,
    id: NodeId,
    image: &Image,
    known: &BTreeMap<NodeId, Arc<Outcome>>,
) -> Result<Outcome, BuildError> {
    let layers = image.tree.map_or_else(Vec::new, |tree| known[&tree].layers.clone());
    check(context, id, &layers)?;
    let descriptors = layers
        .iter()
        .map(|&digest| Ok(LayerDescriptor { digest, size: context.store.layer_size(&digest)? }))
        .collect::<Result<Vec<_>, BuildError>>()?;
    let assembled = sinter_oci::assemble(&context.image_configurations[&id], &context.platform, &descriptors);
    let config = context.store.put_blob(&assembled.config)?;
    let manifest = context.store.put_blob(&assembled.manifest)?;
    Ok(Outcome { layers, image: Some(ImageBlobs { config, manifest }) })
}

/// An image that could not start is an error now, not in production.
fn check(context: &Context, id: NodeId, layers: &[sinter_graph::digest::LayerDigest]) -> Result<(), BuildError> {
    let tree = context.tree(layers)?;
    let look_up = |path: &str| look_up(&tree, path);
    let read = |path: &str| read_file(&context.store, layers, &tree, path);
    let problems = check_configuration(&context.image_configurations[&id], &look_up, &read);
    if problems.is_empty() {
        return Ok(());
    }
    // A file that cannot be read looks like one that is not there.
    context.verify(layers)?;
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
