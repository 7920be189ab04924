//! Layers: published as a directory and a manifest, given out as a canonical tar.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::{Entry, Manifest};

use crate::archive::{ArchiveError, archive_size, write_archive};
use crate::error::StoreError;
use crate::pipeline::hash_through;
use crate::record::LAYER;
use crate::store::{Object, Store};
use crate::tree_io::{difference, open_file, open_root};

/// What the record of a layer says.
struct LayerFact {
    /// Length of the canonical tar in bytes.
    size: u64,
    /// BLAKE3 of the encoded manifest.
    manifest: [u8; 32],
}

impl LayerFact {
    fn encode(&self) -> Vec<u8> {
        [&self.size.to_le_bytes()[..], &self.manifest].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (size, manifest) = bytes.split_first_chunk::<8>()?;
        Some(Self { size: u64::from_le_bytes(*size), manifest: manifest.try_into().ok()? })
    }
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl Store {
    /// Whether the layer is here.
    #[must_use]
    pub fn has_layer(&self, digest: &LayerDigest) -> bool {
        self.layer_fact(digest).is_ok() && self.layer_directory(digest).is_dir()
    }

    /// Where the unpacked layer lies, if it is here: an overlay lower directory that nobody changes.
    #[must_use]
    pub fn layer_directory(&self, digest: &LayerDigest) -> PathBuf {
        self.layer_path(digest).join("fs")
    }

    /// The length in bytes of the layer's canonical tar.
    ///
    /// # Errors
    /// If the layer is not here.
    pub fn layer_size(&self, digest: &LayerDigest) -> Result<u64, StoreError> {
        Ok(self.layer_fact(digest)?.size)
    }

    /// The entries of a layer, verified when first read by this process.
    ///
    /// # Errors
    /// If the layer is not here or its manifest is damaged; then the layer is dropped.
    pub fn manifest(&self, digest: &LayerDigest) -> Result<Arc<Manifest>, StoreError> {
        if let Some(manifest) = self.manifests().get(digest) {
            return Ok(Arc::clone(manifest));
        }
        let fact = self.layer_fact(digest)?;
        let path = self.layer_path(digest).join("manifest");
        let encoded = match std::fs::read(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::io(&path, "read", error)),
            result => result.unwrap_or_default(),
        };
        let Some(manifest) = decode_manifest(&encoded, &fact).map(Arc::new) else {
            return Err(self.damaged_layer(digest, path, "it is not the manifest that was written".to_owned()));
        };
        self.manifests().insert(*digest, Arc::clone(&manifest));
        Ok(manifest)
    }

    /// Publishes a directory of a workspace, which is moved away, as the layer that `manifest` describes. The directory
    /// must hold exactly its entries, with whiteouts as character devices 0:0; contents and metadata, but not extended
    /// attributes, are checked while the digest is made. If the layer is here already, the directory is deleted.
    ///
    /// # Errors
    /// If the directory does not match the manifest, cannot be read or moved, or if the disk is full.
    pub fn publish_layer(&self, directory: &Path, manifest: Manifest) -> Result<LayerDigest, StoreError> {
        let (digest, size) = digest_directory(directory, &manifest)?;
        if self.has_layer(&digest) {
            // A copy that cannot be deleted now is swept with its workspace.
            let _ = self.trash().discard(directory);
            return Ok(digest);
        }
        let encoded = manifest.encode();
        let fact = LayerFact { size, manifest: *blake3::hash(&encoded).as_bytes() };
        let made = self.stage_layer(directory, &encoded)?;
        let object = Object { path: self.layer_path(&digest), namespace: LAYER, key: &digest.hex() };
        self.publish(&made, &object, || self.has_layer(&digest), &fact.encode())?;
        self.manifests().insert(digest, Arc::new(manifest));
        Ok(digest)
    }

    /// Writes the canonical tar of a layer. Every byte is verified: if the last one was written without an error, `out`
    /// has received exactly what `digest` names.
    ///
    /// # Errors
    /// If `out` fails, or if the layer is not here or no longer what was published; then it is dropped.
    pub fn write_layer(&self, digest: &LayerDigest, out: &mut dyn Write) -> Result<(), StoreError> {
        let manifest = self.manifest(digest)?;
        let size = self.layer_size(digest)?;
        let directory = self.layer_directory(digest);
        let root = open_root(&directory).map_err(|_| StoreError::MissingLayer { digest: *digest })?;
        let reason = match hash_through(out, size, |out| archive(&root, &manifest, out)) {
            Ok(((), found, _)) if found == *digest.as_bytes() => return Ok(()),
            Ok(_) => "its files do not have the digest it is named by".to_owned(),
            Err(ArchiveError::Write(source)) => return Err(StoreError::Output { digest: *digest, source }),
            Err(error) => error.to_string(),
        };
        Err(self.damaged_layer(digest, directory, reason))
    }

    fn stage_layer(&self, directory: &Path, manifest: &[u8]) -> Result<PathBuf, StoreError> {
        let made = self.scratch_path()?;
        let staged = std::fs::create_dir(&made)
            .and_then(|()| File::create_new(made.join("manifest"))?.write_all(manifest))
            .and_then(|()| std::fs::rename(directory, made.join("fs")));
        match staged {
            Ok(()) => Ok(made),
            Err(error) => {
                let _ = crate::remove::remove_tree(&made);
                Err(StoreError::io(directory, "publish", error))
            }
        }
    }

    fn damaged_layer(&self, digest: &LayerDigest, path: PathBuf, reason: String) -> StoreError {
        self.manifests().remove(digest);
        match self.withdraw(&Object { path: self.layer_path(digest), namespace: LAYER, key: &digest.hex() }) {
            Ok(()) => StoreError::Damaged { path, reason },
            Err(error) => error,
        }
    }

    fn layer_fact(&self, digest: &LayerDigest) -> Result<LayerFact, StoreError> {
        let fact = self.fact(LAYER, &digest.hex());
        fact.and_then(|bytes| LayerFact::decode(&bytes)).ok_or(StoreError::MissingLayer { digest: *digest })
    }

    fn layer_path(&self, digest: &LayerDigest) -> PathBuf {
        self.root().join("layers").join(digest.hex())
    }
}

fn decode_manifest(bytes: &[u8], fact: &LayerFact) -> Option<Manifest> {
    (blake3::hash(bytes).as_bytes() == &fact.manifest).then(|| Manifest::decode(bytes).ok())?
}

/// The digest and length of the canonical tar of a directory that must match `manifest`.
fn digest_directory(directory: &Path, manifest: &Manifest) -> Result<(LayerDigest, u64), StoreError> {
    let path = || directory.to_owned();
    manifest.check().map_err(|source| StoreError::Manifest { path: path(), source })?;
    let root = open_root(directory).map_err(|error| StoreError::io(directory, "open", error))?;
    digest_matching(&root, manifest).map_err(|source| StoreError::Mismatch { path: path(), source })
}

fn digest_matching(root: &OwnedFd, manifest: &Manifest) -> Result<(LayerDigest, u64), ArchiveError> {
    check_metadata(root, manifest)?;
    let expected = archive_size(manifest)?;
    let ((), digest, size) = hash_through(&mut io::sink(), expected, |out| archive(root, manifest, out))?;
    Ok((LayerDigest::from_bytes(digest), size))
}

fn archive(root: &OwnedFd, manifest: &Manifest, out: &mut dyn Write) -> Result<(), ArchiveError> {
    write_archive(manifest, |entry| open_file(root, &entry.path).map_err(|error| unreadable(entry, error)), out)
}

fn check_metadata(root: &OwnedFd, manifest: &Manifest) -> Result<(), ArchiveError> {
    for entry in manifest.entries() {
        match difference(root, entry) {
            Ok(None) => {}
            Ok(Some(what)) => return Err(ArchiveError::Changed { path: entry.path.clone(), what }),
            Err(source) => return Err(unreadable(entry, source)),
        }
    }
    Ok(())
}

fn unreadable(entry: &Entry, source: io::Error) -> ArchiveError {
    ArchiveError::Read { path: entry.path.clone(), source }
}
