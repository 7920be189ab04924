//! One image as one uncompressed tar: an OCI layout, or what `docker load` reads.
//!
//! Both archives are a function of the image and the name of its target: entries in a fixed order, owner 0, time
//! [`sinter_graph::EPOCH`]. Directories have entries of their own: without them skopeo makes them itself and then fails
//! to give them to root unless it is root. Documents come first, layers after them. So the length and the first bytes of a file
//! tell whether it is this archive, and an unchanged one is not written again.
//!
//! The docker form is the one of `docker save` before version 25: `manifest.json`, which names the configuration
//! `HEX.json` and the layers `HEX.tar` (docker image specification v1.2, "combined image JSON + filesystem changeset
//! format"). It has no `repositories` file and no per-layer directories, which only docker before 1.10 read.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde_json::json;
use sinter_graph::digest::BlobDigest;

use crate::assemble::AssembledImage;
use crate::canonical::canonical_json;
use crate::descriptor::LayerDescriptor;
use crate::error::OciError;
use crate::files::Directory;
use crate::layer_source::{LayerSource, distinct_layers, stream_layer};
use crate::layout_index::{LayoutIndex, marker};
use crate::reference::reference_name;

const BLOCK_BYTES: u64 = 512;

/// Two zero blocks end an archive (POSIX.1-2017, pax, "ustar Interchange Format").
const END: [u8; 2 * BLOCK_BYTES as usize] = [0; 2 * BLOCK_BYTES as usize];

/// An archive before its layers are read.
pub(crate) struct Archive {
    directories: &'static [&'static str],
    documents: Vec<(String, Vec<u8>)>,
    layers: Vec<(String, LayerDescriptor)>,
}

/// The OCI layout of one image, under the name it has from its target.
pub(crate) fn oci(image: &AssembledImage, target: &str) -> Archive {
    let blob = |digest: BlobDigest| format!("blobs/sha256/{}", digest.hex());
    let mut index = LayoutIndex::new();
    index.set(&reference_name(target), image);
    Archive {
        directories: &["blobs/", "blobs/sha256/"],
        documents: vec![
            ("oci-layout".to_owned(), marker()),
            ("index.json".to_owned(), index.to_bytes()),
            (blob(image.manifest_digest), image.manifest.clone()),
            (blob(image.config_digest), image.config.clone()),
        ],
        layers: distinct_layers(image).into_iter().map(|layer| (blob(layer.blob), layer)).collect(),
    }
}

/// The docker archive of one image, tagged with the name it has from its target.
pub(crate) fn docker(image: &AssembledImage, target: &str) -> Archive {
    let config = format!("{}.json", image.config_digest.hex());
    let layer_name = |layer: &LayerDescriptor| format!("{}.tar", layer.blob.hex());
    let layer_names: Vec<String> = image.layers.iter().map(layer_name).collect();
    let tag = format!("{}:latest", reference_name(target));
    let manifest = json!([{ "Config": config, "Layers": layer_names, "RepoTags": [tag] }]);
    Archive {
        directories: &[],
        documents: vec![("manifest.json".to_owned(), canonical_json(&manifest)), (config, image.config.clone())],
        layers: distinct_layers(image).into_iter().map(|layer| (layer_name(&layer), layer)).collect(),
    }
}

/// Writes the archive to `path`, through a symbolic link if there is one; `false` if it was there already.
pub(crate) fn write_archive(path: &Path, archive: &Archive, layers: &dyn LayerSource) -> Result<bool, OciError> {
    let target = real_target(path)?;
    let name = target.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| OciError::NotAFile { file: path.to_owned() })?;
    let head = archive.head().map_err(OciError::io("write", path))?;
    let size = archive.size(&head);
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = Directory::create(parent)?;
    if directory.file_size(name) == Some(size) && directory.begins_with(name, &head) {
        return Ok(false);
    }
    directory.write_whole(name, size, |out, path| archive.write(&head, layers, out, path))?;
    directory.sweep();
    Ok(true)
}

fn real_target(path: &Path) -> Result<PathBuf, OciError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => path.canonicalize().map_err(OciError::io("resolve", path)),
        Ok(_) => Err(OciError::NotAFile { file: path.to_owned() }),
        Err(_) => Ok(path.to_owned()),
    }
}

impl Archive {
    /// All directories and documents as tar entries.
    fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        for name in self.directories {
            head.extend_from_slice(header(name, 0)?.as_bytes());
        }
        for (name, bytes) in &self.documents {
            head.extend_from_slice(header(name, bytes.len() as u64)?.as_bytes());
            head.extend_from_slice(bytes);
            head.resize(head.len() + padding(bytes.len() as u64), 0);
        }
        Ok(head)
    }

    fn size(&self, head: &[u8]) -> u64 {
        let layers = self
            .layers
            .iter()
            .map(|(_, layer)| BLOCK_BYTES.saturating_add(layer.size).saturating_add(padding(layer.size) as u64));
        layers.fold(head.len() as u64 + END.len() as u64, u64::saturating_add)
    }

    fn write(&self, head: &[u8], layers: &dyn LayerSource, out: &mut dyn Write, path: &Path) -> Result<(), OciError> {
        let failed = || OciError::io("write", path);
        out.write_all(head).map_err(failed())?;
        for (name, layer) in &self.layers {
            let header = header(name, layer.size).map_err(failed())?;
            out.write_all(header.as_bytes()).map_err(failed())?;
            stream_layer(layer, layers, out, &AtomicBool::new(false), failed())?;
            out.write_all(&END[..padding(layer.size)]).map_err(failed())?;
        }
        out.write_all(&END).map_err(failed())
    }
}

/// Zero bytes that fill the last block of an entry.
fn padding(size: u64) -> usize {
    let used = (size % BLOCK_BYTES) as usize;
    if used == 0 { 0 } else { BLOCK_BYTES as usize - used }
}

fn header(name: &str, size: u64) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    let is_directory = name.ends_with('/');
    header.set_entry_type(if is_directory { tar::EntryType::Directory } else { tar::EntryType::Regular });
    header.set_mode(if is_directory { 0o755 } else { 0o644 });
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(sinter_graph::EPOCH.unsigned_abs());
    header.set_cksum();
    Ok(header)
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
