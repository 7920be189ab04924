//! Writing a tree into a directory of the user: `-o dir:DIR`.
//!
//! A directory that holds anything is refused unless an earlier export to it left exactly paths of that export: the
//! store remembers device, inode and layers of each directory it exported to, so no marker pollutes the result, and a
//! file somebody added is never deleted. The tree is complete in a hidden directory inside before the old one goes, so a
//! failure leaves the old one; a mount point works too.
//!
//! Must not know: images, targets, the command line.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use sinter_graph::digest::LayerDigest;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, LayerIndex, Manifest, Shown, Tree};
use sinter_graph::{ErrorClass, FsError};

use crate::error::StoreError;
use crate::materialise::{Maker, Strictness, ViewError};
use crate::moment::unique_name;
use crate::record::EXPORT;
use crate::remove::remove_tree;
use crate::store::Store;
use crate::tree_io::open_file;

const STAGING: &str = ".sinter-export-";

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// How many paths the tree has.
    pub entries: usize,
    /// Devices that this process may not make.
    pub skipped: Vec<TreePath>,
}

/// Why a tree could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The directory holds something an earlier export did not write.
    #[error("{}: not written by sinter ({} is there); name an empty or new directory, or move it away", path.display(), found.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// The first thing found that is not ours, relative to the directory.
        found: PathBuf,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be made.
    #[error(transparent)]
    Make(#[from] ViewError),
    /// The operating system refused something.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl ExportError {
    /// Whose fault it is.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::NotOurs { .. } => ErrorClass::User,
            Self::Store(error) => error.class(),
            Self::Make(error) => error.class(),
            Self::Fs(error) => error.class(),
        }
    }
}

/// Makes `destination` hold exactly what the layers, bottom first, show: contents (shared blocks where the file system
/// can), modes, times, links and extended attributes, and owners and devices as far as this process may. It is created
/// if it is not there; what an earlier export left in it is replaced.
///
/// # Errors
/// If the directory holds something else, if a layer is not in the store, or if something cannot be written; then what
/// was there before is still there.
pub fn export_tree(store: &Store, layers: &[LayerDigest], destination: &Path) -> Result<Exported, ExportError> {
    std::fs::create_dir_all(destination).map_err(|error| FsError::new(destination, "create", error))?;
    let path = destination.canonicalize().map_err(|error| FsError::new(destination, "resolve", error))?;
    let handle = File::open(&path).map_err(|error| FsError::new(&path, "open", error))?;
    flock(&handle, FlockOperation::LockExclusive).map_err(|error| FsError::new(&path, "lock", error))?;
    let tree = stacked(store, layers)?;
    let target = Target::new(store, path)?;
    let earlier = target.check()?;
    let staging = target.path.join(format!("{STAGING}{}", unique_name()));
    let result = target.replace(&tree, layers, &earlier, &staging);
    if result.is_err() {
        // Left-overs are recognised by their name and removed by the next export.
        let _ = remove_tree(&staging);
    }
    result
}

fn stacked(store: &Store, layers: &[LayerDigest]) -> Result<Tree, StoreError> {
    let manifests = layers.iter().map(|digest| store.manifest(digest)).collect::<Result<Vec<Arc<Manifest>>, _>>()?;
    Ok(Tree::stack(manifests.iter().enumerate().map(|(index, manifest)| (LayerIndex(index), manifest.as_ref()))))
}

/// The directory to export to.
struct Target<'a> {
    store: &'a Store,
    path: PathBuf,
    key: String,
    identity: [u64; 2],
}

impl<'a> Target<'a> {
    fn new(store: &'a Store, path: PathBuf) -> Result<Self, ExportError> {
        let found = std::fs::metadata(&path).map_err(|error| FsError::new(&path, "read", error))?;
        let key = blake3::hash(path.as_os_str().as_bytes()).to_hex().to_string();
        Ok(Self { store, path, key, identity: [found.dev(), found.ino()] })
    }

    /// The layers earlier exports to this directory were made of, if everything in it comes from them.
    fn check(&self) -> Result<Vec<Vec<LayerDigest>>, ExportError> {
        if self.children()?.is_empty() {
            return Ok(Vec::new());
        }
        let earlier = self.remembered().unwrap_or_default();
        let trees: Vec<Tree> = earlier.iter().filter_map(|layers| stacked(self.store, layers).ok()).collect();
        self.check_below(&TreePath::root(), &trees)?;
        Ok(earlier)
    }

    fn check_below(&self, directory: &TreePath, trees: &[Tree]) -> Result<(), ExportError> {
        let mut pending = vec![directory.clone()];
        while let Some(directory) = pending.pop() {
            for (path, is_directory) in self.list(&directory)? {
                if !trees.iter().any(|tree| tree.get(&path).is_some()) {
                    return Err(ExportError::NotOurs { path: self.path.clone(), found: path.to_os_path() });
                }
                if is_directory {
                    pending.push(path);
                }
            }
        }
        Ok(())
    }

    /// The entries of a directory, without what a killed export left.
    fn list(&self, directory: &TreePath) -> Result<Vec<(TreePath, bool)>, ExportError> {
        let place = self.path.join(directory.to_os_path());
        let error = |error| FsError::new(&place, "list", error);
        let mut listed = Vec::new();
        for entry in std::fs::read_dir(&place).map_err(error)? {
            let entry = entry.map_err(error)?;
            let name = entry.file_name();
            if directory.is_root() && name.as_bytes().starts_with(STAGING.as_bytes()) {
                continue;
            }
            let name = TreePath::new(name.as_bytes()).expect("a listed name is one component without NUL");
            listed.push((directory.join(&name), entry.file_type().map_err(error)?.is_dir()));
        }
        listed.sort_unstable();
        Ok(listed)
    }

    fn children(&self) -> Result<Vec<(TreePath, bool)>, ExportError> {
        self.list(&TreePath::root())
    }

    fn replace(
        &self,
        tree: &Tree,
        layers: &[LayerDigest],
        earlier: &[Vec<LayerDigest>],
        staging: &Path,
    ) -> Result<Exported, ExportError> {
        let skipped = self.fill(tree, layers, staging)?;
        let mut possible = earlier.to_vec();
        possible.push(layers.to_vec());
        self.remember(&possible)?;
        self.remove_all_but(staging)?;
        self.move_up(staging)?;
        let root = tree.get(&TreePath::root()).map(|shown| &shown.entry);
        let mut maker = Maker::reopen(&self.path, Strictness::AsPermitted)?;
        maker.skipped = skipped;
        maker.finish(root.into_iter())?;
        self.remember(&[layers.to_vec()])?;
        Ok(Exported { entries: tree.len(), skipped: maker.skipped })
    }

    fn fill(&self, tree: &Tree, layers: &[LayerDigest], staging: &Path) -> Result<Vec<TreePath>, ExportError> {
        let roots = self.open_layers(layers)?;
        let mut maker = Maker::new(staging, Strictness::AsPermitted)?;
        let mut first_names: HashMap<(LayerIndex, &TreePath), &TreePath> = HashMap::new();
        for shown in tree.iter() {
            let carrier = carrier(shown);
            match first_names.get(&carrier) {
                Some(first) => maker.link(first, &shown.entry)?,
                None => maker.make(&shown.entry, || open_file(&roots[shown.layer.0], carrier.1))?,
            }
            if matches!(shown.entry.kind, Kind::File { .. }) {
                first_names.entry(carrier).or_insert(&shown.entry.path);
            }
        }
        let directories: Vec<&Entry> =
            tree.iter().map(|shown| &shown.entry).filter(|entry| entry.kind == Kind::Directory).collect();
        maker.finish(directories.into_iter())?;
        Ok(maker.skipped)
    }

    fn open_layers(&self, layers: &[LayerDigest]) -> Result<Vec<rustix::fd::OwnedFd>, ExportError> {
        let lease = self.store.ensure(layers)?;
        let open = |path: &Path| crate::tree_io::open_root(path).map_err(|error| FsError::new(path, "open", error));
        Ok(lease.directories().map(open).collect::<Result<_, _>>()?)
    }

    fn remove_all_but(&self, staging: &Path) -> Result<(), ExportError> {
        let error = |error| FsError::new(&self.path, "empty", error);
        for entry in std::fs::read_dir(&self.path).map_err(error)? {
            let place = entry.map_err(error)?.path();
            if place != staging {
                remove_tree(&place).map_err(error)?;
            }
        }
        Ok(())
    }

    fn move_up(&self, staging: &Path) -> Result<(), ExportError> {
        let error = |error| FsError::new(&self.path, "fill", error);
        for entry in std::fs::read_dir(staging).map_err(error)? {
            let entry = entry.map_err(error)?;
            std::fs::rename(entry.path(), self.path.join(entry.file_name())).map_err(error)?;
        }
        Ok(std::fs::remove_dir(staging).map_err(error)?)
    }

    /// Format of the record: device, inode, then for each stack the number of layers and their digests.
    fn remember(&self, stacks: &[Vec<LayerDigest>]) -> Result<(), StoreError> {
        let mut bytes: Vec<u8> = self.identity.iter().flat_map(|number| number.to_le_bytes()).collect();
        for stack in stacks {
            bytes.extend((stack.len() as u64).to_le_bytes());
            stack.iter().for_each(|digest| bytes.extend(digest.as_bytes()));
        }
        self.store.put_fact(EXPORT, &self.key, &bytes)
    }

    fn remembered(&self) -> Option<Vec<Vec<LayerDigest>>> {
        let bytes = self.store.fact(EXPORT, &self.key).ok()??;
        let (device, rest) = bytes.split_first_chunk::<8>()?;
        let (inode, mut rest) = rest.split_first_chunk::<8>()?;
        let mut stacks = Vec::new();
        while let Some((count, after)) = rest.split_first_chunk::<8>() {
            let length = usize::try_from(u64::from_le_bytes(*count)).ok()?.checked_mul(32)?;
            let (digests, after) = after.split_at_checked(length)?;
            let (digests, _) = digests.as_chunks::<32>();
            stacks.push(digests.iter().map(|digest| LayerDigest::from_bytes(*digest)).collect());
            rest = after;
        }
        let identity = [u64::from_le_bytes(*device), u64::from_le_bytes(*inode)];
        (identity == self.identity).then_some(stacks)
    }
}

/// Where the content of a file lies; names of one file share it.
fn carrier(shown: &Shown) -> (LayerIndex, &TreePath) {
    (shown.layer, shown.link_of.as_ref().unwrap_or(&shown.entry.path))
}

#[cfg(test)]
mod tests;
