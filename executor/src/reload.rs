//! Making layers anew before anyone mounts them, from what their archives hold: manifest and contents. A test mode
//! (`SINTER_RELOAD=1`) that must give the same keys and images.

use std::fs::File;
use std::path::Path;

use sinter_graph::FsError;
use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::Manifest;
use sinter_store::{Origin, Store, StoreError, ViewError, Workspace, write_view};

/// Publishes what `manifest` and the files in `made` say, in a directory that is nothing else.
///
/// # Errors
/// If the directory does not match the manifest, or if the store fails.
pub(crate) fn publish_anew(
    store: &Store,
    workspace: &Workspace,
    made: &Path,
    manifest: Manifest,
    origin: Origin,
) -> Result<LayerDigest, StoreError> {
    let anew = workspace.path().join("anew");
    std::fs::create_dir(&anew).map_err(|error| FsError::new(&anew, "create", error))?;
    let written = write_view(&anew, &manifest, &|entry| File::open(made.join(entry.path.to_os_path())));
    written.map_err(|error| match error {
        ViewError::Fs(error) => error,
        error => FsError::new(&anew, "fill", std::io::Error::other(error)),
    })?;
    store.publish_layer(&anew, manifest, origin)
}
