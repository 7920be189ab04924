//! Layers that show placed files: in an image, or beside the tree of a step.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sinter_graph::FsError;
use sinter_graph::digest::{ContentKey, LayerDigest};
use sinter_graph::encode::Encoder;
use sinter_graph::marks::Marks;
use sinter_graph::stack::Stack;
use sinter_graph::tree::{Entry, Manifest};
use sinter_graph::{EPOCH, SEMANTICS};
use sinter_store::{Origin, ViewError, Workspace, write_view};

use crate::context::Context;
use crate::error::BuildError;
use crate::placement::{ContentSource, Placed};
use crate::record::ContentRecord;
use crate::reload::publish_anew;
use crate::work::pull::unpack_again;

/// A new directory of a workspace.
///
/// # Errors
/// If the disk refuses.
pub(crate) fn directory(workspace: &Workspace, name: &str) -> Result<PathBuf, BuildError> {
    let path = workspace.path().join(name);
    match std::fs::create_dir(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(FsError::new(&path, "create", error).into()),
    }
}

/// Publishes a directory of a workspace as the layer that `manifest` describes.
///
/// # Errors
/// If the directory does not match the manifest, or if the store fails.
pub(crate) fn publish(
    context: &Context,
    workspace: &Workspace,
    made: &Path,
    manifest: Manifest,
    origin: Origin,
) -> Result<LayerDigest, BuildError> {
    if context.reload {
        return Ok(publish_anew(&context.store, workspace, made, manifest, origin)?);
    }
    Ok(context.store.publish_layer(made, manifest, origin)?)
}

/// The layer that shows placed files: remembered, or made. `None` if nothing is placed.
///
/// # Errors
/// If a file changed since it was hashed, or if the store fails.
pub(crate) fn layer(
    context: &Context,
    placed: &Placed,
    origin: Origin,
    name: &str,
) -> Result<Option<LayerDigest>, BuildError> {
    if placed.manifest.is_empty() {
        return Ok(None);
    }
    let layer = found_or_made(context, placed, &origin, name)?;
    if origin != Origin::Placed {
        context.store.claim(&layer)?;
    }
    Ok(Some(layer))
}

fn found_or_made(context: &Context, placed: &Placed, origin: &Origin, name: &str) -> Result<LayerDigest, BuildError> {
    let key = key(placed);
    if let Some(ContentRecord { layer: Some(layer), .. }) = context.records.content(&key)?
        && context.can_be_had(&[layer])?
    {
        return Ok(layer);
    }
    let workspace = context.store.workspace()?;
    let path = workspace.path().join("layer");
    let place = last_place(context, name);
    let last = if *origin == Origin::Placed { last(&place) } else { None };
    write(context, placed, &path, last)?;
    let layer = publish(context, &workspace, &path, placed.manifest.clone(), origin.clone())?;
    // Who cannot note it copies all files again the next time.
    let _ = std::fs::write(place, layer.to_string());
    let record = ContentRecord { layer: Some(layer), from: Stack::empty().digest(), marks: Marks::NONE };
    context.records.put_content(&key, &record)?;
    Ok(layer)
}

/// A layer of placed files is named by what is placed, and by what a layer is.
fn key(placed: &Placed) -> ContentKey {
    let mut e = Encoder::new("placement");
    e.field("semantics").integer(u64::from(SEMANTICS)).integer(EPOCH.unsigned_abs());
    e.field("files").bytes(placed.digest.as_bytes());
    ContentKey::from_bytes(e.hash())
}

/// Where it is noted which layer the declared files of a step last were; a cache, by work tree and name of the step.
fn last_place(context: &Context, name: &str) -> PathBuf {
    let mut e = Encoder::new("placed-last");
    e.bytes(context.sources.work_tree.root().as_os_str().as_encoded_bytes()).text(name);
    context.store.index_directory().join(format!("placed-{}", ContentKey::from_bytes(e.hash()).hex()))
}

fn last(place: &Path) -> Option<LayerDigest> {
    std::fs::read_to_string(place).ok()?.parse().ok()
}

/// Makes `directory` show the placed files, from the layer `last` as far as that holds them.
///
/// # Errors
/// If a file changed since it was hashed, or if the disk refuses. If a layer they come from was damaged, it is dropped.
fn write(context: &Context, placed: &Placed, directory: &Path, last: Option<LayerDigest>) -> Result<(), BuildError> {
    let layers: Vec<LayerDigest> = layers(placed).into_iter().copied().collect();
    unpack_again(context, &layers)?;
    let lease = context.store.ensure(&layers)?;
    let content = |entry: &Entry| match placed.content.get(&entry.path) {
        Some(ContentSource::WorkTree { input, path }) => context.sources.open(*input, path),
        Some(ContentSource::Layer { digest, path }) => {
            let unpacked = lease.directory(digest).ok_or(io::ErrorKind::NotFound)?;
            File::open(unpacked.join(path.to_os_path()))
        }
        Some(ContentSource::Literal(text)) => literal(context, text),
        Some(ContentSource::Nothing) | None => Err(nothing(entry)),
    };
    let revised = last.map(|last| context.store.revise_placed(&last, &placed.manifest, directory, &content));
    let written = match revised {
        Some(Ok(true)) => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(false)) | None => write_view(directory, &placed.manifest, &content),
    };
    if matches!(written, Err(ViewError::Read { .. } | ViewError::Changed { .. })) {
        context.verify(&layers)?;
    }
    Ok(written?)
}

fn nothing(entry: &Entry) -> io::Error {
    io::Error::other(format!("no content is known for {}", entry.path))
}

/// The layers that placed files come from.
fn layers(placed: &Placed) -> BTreeSet<&LayerDigest> {
    let sources = placed.content.values();
    sources
        .filter_map(|source| if let ContentSource::Layer { digest, .. } = source { Some(digest) } else { None })
        .collect()
}

/// Layers are copied from files, so a text becomes one, for as long as it is open.
fn literal(context: &Context, text: &str) -> io::Result<File> {
    let workspace = context.store.workspace().map_err(io::Error::other)?;
    let path = workspace.path().join("literal");
    std::fs::write(&path, text)?;
    File::open(path)
}
