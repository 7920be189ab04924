//! Which files a derivation asks for, and where they land on a tree.
//!
//! [`select`] turns `graph::derivation::Files` into a list of files with their hashes; [`place`] gives that list its
//! paths, modes, owners and one common time, as a manifest with a digest, and says where each file's bytes come from.
//!
//! Rules: pure but for what [`Supply`] does; the result depends on the selected files, the tree they land on, the
//! working directory and the owner, never on the order of selections. Must not know: the store, the sandbox.

mod place;
mod select;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use sinter_graph::ErrorClass;
use sinter_graph::derivation::{InputId, NodeId};
use sinter_graph::digest::{ContentHash, FilesDigest, LayerDigest};
use sinter_graph::path::TreePath;
use sinter_graph::pattern::InvalidPattern;
use sinter_graph::tree::{Kind, Manifest, Tree};
use sinter_source::directory::{DirectoryError, SourceFile};

pub use place::place;
pub use select::select;

/// What selecting needs from outside.
pub trait Supply {
    /// The files of an [`sinter_graph::derivation::Input::Directory`].
    ///
    /// # Errors
    /// If they cannot be listed.
    fn source(&self, input: InputId) -> Result<SourceView, DirectoryError>;

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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Where the bytes of each regular file are.
    pub content: BTreeMap<TreePath, ContentSource>,
}

/// Why files could not be selected or placed.
#[derive(Debug, thiserror::Error)]
pub enum PlacementError {
    /// A source could not be listed or read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A text is no pattern.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// A pattern matches nothing.
    #[error("`{pattern}` matches nothing in `{origin}`{}", hint(nearest.as_deref(), *advice))]
    Unmatched {
        /// The pattern, as it was written.
        pattern: String,
        /// What it was to select from.
        origin: String,
        /// An existing path that resembles it.
        nearest: Option<String>,
        /// What else may explain it.
        advice: Option<&'static str>,
    },
    /// A text is no path.
    #[error("`{path}` is not where a file can be: {reason}")]
    Path {
        /// What was given.
        path: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// `sub` names a directory that holds none of the files.
    #[error("`{directory}` holds nothing of `{origin}`{}", hint(nearest.as_deref(), None))]
    EmptyDirectory {
        /// The directory.
        directory: String,
        /// What it was looked for in.
        origin: String,
        /// An existing path that resembles it.
        nearest: Option<String>,
    },
    /// Several files for one path.
    #[error("`{to}` is one file, but {count} were to be placed there: write `{to}/` to place them below it")]
    OnePlace {
        /// The path.
        to: String,
        /// How many files there are.
        count: usize,
    },
    /// A user name that the tree does not know.
    #[error("there is no user or group `{name}` in the tree: write a number, or create the user in an earlier step")]
    UnknownOwner {
        /// The name.
        name: String,
    },
    /// Two selections put different things at one path.
    #[error("`{left}` and `{right}` both place `/{path}`, and not the same: leave it out of one with an exclude")]
    Clash {
        /// The path.
        path: TreePath,
        /// One selection.
        left: String,
        /// The other.
        right: String,
    },
    /// The tree's links lead in a circle.
    #[error("`/{path}` of `{origin}` cannot be placed: symbolic links on the way form a loop")]
    LinkLoop {
        /// The path.
        path: TreePath,
        /// The selection.
        origin: String,
    },
}

impl PlacementError {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Directory(error) => error.class(),
            _ => ErrorClass::User,
        }
    }
}

fn hint(nearest: Option<&str>, advice: Option<&'static str>) -> String {
    match (nearest, advice) {
        (Some(nearest), _) => format!(": did you mean `{nearest}`?"),
        (None, Some(advice)) => format!(": {advice}"),
        (None, None) => String::new(),
    }
}
