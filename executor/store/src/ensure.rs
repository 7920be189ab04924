//! Asking for the bytes of layers, and looking whether what was mounted is what was captured.
//!
//! A [`Lease`] names directories that nobody deletes while the store value that gave it lives, and remembers which
//! directories they were: a layer that was damaged and made again has the same name and is another directory.
//!
//! Each layer is looked for once in the life of a store value, and again after somebody took something away: a step on two
//! thousand layers looks at one file ([`crate::withdrawals`]), not at two thousand directories.
//!
//! Rules: bytes are asked for only where something mounts, copies or exports them. Damage drops the layer; what cannot
//! be read is an error and drops nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinter_graph::FsError;
use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::Manifest;

use crate::digest::{Treatment, survey};
use crate::error::StoreError;
use crate::held::Held;
use crate::layer::damage;
use crate::merged::Part;
use crate::seal::{Seal, is_absence};
use crate::small_file::read_small;
use crate::store::Store;
use crate::tree_io::open_root;
use crate::withdrawals::Mark;

/// Layers whose bytes are on this disk and stay there.
#[derive(Debug, Clone)]
pub struct Lease {
    store: Store,
    held: Vec<Arc<Held>>,
    /// When all of it was seen in its place.
    mark: Option<Mark>,
}

impl Lease {
    /// The unpacked layers, in the order they were asked for: overlay lower directories that nobody changes.
    pub fn directories(&self) -> impl ExactSizeIterator<Item = &Path> + DoubleEndedIterator {
        self.held.iter().map(|held| held.directory.as_path())
    }

    /// The directories to mount for these layers as one stack, the bottom one first: fewer than layers if there are many.
    ///
    /// # Errors
    /// If a directory cannot be made, or if a layer turns out to be damaged; then it is dropped.
    pub fn lowers(&self) -> Result<Vec<PathBuf>, StoreError> {
        let part = |held: &Arc<Held>| {
            let manifest = self.store.manifest(&held.digest)?;
            Ok(Part { digest: held.digest, directory: held.directory.clone(), manifest })
        };
        let parts = self.held.iter().map(part).collect::<Result<Vec<_>, StoreError>>()?;
        self.store.lowers(&parts)
    }

    /// The directory of one layer; `None` if it is none of these.
    #[must_use]
    pub fn directory(&self, digest: &LayerDigest) -> Option<&Path> {
        self.held.iter().find(|held| held.digest == *digest).map(|held| held.directory.as_path())
    }

    /// Looks whether all of this still is what was captured: what was mounted since the lease was given is then known to
    /// be right. A layer is looked at once in the life of a store value.
    ///
    /// # Errors
    /// If a layer was damaged or replaced meanwhile; a damaged one is dropped. If it cannot be read.
    pub fn examine(&self) -> Result<(), StoreError> {
        self.held.iter().try_for_each(|held| self.store.examine(held))
    }

    /// Looks whether all of this still lies in its place: whoever finds a layer damaged takes it away, and what was read
    /// from it until then may be wrong.
    ///
    /// # Errors
    /// If a layer was taken away or replaced meanwhile, or if nobody can tell.
    pub fn confirm(&self) -> Result<(), StoreError> {
        if self.mark.is_some() && self.store.withdrawals().mark() == self.mark {
            return Ok(());
        }
        self.held.iter().try_for_each(|held| held.confirm())
    }
}

impl Store {
    /// Brings the bytes of layers to this disk, if they are not here, and leases them.
    ///
    /// # Errors
    /// If a layer is nowhere, then it is forgotten together with every record that counts on it; or if the disk refuses.
    pub fn ensure(&self, layers: &[LayerDigest]) -> Result<Lease, StoreError> {
        let mark = self.withdrawals().mark();
        let (found, unseen) = self.seen_before(layers, mark);
        let new = self.leases().add(unseen.iter().map(|layer| *layer.as_bytes()))?;
        let looked_for = unseen.iter().map(|layer| Ok(Arc::new(self.look_for(layer)?)));
        let looked_for = looked_for.collect::<Result<Vec<_>, StoreError>>()?;
        new.into_iter().for_each(|layer| self.touch(&LayerDigest::from_bytes(layer)));
        self.seen().at(mark).extend(looked_for.iter().map(|held| (held.digest, held.clone())));
        let mut looked_for = looked_for.into_iter();
        let held = found.into_iter().filter_map(|found| found.or_else(|| looked_for.next())).collect();
        Ok(Lease { store: self.clone(), held, mark })
    }

    /// What is known of each of these layers, and those of which nothing is.
    fn seen_before(&self, layers: &[LayerDigest], mark: Option<Mark>) -> (Vec<Option<Arc<Held>>>, Vec<LayerDigest>) {
        let mut seen = self.seen();
        let known = seen.at(mark);
        let found: Vec<Option<Arc<Held>>> = layers.iter().map(|layer| known.get(layer).cloned()).collect();
        let unseen = layers.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(layer, _)| *layer).collect();
        (found, unseen)
    }

    fn look_for(&self, digest: &LayerDigest) -> Result<Held, StoreError> {
        let directory = self.unpacked_path(digest);
        match Held::look(digest, &directory) {
            Err(error) if is_absence(&error) => self.bring(digest, &directory),
            result => Ok(result.map_err(|error| FsError::new(&directory, "read", error))?),
        }
    }

    /// Fetches a layer from elsewhere.
    fn bring(&self, digest: &LayerDigest, directory: &Path) -> Result<Held, StoreError> {
        if !self.fetch(digest)? {
            self.withdraw_layer(digest)?;
            return Err(StoreError::MissingLayer { digest: *digest });
        }
        Held::look(digest, directory).map_err(|error| StoreError::io(directory, "read", error))
    }

    fn examine(&self, held: &Held) -> Result<(), StoreError> {
        if self.examined().contains(&held.digest) {
            return Ok(());
        }
        let root = self.open_unpacked(&held.digest, &held.directory)?;
        let manifest = self.manifest(&held.digest)?;
        held.confirm()?;
        let error = |error| StoreError::io(&held.directory, "read", error);
        let sealed = match self.seal(&held.digest)? {
            Some(seal) => seal.broken(&root, &manifest).map_err(error)?.is_none(),
            None => false,
        };
        if !sealed {
            self.seal_anew(held, &manifest)?;
        }
        self.examined().insert(held.digest);
        Ok(())
    }

    /// A broken seal is a suspicion: the contents decide.
    fn seal_anew(&self, held: &Held, manifest: &Manifest) -> Result<(), StoreError> {
        let directory = held.directory.as_path();
        let root = open_root(directory).map_err(|error| StoreError::io(directory, "open", error))?;
        let reason = match survey(&root, manifest.entries(), Treatment::Verify) {
            Ok(found) if found.digest == held.digest => {
                // Who cannot keep the seal, on a full disk for instance, reads the contents again the next time.
                let _ = self.replace_file(&self.seal_path(&held.digest), &found.seal.encode());
                return Ok(());
            }
            Ok(_) => "its files do not have the digest it is named by".to_owned(),
            Err(error) => damage(&root, directory, manifest, error)?,
        };
        Err(self.damaged_layer(&held.digest, directory, reason))
    }

    /// Takes the seal of a layer again, whose files got another name.
    pub(crate) fn seal_again(
        &self,
        digest: &LayerDigest,
        directory: &Path,
        manifest: &Manifest,
    ) -> Result<(), StoreError> {
        let seal = open_root(directory).and_then(|root| Seal::take(&root, manifest));
        let seal = seal.map_err(|error| StoreError::io(directory, "read", error))?;
        self.replace_file(&self.seal_path(digest), &seal.encode())
    }

    pub(crate) fn seal(&self, digest: &LayerDigest) -> Result<Option<Seal>, FsError> {
        Ok(read_small(&self.seal_path(digest))?.and_then(|bytes| Seal::decode(&bytes)))
    }

    fn seal_path(&self, digest: &LayerDigest) -> PathBuf {
        self.layer_path(digest).join("seal")
    }

    /// `false` if nobody has it: bytes that break off or are others than were promised are nobody's.
    fn fetch(&self, digest: &LayerDigest) -> Result<bool, StoreError> {
        let Some(elsewhere) = self.elsewhere() else { return Ok(false) };
        let size = self.layer_size(digest)?;
        let (mut reader, mut writer) = std::io::pipe().map_err(|error| StoreError::io(self.root(), "fetch", error))?;
        std::thread::scope(|scope| {
            let fetching = scope.spawn(move || elsewhere.fetch(digest, &mut writer));
            let imported = self.import_layer(&mut reader, *digest, size);
            drop(reader);
            let found = fetching.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match imported {
                // Also where somebody else has brought it in the meantime: then nobody read to the end.
                Ok(()) => Ok(true),
                Err(error) if error.is_of_strange_bytes() || matches!(found, Ok(false)) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }
}
