//! Which files a derivation asks for, and where they land on a tree.
//!
//! [`select`] turns `graph::derivation::Files` into a list of files with their hashes; [`place`] gives that list its
//! paths, modes, owners and one common time, as a manifest with a digest, and says where each file's bytes come from.
//!
//! Rules: pure but for what [`Supply`] does; the result depends on the selected files, the tree they land on, the
//! working directory and the owner, never on the order of selections. Must not know: the store, the sandbox.

mod error;
mod follow;
mod links;
mod obstacle;
mod place;
mod select;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use sinter_graph::derivation::{InputId, NodeId};
use sinter_graph::digest::{ContentHash, FilesDigest, LayerDigest};
use sinter_graph::path::TreePath;
use sinter_graph::pattern::Patterns;
use sinter_graph::tree::{Kind, Manifest, Tree};
use sinter_source::directory::{DirectoryError, SourceFile};

pub use error::PlacementError;
pub use links::LayerName;
pub use place::place;
pub use select::select;

/// What selecting needs from outside.
pub trait Supply {
    /// The files of an [`sinter_graph::derivation::Input::Directory`].
    ///
    /// # Errors
    /// If they cannot be listed.
    fn source(&self, input: InputId) -> Result<SourceView, DirectoryError>;

    /// What patterns select from that source, as indices of its files, if somebody found out already.
    fn matched(&self, _input: InputId, _patterns: &Patterns) -> Option<&[usize]> {
        None
    }

    /// The hashes of regular files of that source, in order.
    ///
    /// # Errors
    /// If they cannot be read.
    fn hash(&self, input: InputId, files: &[&SourceFile]) -> Result<Vec<ContentHash>, DirectoryError>;

    /// A tree that was made.
    fn tree(&self, node: NodeId) -> TreeView;

    /// The user and group of a name on the tree the files will land on; numbers are not asked for.
    fn owner(&self, name: &str) -> Option<(u32, u32)>;
}

/// The files of a source.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// What messages call it.
    pub name: String,
    /// Sorted by path.
    pub files: Arc<Vec<SourceFile>>,
}

/// A tree and what is said about it.
#[derive(Debug, Clone)]
pub struct TreeView {
    /// What messages call it.
    pub name: String,
    /// What it shows.
    pub tree: Arc<Tree>,
    /// Its layers, by the index that [`sinter_graph::tree::Shown::layer`] holds.
    pub layers: Arc<Vec<LayerDigest>>,
    /// Its working directory.
    pub workdir: TreePath,
}

/// Where a selected file is to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectedPath {
    /// Below the working directory.
    Relative(TreePath),
    /// From the root.
    Absolute(TreePath),
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentSource {
    /// In the work tree.
    WorkTree {
        /// The source.
        input: InputId,
        /// The path in its listing.
        path: TreePath,
    },
    /// In a layer of the store.
    Layer {
        /// The layer.
        digest: LayerDigest,
        /// The path in it.
        path: TreePath,
    },
    /// Here.
    Literal(Arc<str>),
    /// Nowhere: it is no regular file.
    Nothing,
}

/// A selected file, link, directory or device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Where it is to be.
    pub path: SelectedPath,
    /// What it is; never a hard link or a whiteout.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// The user and group that were asked for.
    pub owner: Option<(u32, u32)>,
    /// The user and group it has where it comes from, if that is a tree.
    pub former_owner: Option<(u32, u32)>,
    /// Extended attributes.
    pub xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// Where its bytes are.
    pub source: ContentSource,
    /// For a file of a tree: which name of which file it is.
    pub name: Option<LayerName>,
    /// What messages call the selection it comes from.
    pub origin: Arc<str>,
}

/// What files are placed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A step: what is placed, and the working directory if it is missing, belong to the step's user.
    Step,
    /// An image or a merge: what is placed belongs to root.
    Image,
}

/// Placed files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// All of them with their parent directories, times included. Empty if nothing was to be placed or made.
    pub manifest: Manifest,
    /// What names the manifest: BLAKE3 of its canonical encoding in the domain `files`.
    pub digest: FilesDigest,
    /// Where the bytes of each regular file are; those of a hard link are its carrier's.
    pub content: BTreeMap<TreePath, ContentSource>,
}
