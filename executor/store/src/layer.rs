//! Publishing layers and giving their bytes back. What is known without the bytes stands in [`crate::facts`].

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use sinter_graph::FsError;
use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::{Entry, Manifest};

use crate::archive::{ArchiveError, write_archive};
use crate::capture::Captured;
use crate::digest::digest_directory;
use crate::error::StoreError;
use crate::facts::Origin;
use crate::namespaces::LAYER;
use crate::pipeline::hash_through;
use crate::seal::{Seal, is_absence};
use crate::store::{Object, Store};
use crate::tree_io::{difference, open_file, open_root, stat};

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl Store {
    /// Whether the layer is known and its bytes are on this disk.
    ///
    /// # Errors
    /// If nobody can tell.
    pub fn has_layer(&self, digest: &LayerDigest) -> Result<bool, StoreError> {
        Ok(self.knows_layer(digest)? && is_directory(&self.unpacked_path(digest))?)
    }

    /// Publishes a directory of a workspace, which is moved away, as the layer that `manifest` describes. The directory
    /// must hold exactly its entries, with whiteouts as character devices 0:0; contents, metadata and extended attributes
    /// are checked while the digest is made. If the layer is here already, the directory is deleted.
    ///
    /// # Errors
    /// If the directory does not match the manifest, cannot be read or moved, or if the disk is full.
    pub fn publish_layer(
        &self,
        directory: &Path,
        manifest: Manifest,
        origin: Origin,
    ) -> Result<LayerDigest, StoreError> {
        let (digest, size, seal) = digest_directory(directory, &manifest)?;
        self.publish_captured(directory, Captured { manifest, digest, size, seal }, origin)
    }

    /// Publishes what [`capture`](crate::capture) made of a directory, which is moved away.
    ///
    /// # Errors
    /// If the directory cannot be moved, or if the disk is full.
    pub fn publish_captured(
        &self,
        directory: &Path,
        captured: Captured,
        origin: Origin,
    ) -> Result<LayerDigest, StoreError> {
        let Captured { manifest, digest, size, seal } = captured;
        self.leases().add([*digest.as_bytes()])?;
        if self.has_layer(&digest)? {
            // A copy that cannot be deleted now is swept with its workspace.
            let _ = self.trash().discard(directory);
            return Ok(digest);
        }
        let facts = self.keep_manifest(&manifest, size, origin)?;
        let made = self.stage_layer(directory, &manifest, seal)?;
        let object = Object { path: self.layer_path(&digest), namespace: LAYER, key: &digest.hex() };
        self.publish(&made, &object, || self.has_layer(&digest), &facts.encode())?;
        self.manifests().insert(digest, Arc::new(manifest));
        Ok(digest)
    }

    /// Writes the canonical tar of a layer. Every byte is verified: if the last one was written without an error, `out`
    /// has received exactly what `digest` names.
    ///
    /// # Errors
    /// If `out` fails or the files cannot be read, or if the layer is nowhere or no longer what was published; then it is
    /// dropped.
    pub fn write_layer(&self, digest: &LayerDigest, out: &mut dyn Write) -> Result<(), StoreError> {
        let lease = self.ensure(&[*digest])?;
        let (manifest, size) = (self.manifest(digest)?, self.layer_size(digest)?);
        let directory = lease.directory(digest).ok_or(StoreError::MissingLayer { digest: *digest })?;
        self.stream(digest, directory, &manifest, size, out)
    }

    /// Reads the whole layer and compares it with its digest, and its metadata with its manifest.
    ///
    /// # Errors
    /// As [`Store::write_layer`].
    pub fn verify_layer(&self, digest: &LayerDigest) -> Result<(), StoreError> {
        self.examined().remove(digest);
        self.seen().forget(digest);
        self.ensure(&[*digest])?.examine()?;
        self.write_layer(digest, &mut io::sink())
    }

    pub(crate) fn stream(
        &self,
        digest: &LayerDigest,
        directory: &Path,
        manifest: &Manifest,
        size: u64,
        out: &mut dyn Write,
    ) -> Result<(), StoreError> {
        let root = self.open_unpacked(digest, directory)?;
        let reason = match hash_through(out, size, |out| archive(&root, manifest, out)) {
            Ok(((), found, _)) if found == *digest.as_bytes() => return Ok(()),
            Ok(_) => "its files do not have the digest it is named by".to_owned(),
            Err(ArchiveError::Write(source)) => return Err(StoreError::Output { digest: *digest, source }),
            Err(error) => damage(&root, directory, manifest, error)?,
        };
        Err(self.damaged_layer(digest, directory, reason))
    }

    pub(crate) fn open_unpacked(&self, digest: &LayerDigest, directory: &Path) -> Result<OwnedFd, StoreError> {
        match open_root(directory) {
            Err(error) if is_absence(&error) => Err(StoreError::MissingLayer { digest: *digest }),
            result => result.map_err(|error| StoreError::io(directory, "open", error)),
        }
    }

    /// Moves the directory beside its seal. The root is stamped last, because the move changes it.
    fn stage_layer(&self, directory: &Path, manifest: &Manifest, mut seal: Seal) -> Result<PathBuf, StoreError> {
        let made = self.scratch_path()?;
        let staged = std::fs::create_dir(&made).and_then(|()| {
            let unpacked = made.join("fs");
            std::fs::rename(directory, &unpacked)?;
            seal.restamp_root(&open_root(&unpacked)?, manifest)?;
            std::fs::write(made.join("seal"), seal.encode())
        });
        match staged {
            Ok(()) => Ok(made),
            Err(error) => {
                let _ = crate::remove::remove_tree(&made);
                Err(StoreError::io(directory, "publish", error))
            }
        }
    }

    /// Drops a layer that is not what it should be, and gives the error that says so.
    pub(crate) fn damaged_layer(&self, digest: &LayerDigest, path: &Path, reason: String) -> StoreError {
        match self.withdraw_layer(digest) {
            Ok(()) => StoreError::Damaged { path: path.to_owned(), reason },
            Err(error) => error,
        }
    }

    /// Forgets a layer: its facts first, then every record that counts on it, then its bytes, which stay on the disk while
    /// a build leases them.
    pub(crate) fn withdraw_layer(&self, digest: &LayerDigest) -> Result<(), StoreError> {
        self.manifests().remove(digest);
        self.examined().remove(digest);
        // Whatever shows its files is looked at again.
        self.known_merged().clear();
        let _lock = self.lock()?;
        self.drop_fact(LAYER, &digest.hex())?;
        self.drop_naming(*digest.as_bytes())?;
        let _ = self.discard_object(&self.layer_path(digest));
        Ok(())
    }

    pub(crate) fn layer_path(&self, digest: &LayerDigest) -> PathBuf {
        self.root().join("layers").join(digest.hex())
    }

    pub(crate) fn unpacked_path(&self, digest: &LayerDigest) -> PathBuf {
        self.layer_path(digest).join("fs")
    }
}

/// How a failure to read a layer shows that it is damaged.
///
/// # Errors
/// If it shows nothing: what cannot be read may be whole.
pub(crate) fn damage(
    root: &OwnedFd,
    directory: &Path,
    manifest: &Manifest,
    error: ArchiveError,
) -> Result<String, StoreError> {
    if let ArchiveError::Read { path, source } = error {
        let differs =
            |entry: &Entry| matches!(stat(root, &path).and_then(|stat| difference(root, entry, &stat)), Ok(Some(_)));
        let differs = manifest.get(&path).is_some_and(differs);
        if !is_absence(&source) && !differs {
            return Err(FsError::new(&directory.join(path.to_os_path()), "read", source).into());
        }
        return Ok(ArchiveError::Read { path, source }.to_string());
    }
    Ok(error.to_string())
}

fn is_directory(path: &Path) -> Result<bool, FsError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if is_absence(&error) => Ok(false),
        result => result.map(|found| found.is_dir()).map_err(|error| FsError::new(path, "read", error)),
    }
}

fn archive(root: &OwnedFd, manifest: &Manifest, out: &mut dyn Write) -> Result<(), ArchiveError> {
    let unreadable = |entry: &Entry, source| ArchiveError::Read { path: entry.path.clone(), source };
    write_archive(manifest, |entry| open_file(root, &entry.path).map_err(|error| unreadable(entry, error)), out)
}
