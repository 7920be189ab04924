//! Image layout directories (OCI image-spec v1.1, `image-layout.md`).
//!
//! ```text
//! DIR/oci-layout            {"imageLayoutVersion":"1.0.0"}
//! DIR/index.json            name of an image -> manifest
//! DIR/blobs/sha256/HEX      manifests, configurations, layers
//! DIR/**/.sinter-HEX.part   a file that is being written; left only by a killed process
//! ```
//!
//! * Several targets share one directory: writing one replaces the entry of its name and keeps all others, also those
//!   of other tools.
//! * The order is: `oci-layout`, blobs, index, removals. A process killed at any point leaves a layout in which every
//!   image the index names is whole.
//! * Layers are written side by side, as many at once as there are processors; the first failure ends the others.
//! * A blob that is there with the right length is kept. When the index names the image and all its blobs are there,
//!   nothing is opened for writing.
//! * Blobs that no entry reaches are removed, but only from a directory that sinter created.
//! * Writers of one directory wait for each other by a lock (flock) on the directory itself; readers need none.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sinter_graph::digest::BlobDigest;

use crate::assemble::AssembledImage;
use crate::descriptor::LayerDescriptor;
use crate::error::OciError;
use crate::files::{Directory, is_temporary};
use crate::layer_source::{LayerSource, distinct_layers, stream_layer};
use crate::layout_index::{INDEX, LayoutIndex, VERSION, marker};
use crate::parallel::side_by_side;

const MARKER: &str = "oci-layout";
const BLOBS: &str = "blobs";
const ALGORITHM: &str = "sha256";

/// Writes `image` into the layout at `path` under `name`; `false` if it was there already.
pub(crate) fn write_directory(
    path: &Path,
    image: &AssembledImage,
    layers: &dyn LayerSource,
    name: &str,
) -> Result<bool, OciError> {
    // Any doubt means that something is to be done: the way through writing reports what is wrong.
    if Layout::open(path).is_ok_and(|layout| layout.holds(image, name)) {
        return Ok(false);
    }
    let directory = Directory::create(path)?;
    let lock = directory.lock()?;
    check_marker(&directory)?;
    let blobs = directory.create_below(BLOBS)?.create_below(ALGORITHM)?;
    Layout { directory, blobs }.write(image, layers, name, lock.is_some())?;
    Ok(true)
}

/// Accepts a layout of our version, and makes one of an empty directory.
fn check_marker(directory: &Directory) -> Result<(), OciError> {
    let Some(bytes) = directory.read_document(MARKER)? else {
        if directory.names()?.iter().any(|name| !is_temporary(name)) {
            return Err(OciError::NotALayout { directory: directory.path().to_owned() });
        }
        return directory.write_bytes(MARKER, &marker());
    };
    let document: Option<Value> = serde_json::from_slice(&bytes).ok();
    let version = document.as_ref().and_then(|document| document.get("imageLayoutVersion")?.as_str());
    if version == Some(VERSION) {
        return Ok(());
    }
    let version = version.unwrap_or("unknown").escape_debug().to_string();
    Err(OciError::LayoutVersion { directory: directory.path().to_owned(), version })
}

struct Layout {
    directory: Directory,
    blobs: Directory,
}

impl Layout {
    /// A layout that is there.
    fn open(path: &Path) -> Result<Self, OciError> {
        let directory = Directory::open(path)?;
        let blobs = directory.below(BLOBS)?.below(ALGORITHM)?;
        Ok(Self { directory, blobs })
    }

    /// Whether there is nothing to do.
    fn holds(&self, image: &AssembledImage, name: &str) -> bool {
        let index = LayoutIndex::read(&self.directory).ok().flatten();
        index.is_some_and(|index| index.names(name, image))
            && self.directory.file_size(MARKER).is_some()
            && self.holds_document(image.manifest_digest, &image.manifest)
            && self.holds_document(image.config_digest, &image.config)
            && image.layers.iter().all(|layer| self.holds_layer(layer))
    }

    fn holds_document(&self, digest: BlobDigest, bytes: &[u8]) -> bool {
        self.blobs.read_document(&digest.hex()).is_ok_and(|found| found.as_deref() == Some(bytes))
    }

    fn holds_layer(&self, layer: &LayerDescriptor) -> bool {
        self.blobs.file_size(&layer.blob.hex()) == Some(layer.size)
    }

    fn write(&self, image: &AssembledImage, layers: &dyn LayerSource, name: &str, alone: bool) -> Result<(), OciError> {
        let missing = distinct_layers(image).into_iter().filter(|layer| !self.holds_layer(layer)).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        side_by_side(missing, threads, |layer, stop| {
            self.blobs.write_whole(&layer.blob.hex(), layer.size, |out, path| {
                stream_layer(layer, layers, out, stop, OciError::io("write", path))
            })
        })?;
        for (digest, bytes) in [(image.config_digest, &image.config), (image.manifest_digest, &image.manifest)] {
            if !self.holds_document(digest, bytes) {
                self.blobs.write_bytes(&digest.hex(), bytes)?;
            }
        }
        let index = self.update_index(image, name)?;
        self.sweep(&index, alone);
        Ok(())
    }

    fn update_index(&self, image: &AssembledImage, name: &str) -> Result<LayoutIndex, OciError> {
        // A layout without an index is one of ours that was never finished.
        let mut index = LayoutIndex::read(&self.directory)?.unwrap_or_else(LayoutIndex::new);
        index.set(name, image);
        self.directory.write_bytes(INDEX, &index.to_bytes())?;
        Ok(index)
    }

    /// Removes what killed processes left and, if sinter created the layout, blobs that nothing reaches. The image is
    /// complete already, so what cannot be removed is left for the next build without an error.
    fn sweep(&self, index: &LayoutIndex, alone: bool) {
        self.directory.sweep();
        self.blobs.sweep();
        let reachable = if index.is_ours() && alone { index.reachable(&self.blobs) } else { None };
        if let Some(reachable) = reachable {
            self.blobs.remove_if(|name| is_unreachable_blob(name, &reachable));
        }
    }
}

fn is_unreachable_blob(name: &str, reachable: &BTreeSet<BlobDigest>) -> bool {
    format!("sha256:{name}").parse().is_ok_and(|digest: BlobDigest| !reachable.contains(&digest))
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
