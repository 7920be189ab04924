//! Writing a tree into a directory of the user: `-o dir:DIR`.
//!
//! The store remembers, for each directory it exported to, every entry and what the operating system said about it
//! afterwards, so no marker pollutes the result. Entries that are still the same are left alone; whatever somebody added
//! or changed is named and nothing is touched. New files are complete in a hidden directory inside before the old ones
//! go, so a failure leaves the old ones; a mount point works too.
//!
//! Before names change, the store remembers what was there *and* what is coming; afterwards, exactly what is there. So an
//! export that was killed at any point is completed by the next one.
//!
//! Must not know: images, targets, the command line.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinter_graph::digest::LayerDigest;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{LayerIndex, Manifest, Tree};
use sinter_graph::{ErrorClass, FsError};

use crate::error::StoreError;
use crate::export::apply::{Commit, Staging, look_at_all};
use crate::export::compare::{Found, find_ours};
use crate::export::memory::Memory;
use crate::export::place::Place;
use crate::export::plan::{Plan, Wanted};
use crate::materialise::ViewError;
use crate::namespaces::EXPORT;
use crate::store::Store;
use crate::tree_io::{open_file, open_root};

mod apply;
mod compare;
mod memory;
mod place;
mod plan;

const STAGING: &str = ".sinter-export-";

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// How many paths the tree has.
    pub entries: usize,
    /// Devices that this process may not make.
    pub skipped: Vec<TreePath>,
    /// Whether anything had to be written.
    pub changed: bool,
}

/// Why a tree could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The directory holds something an earlier export did not write.
    #[error(
        "{}: {} was added or changed by somebody else, and sinter does not touch it: move it away, or name an empty or \
         new directory",
        path.display(), found.display()
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// The first thing found that is not ours, relative to the directory.
        found: PathBuf,
    },
    /// Some files have their new names already, others not yet.
    #[error("{}: only a part of the new files is there; build again to complete them ({source})", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
        /// What ended the export.
        source: Box<ExportError>,
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
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotOurs { .. } => ErrorClass::User,
            Self::Unfinished { source, .. } => source.class(),
            Self::Store(error) => error.class(),
            Self::Make(error) => error.class(),
            Self::Fs(error) => error.class(),
        }
    }
}

/// Makes `destination` hold exactly what the layers, bottom first, show: contents (shared blocks where the file system
/// can, holes where there were some), modes, times, links and extended attributes, and owners and devices as far as this
/// process may. It is created if it is not there. What an earlier export left in it and is the same is left alone, what
/// differs is replaced, what is missing is made again.
///
/// # Errors
/// If the directory holds something that no export wrote or that was changed since, if a layer is not in the store or
/// damaged, or if something cannot be written; then what was there before is still there, unless the error is
/// [`ExportError::Unfinished`].
pub fn export_tree(store: &Store, layers: &[LayerDigest], destination: &Path) -> Result<Exported, ExportError> {
    let tree = stacked(store, layers)?;
    let export = Export::open(store, destination)?;
    let memory = export.remembered()?;
    let found = find_ours(&export.place, &memory)?;
    let plan = export.plan(&tree, &memory, &found)?;
    if plan.is_done() {
        return Ok(Exported { entries: tree.len(), skipped: Vec::new(), changed: false });
    }
    let skipped = export.replace(&plan, found, layers)?;
    let is_new = |wanted: &Wanted| !wanted.is_right && !skipped.contains(&wanted.entry.path);
    let changed = !plan.removed.is_empty() || plan.wanted.iter().skip(1).any(is_new);
    Ok(Exported { entries: tree.len(), changed: changed || skipped.is_empty(), skipped })
}

fn stacked(store: &Store, layers: &[LayerDigest]) -> Result<Tree, StoreError> {
    let manifests = layers.iter().map(|digest| store.manifest(digest)).collect::<Result<Vec<Arc<Manifest>>, _>>()?;
    Ok(Tree::stack(manifests.iter().enumerate().map(|(index, manifest)| (LayerIndex(index), manifest.as_ref()))))
}

/// The directory to export to, and where the store remembers it.
struct Export<'a> {
    store: &'a Store,
    place: Place,
    key: String,
}

impl<'a> Export<'a> {
    fn open(store: &'a Store, destination: &Path) -> Result<Self, ExportError> {
        let place = Place::open(destination)?;
        let key = blake3::hash(place.path().as_os_str().as_bytes()).to_hex().to_string();
        Ok(Self { store, place, key })
    }

    fn plan(&self, tree: &Tree, memory: &Memory, found: &[Found]) -> Result<Plan, ExportError> {
        let root = self.place.look(&TreePath::root())?;
        let root = root.ok_or_else(|| self.place.error(&TreePath::root(), "read", io::ErrorKind::NotFound))?;
        let remembered = memory.there.first().filter(|(entry, seen)| entry.path.is_root() && *seen == Some(root));
        Ok(Plan::new(tree, &root, remembered.map(|(entry, _)| entry), found))
    }

    /// Carries out a plan that has something to do. Gives what was left out.
    fn replace(&self, plan: &Plan, found: Vec<Found>, layers: &[LayerDigest]) -> Result<Vec<TreePath>, ExportError> {
        let (staging, skipped) = self.prepare(plan, layers)?;
        self.announce(plan, found)?;
        let unfinished =
            |error| ExportError::Unfinished { path: self.place.path().to_owned(), source: Box::new(error) };
        Commit::new(&self.place, plan, staging, &skipped).run().map_err(unfinished)?;
        let there = look_at_all(&self.place, plan)?;
        self.remember(Memory { there, coming: Vec::new() })?;
        Ok(skipped)
    }

    /// Makes all new files, without a name as yet, and tells what was left out.
    fn prepare(&self, plan: &Plan, layers: &[LayerDigest]) -> Result<(Staging<'_>, Vec<TreePath>), ExportError> {
        let lease = self.store.ensure(layers)?;
        // One at a time: there may be more layers than a process may have open files.
        let layers: Vec<&Path> = lease.directories().collect();
        let staging = Staging::create(&self.place)?;
        let skipped = staging.fill(plan, |(layer, path)| open_file(&open_root(layers[layer.0])?, path))?;
        Ok((staging, skipped))
    }

    /// Remembers what may be there until the export is finished. Directories may get any mode meanwhile.
    fn announce(&self, plan: &Plan, found: Vec<Found>) -> Result<(), ExportError> {
        let seen = |found: &Found| Some(found.seen).filter(|seen| !seen.is_directory());
        self.remember(Memory {
            there: found.into_iter().map(|found| (found.entry.clone(), seen(&found))).collect(),
            coming: plan.wanted.iter().map(|wanted| wanted.entry.clone()).collect(),
        })
    }

    fn remember(&self, memory: Memory) -> Result<(), ExportError> {
        Ok(self.store.put_fact(EXPORT, &self.key, &memory.encode(self.place.identity()?))?)
    }

    fn remembered(&self) -> Result<Memory, ExportError> {
        let identity = self.place.identity()?;
        let bytes = self.store.fact(EXPORT, &self.key)?;
        Ok(bytes.and_then(|bytes| Memory::decode(&bytes, identity)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
