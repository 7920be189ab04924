//! Image layout directories (OCI image-spec v1.1, `image-layout.md`).
//!
//! ```text
//! DIR/oci-layout            {"imageLayoutVersion":"1.0.0"}
//! DIR/index.json            name of a target -> manifest
//! DIR/blobs/sha256/HEX      manifests, configurations, layers
//! DIR/**/.sinter-PID-NAME   a file that is being written; left only by a killed process
//! ```
//!
//! * Several targets share one directory: writing one replaces the entry of its name and keeps all others, also those
//!   of other tools.
//! * The order is: `oci-layout`, blobs, index, removals. A process killed at any point leaves a layout in which every
//!   image the index names is whole.
//! * A blob that is there with the right length is kept. When the index names the image and all its blobs are there,
//!   nothing is opened for writing.
//! * Blobs that no entry reaches are removed, but only from a directory that sinter created.
//! * Writers of one directory wait for each other by a lock (flock) on the directory itself; readers need none.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sinter_graph::digest::BlobDigest;

use crate::assemble::{AssembledImage, LayerDescriptor};
use crate::error::OciError;
use crate::files::{self, TEMPORARY_PREFIX};
use crate::layer_source::{LayerSource, distinct_layers, stream_layer};
use crate::layout_index::{LayoutIndex, VERSION, marker};

/// Writes `image` into the layout at `path` under `name`; `false` if it was there already.
pub(crate) fn write_directory(
    path: &Path,
    image: &AssembledImage,
    layers: &dyn LayerSource,
    name: &str,
) -> Result<bool, OciError> {
    let layout = Layout::at(path.to_owned());
    if layout.holds(image, name) {
        return Ok(false);
    }
    layout.write(image, layers, name)?;
    Ok(true)
}

struct Layout {
    directory: PathBuf,
    marker: PathBuf,
    index: PathBuf,
    blobs: PathBuf,
}

impl Layout {
    fn at(directory: PathBuf) -> Self {
        Self {
            marker: directory.join("oci-layout"),
            index: directory.join("index.json"),
            blobs: directory.join("blobs/sha256"),
            directory,
        }
    }

    fn blob(&self, digest: impl Into<BlobDigest>) -> PathBuf {
        self.blobs.join(digest.into().hex())
    }

    /// Whether there is nothing to do. Any doubt means no: the way through [`Self::write`] reports what is wrong.
    fn holds(&self, image: &AssembledImage, name: &str) -> bool {
        let index = LayoutIndex::read(&self.index).ok().flatten();
        index.is_some_and(|index| index.names(name, image))
            && files::file_size(&self.marker).is_some()
            && self.holds_document(image.manifest_digest, &image.manifest)
            && self.holds_document(image.config_digest, &image.config)
            && image.layers.iter().all(|layer| self.holds_layer(layer))
    }

    fn holds_document(&self, digest: BlobDigest, bytes: &[u8]) -> bool {
        files::read_document(&self.blob(digest)).is_ok_and(|found| found.as_deref() == Some(bytes))
    }

    fn holds_layer(&self, layer: &LayerDescriptor) -> bool {
        files::file_size(&self.blob(layer.digest)) == Some(layer.size)
    }

    fn write(&self, image: &AssembledImage, layers: &dyn LayerSource, name: &str) -> Result<(), OciError> {
        files::create_directory(&self.directory)?;
        let lock = self.lock()?;
        self.check_marker()?;
        files::create_directory(&self.blobs)?;
        self.write_blobs(image, layers)?;
        let index = self.update_index(image, name)?;
        self.sweep(&index, lock.is_some());
        Ok(())
    }

    /// Waits until no other process writes here. `None` where the file system has no locks.
    fn lock(&self) -> Result<Option<File>, OciError> {
        let directory = File::open(&self.directory).map_err(OciError::io("open", &self.directory))?;
        Ok(directory.lock().is_ok().then_some(directory))
    }

    /// Accepts a layout of our version, and makes one of an empty directory.
    fn check_marker(&self) -> Result<(), OciError> {
        let Some(bytes) = files::read_document(&self.marker)? else {
            self.check_empty()?;
            return files::write_bytes(&self.marker, &marker());
        };
        let document: Option<Value> = serde_json::from_slice(&bytes).ok();
        let version = document.as_ref().and_then(|document| document.get("imageLayoutVersion")?.as_str());
        if version == Some(VERSION) {
            return Ok(());
        }
        let version = version.unwrap_or("unknown").escape_debug().to_string();
        Err(OciError::LayoutVersion { directory: self.directory.clone(), version })
    }

    fn check_empty(&self) -> Result<(), OciError> {
        let foreign = entries(&self.directory)?.into_iter().any(|name| !name.starts_with(TEMPORARY_PREFIX));
        if foreign { Err(OciError::NotALayout { directory: self.directory.clone() }) } else { Ok(()) }
    }

    fn write_blobs(&self, image: &AssembledImage, layers: &dyn LayerSource) -> Result<(), OciError> {
        for layer in distinct_layers(image) {
            if !self.holds_layer(&layer) {
                files::write_whole(&self.blob(layer.digest), |out, temporary| {
                    stream_layer(&layer, layers, out, OciError::io("write", temporary))
                })?;
            }
        }
        for (digest, bytes) in [(image.config_digest, &image.config), (image.manifest_digest, &image.manifest)] {
            if !self.holds_document(digest, bytes) {
                files::write_bytes(&self.blob(digest), bytes)?;
            }
        }
        Ok(())
    }

    fn update_index(&self, image: &AssembledImage, name: &str) -> Result<LayoutIndex, OciError> {
        // A layout without an index is one of ours that was never finished.
        let mut index = LayoutIndex::read(&self.index)?.unwrap_or_else(LayoutIndex::new);
        index.set(name, image);
        files::write_bytes(&self.index, &index.to_bytes())?;
        Ok(index)
    }

    /// Removes what killed processes left and, if sinter created the layout, blobs that nothing reaches. The image is
    /// complete already, so what cannot be removed is left for the next build without an error.
    fn sweep(&self, index: &LayoutIndex, alone: bool) {
        if !alone {
            return;
        }
        let reachable = if index.is_ours() { index.reachable(&self.blobs) } else { None };
        for directory in [&self.directory, &self.blobs] {
            remove_if(directory, |name| name.starts_with(TEMPORARY_PREFIX));
        }
        if let Some(reachable) = reachable {
            remove_if(&self.blobs, |name| is_unreachable_blob(name, &reachable));
        }
    }
}

fn is_unreachable_blob(name: &str, reachable: &BTreeSet<BlobDigest>) -> bool {
    format!("sha256:{name}").parse().is_ok_and(|digest: BlobDigest| !reachable.contains(&digest))
}

fn remove_if(directory: &Path, unwanted: impl Fn(&str) -> bool) {
    for name in entries(directory).unwrap_or_default().iter().filter(|name| unwanted(name)) {
        let _ = fs::remove_file(directory.join(name));
    }
}

/// The names in a directory. Names that are no UTF-8 are given with replacement characters, so they equal none of ours.
fn entries(directory: &Path) -> Result<Vec<String>, OciError> {
    let failed = || OciError::io("read", directory);
    let list = fs::read_dir(directory).map_err(failed())?;
    list.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .filter(|entry| !matches!(entry, Err(error) if error.kind() == ErrorKind::NotFound))
        .collect::<Result<_, _>>()
        .map_err(failed())
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
