//! Directories and what they become: the view of placed files that a step mounts, and layers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sinter_graph::FsError;
use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::{Entry, Manifest};
use sinter_store::{ViewError, Workspace, write_view};

use crate::context::Context;
use crate::error::BuildError;
use crate::placement::{ContentSource, Placed};

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

/// Publishes a directory of a workspace as the layer that `manifest` describes. With [`Context::reload`] the layer is
/// first made anew from what its archive holds, manifest and contents, so that nothing else can be seen in it.
///
/// # Errors
/// If the directory does not match the manifest, or if the store fails.
pub(crate) fn publish(
    context: &Context,
    workspace: &Workspace,
    made: &Path,
    manifest: Manifest,
) -> Result<LayerDigest, BuildError> {
    if !context.reload {
        return Ok(context.store.publish_layer(made, manifest)?);
    }
    let anew = directory(workspace, "anew")?;
    write_view(&anew, &manifest, &|entry| File::open(made.join(entry.path.to_os_path())))?;
    Ok(context.store.publish_layer(&anew, manifest)?)
}

/// The immutable directory that shows placed files; made if the store does not hold it. `None` if nothing is placed.
///
/// # Errors
/// If a file changed since it was hashed, or if the store fails.
pub(crate) fn view(context: &Context, placed: &Placed) -> Result<Option<PathBuf>, BuildError> {
    if placed.manifest.is_empty() {
        return Ok(None);
    }
    if let Some(view) = context.store.view(&placed.digest) {
        return Ok(Some(view));
    }
    let workspace = context.store.workspace()?;
    let path = directory(&workspace, "view")?;
    write(context, placed, &path)?;
    context.store.publish_view(&path, placed.digest)?;
    context
        .store
        .view(&placed.digest)
        .map(Some)
        .ok_or_else(|| BuildError::Revoked { reason: "the files of a step are gone from the store".to_owned() })
}

/// Fills an empty directory with the placed files.
///
/// # Errors
/// If a file changed since it was hashed, or if the disk refuses. If a layer they come from was damaged, it is dropped.
pub(crate) fn write(context: &Context, placed: &Placed, directory: &Path) -> Result<(), BuildError> {
    let written = write_view(directory, &placed.manifest, &|entry| open(context, placed, entry));
    if matches!(written, Err(ViewError::Read { .. } | ViewError::Changed { .. })) {
        context.verify(layers(placed))?;
    }
    Ok(written?)
}

/// The layers that placed files come from.
fn layers(placed: &Placed) -> BTreeSet<&LayerDigest> {
    let sources = placed.content.values();
    sources
        .filter_map(|source| if let ContentSource::Layer { digest, .. } = source { Some(digest) } else { None })
        .collect()
}

/// Opens the bytes of a placed file where they come from.
///
/// # Errors
/// If they are no longer there.
pub(crate) fn open(context: &Context, placed: &Placed, entry: &Entry) -> io::Result<File> {
    match placed.content.get(&entry.path) {
        Some(ContentSource::WorkTree { input, path }) => File::open(context.sources.locate(*input, path)),
        Some(ContentSource::Layer { digest, path }) => {
            File::open(context.store.layer_directory(digest).join(path.to_os_path()))
        }
        Some(ContentSource::Literal(text)) => literal(context, text),
        Some(ContentSource::Nothing) | None => Err(io::Error::other("no content is known for it")),
    }
}

/// Views are copied from files, so a text becomes one, for as long as it is open.
fn literal(context: &Context, text: &str) -> io::Result<File> {
    let workspace = context.store.workspace().map_err(io::Error::other)?;
    let path = workspace.path().join("literal");
    std::fs::write(&path, text)?;
    File::open(path)
}
