//! Turning what a script left in an overlay upper directory into a normal layer, in place.
//!
//! A layer is the difference between what the script left and what it was given. The rules (part of
//! `sinter_graph::SEMANTICS`, guarded by golden layers):
//!
//! * An entry equal to what lies below in type, content, mode, owner and extended attributes is dropped; names of one
//!   file (hard links) stay or go together. A directory stays if it differs or if something in it stays.
//! * A deletion is a whiteout if the path comes from the tree below; deleting a declared file is no change of the tree.
//!   An opaque directory becomes explicit whiteouts.
//! * Every time is [`sinter_graph::EPOCH`]. Extended attributes are reduced to `user.*` but overlay's own,
//!   `security.capability` (version 2) and POSIX ACLs. Sockets are dropped; where one replaced something, that is a
//!   deletion.
//! * Files of the documented drop list ([`drop_list`]), what `keep` and `drop` exclude, and the sandbox's own mount
//!   points are never captured: below them the tree is as it was.
//! * The first name of a file in byte order carries it.
//!
//! The upper directory must be quiescent: nobody writes to it any more. Its root has the metadata the caller gave it,
//! which should be that of the root below.
//!
//! Must not know: steps, the store, how the sandbox works.

mod content;
mod difference;
mod drop_list;
mod given;
mod walk;
mod xattrs;

use std::io;
use std::path::Path;

use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Manifest};
use sinter_graph::{ErrorClass, FsError};

pub use given::{Given, NothingBelow};

use crate::tree_io::open_root;

/// What the script was given: the tree it stands on with the declared files on top.
pub trait Below {
    /// What was at exactly this path; links are not followed.
    fn get(&self, path: &TreePath) -> Option<BelowEntry<'_>>;

    /// What stood directly in this directory, in any order.
    fn children(&self, directory: &TreePath) -> Vec<BelowEntry<'_>>;
}

/// One path of what the script was given.
#[derive(Debug, Clone, Copy)]
pub struct BelowEntry<'a> {
    /// The entry. A hard link may stand as such, or as the file it is a name of.
    pub entry: &'a Entry,
    /// Whether it is a declared file, or a directory that is there only because of declared files: then deleting it
    /// leaves no whiteout.
    pub is_declared: bool,
}

/// What is not to be captured.
#[derive(Clone, Copy)]
pub struct CapturePolicy<'a> {
    /// Where the sandbox mounted something; neither these paths nor anything below them is captured.
    pub mount_points: &'a [TreePath],
    /// Whether a path may go into the layer.
    pub keep: &'a dyn Fn(&TreePath) -> bool,
    /// Whether a path must not go into the layer. Wins over `keep`.
    pub drop: &'a dyn Fn(&TreePath) -> bool,
}

impl CapturePolicy<'_> {
    /// Everything is captured.
    pub const ALL: CapturePolicy<'static> = CapturePolicy { mount_points: &[], keep: &|_| true, drop: &|_| false };

    fn admits(&self, path: &TreePath) -> bool {
        !(self.drop)(path) && (self.keep)(path)
    }
}

/// Why an upper directory cannot become a layer.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A name that means a deletion in every layer.
    #[error("/{path}: a name starting with `.wh.` means a deletion in an image layer; give the file another name")]
    ReservedName {
        /// The path.
        path: TreePath,
    },
    /// A path no image could be unpacked to.
    #[error("/{path}: the path is longer than {limit} bytes; make the tree flatter or remove it in the script")]
    PathTooLong {
        /// The path.
        path: TreePath,
        /// The longest path allowed, in bytes.
        limit: usize,
    },
    /// An extended attribute that no tar can hold.
    #[error("/{path}: the name of the extended attribute `{name}` contains `=`, which no tar can hold; remove it")]
    AttributeName {
        /// The path.
        path: TreePath,
        /// The attribute, made printable.
        name: String,
    },
    /// The operating system refused something.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl CaptureError {
    /// Whose fault it is.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::ReservedName { .. } | Self::PathTooLong { .. } | Self::AttributeName { .. } => ErrorClass::Step,
            Self::Fs(error) => error.class(),
        }
    }
}

/// The upper directory, for messages.
struct Upper<'a> {
    directory: &'a Path,
    root: rustix::fd::OwnedFd,
}

impl Upper<'_> {
    fn error(&self, path: &TreePath, action: &'static str, source: impl Into<io::Error>) -> CaptureError {
        FsError::new(&self.directory.join(path.to_os_path()), action, source).into()
    }
}

/// Normalises the overlay upper directory `upper` in place, by the rules in the head of this module, and gives the
/// manifest of the layer it now is. The manifest is empty if the script changed nothing.
///
/// # Errors
/// If the script left something no layer can hold, or if the directory cannot be read or changed. Then it is in no
/// particular state and must not be published.
pub fn capture(upper: &Path, below: &dyn Below, policy: &CapturePolicy<'_>) -> Result<Manifest, CaptureError> {
    let root = open_root(upper).map_err(|source| FsError::new(upper, "open", source))?;
    let upper = Upper { directory: upper, root };
    let found = walk::walk(&upper, policy)?;
    let contents = content::read_contents(&upper, &found)?;
    difference::settle(&upper, below, policy, found, contents)
}
