//! Declared files after an edit: the layer of the last build becomes the layer of this one.
//!
//! A set of placed files has one time, which differs from set to set, so two sets can share no inode; copying hundreds of
//! megabytes because one byte changed is what that would cost. Instead the old directory is taken out of the store, the
//! entries that differ are replaced, and all get the new time. Nothing is lost: a layer of placed files can be made again
//! from them.
//!
//! Rules: only a layer of [`Origin::Placed`] whose seal is whole and that no build leases, this one included; what comes of
//! it is published like any directory, so every byte of it is read. Must not know: where contents come from.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::{Entry, Kind, Manifest};

use crate::error::StoreError;
use crate::facts::Origin;
use crate::materialise::{Maker, Strictness, ViewError};
use crate::namespaces::LAYER;
use crate::store::Store;
use crate::tree_io::open_root;
use crate::workspace::Workspace;

impl Store {
    /// Makes `directory` of a workspace, which must not exist, show the entries of `manifest`, by changing the bytes of the
    /// layer `old`, which is forgotten. `false` if that layer cannot be used; then nothing was made.
    ///
    /// # Errors
    /// As [`crate::write_view`].
    pub fn revise_placed(
        &self,
        old: &LayerDigest,
        manifest: &Manifest,
        directory: &Path,
        content: &dyn Fn(&Entry) -> io::Result<File>,
    ) -> Result<bool, ViewError> {
        if !manifest.entries().iter().all(is_simple) {
            return Ok(false);
        }
        // What stands in the way of the short way is no reason not to take the long one.
        let Ok(Some((taken, before))) = self.take_placed(old) else { return Ok(false) };
        std::fs::rename(taken.path().join("layer/fs"), directory)
            .map_err(|error| sinter_graph::FsError::new(directory, "fill", error))?;
        manifest.check()?;
        let mut maker = Maker::reopen(directory, Strictness::Exact)?;
        for entry in before.entries().iter().rev().filter(|entry| !stays(entry, manifest)) {
            maker.remove(entry)?;
        }
        for entry in manifest.entries() {
            match before.get(&entry.path) {
                Some(known) if stays(known, manifest) => maker.dress(entry)?,
                _ => maker.make(entry, || content(entry))?,
            }
        }
        maker.finish(manifest.entries().iter().filter(|entry| entry.kind == Kind::Directory))?;
        Ok(true)
    }

    /// Moves the bytes of a layer into a workspace, if nobody can miss them.
    fn take_placed(&self, old: &LayerDigest) -> Result<Option<(Workspace, Arc<Manifest>)>, StoreError> {
        if self.facts(old)?.is_none_or(|facts| facts.origin != Origin::Placed) {
            return Ok(None);
        }
        let manifest = self.manifest(old)?;
        if manifest.entries().iter().any(|entry| !is_simple(entry)) || !self.is_sealed(old, &manifest)? {
            return Ok(None);
        }
        let workspace = self.workspace()?;
        let lock = self.lock()?;
        if self.leases().holds(old.as_bytes())? {
            return Ok(None);
        }
        self.drop_fact(LAYER, &old.hex())?;
        let (from, to): (PathBuf, PathBuf) = (self.layer_path(old), workspace.path().join("layer"));
        std::fs::rename(&from, &to).map_err(|error| StoreError::io(&from, "take", error))?;
        drop(lock);
        // Somebody who leased it between the two looks finds it gone, as if it had been deleted before.
        Ok(Some((workspace, manifest)))
    }

    fn is_sealed(&self, layer: &LayerDigest, manifest: &Manifest) -> Result<bool, StoreError> {
        let directory = self.unpacked_path(layer);
        let error = |error| StoreError::io(&directory, "read", error);
        let root = open_root(&directory).map_err(error)?;
        let Some(seal) = self.seal(layer)? else { return Ok(false) };
        Ok(seal.broken(&root, manifest).map_err(error)?.is_none())
    }
}

/// Kinds for which one path is one inode.
const fn is_simple(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Directory | Kind::File { .. } | Kind::Symlink { .. })
}

/// Whether what is there needs new metadata at most.
fn stays(entry: &Entry, manifest: &Manifest) -> bool {
    let same =
        |new: &Entry| new.kind == entry.kind && new.xattrs == entry.xattrs && !matches!(new.kind, Kind::Symlink { .. });
    manifest.get(&entry.path).is_some_and(same)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use sinter_graph::digest::ContentHash;
    use sinter_graph::path::TreePath;

    use super::*;
    use crate::materialise::write_view;

    fn file(path: &str, bytes: &[u8], mtime: i64) -> Entry {
        let kind = Kind::File { size: bytes.len() as u64, content: ContentHash::of(bytes) };
        Entry { mtime, ..Entry::new(TreePath::new(path).expect("a path"), kind, 0o644) }
    }

    fn directory(path: &str, mtime: i64) -> Entry {
        Entry { mtime, ..Entry::directory(TreePath::new(path).expect("a path")) }
    }

    /// Opens a file with the bytes of an entry, which are its name.
    fn open(place: &Path, entry: &Entry) -> io::Result<File> {
        let path = place.join("content");
        let name = entry.path.to_string();
        std::fs::write(&path, if entry.mtime == 2 && name == "a/changed" { "new".to_owned() } else { name })?;
        File::open(path)
    }

    #[test]
    fn edited_sets_reuse_what_stays() {
        let place = tempfile::tempdir().expect("a directory");
        let root = place.path().join("store");
        let before = Manifest::new([
            directory("a", 1),
            file("a/changed", b"a/changed", 1),
            file("a/same", b"a/same", 1),
            directory("gone", 1),
            file("gone/f", b"gone/f", 1),
        ]);
        let after = Manifest::new([
            directory("a", 2),
            file("a/changed", b"new", 2),
            file("a/same", b"a/same", 2),
            directory("new", 2),
            file("new/f", b"new/f", 2),
        ]);
        let content = |entry: &Entry| open(place.path(), entry);
        let old = {
            let store = Store::open(&root).expect("a store");
            let workspace = store.workspace().expect("a workspace");
            let made = workspace.path().join("layer");
            write_view(&made, &before, &content).expect("the files");
            store.publish_layer(&made, before, Origin::Placed).expect("a layer")
        };
        let store = Store::open(&root).expect("a store");
        let inode = std::fs::metadata(store.unpacked_path(&old).join("a/same")).expect("a file").ino();
        let workspace = store.workspace().expect("a workspace");
        let made = workspace.path().join("layer");
        assert!(store.revise_placed(&old, &after, &made, &content).expect("a revision"));
        let new = store.publish_layer(&made, after, Origin::Placed).expect("exactly the new set");
        assert_eq!(std::fs::metadata(store.unpacked_path(&new).join("a/same")).expect("a file").ino(), inode);
        assert!(!store.knows_layer(&old).expect("a look"));
        store.verify_layer(&new).expect("whole");
        // This build has leased the new one, so it is not taken again.
        let other = workspace.path().join("other");
        assert!(!store.revise_placed(&new, &Manifest::new([directory("b", 3)]), &other, &content).expect("a look"));
    }
}
