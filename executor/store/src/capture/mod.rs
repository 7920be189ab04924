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

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use rustix::fs::futimens;
use sinter_graph::digest::{ContentHash, LayerDigest};
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, Manifest};
use sinter_graph::{EPOCH, ErrorClass, FsError};

pub use given::{Given, NothingBelow};

use crate::archive::ArchiveError;
use crate::digest::{Treatment, survey};
use crate::seal::Seal;
use crate::tree_io::{open_root, whole_seconds};
use crate::xattrs::Xattrs;

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
    /// An extended attribute without a value.
    #[error("/{path}: the extended attribute `{name}` is empty, which no tar can hold; remove it or give it a value")]
    EmptyAttribute {
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
            Self::ReservedName { .. }
            | Self::PathTooLong { .. }
            | Self::AttributeName { .. }
            | Self::EmptyAttribute { .. } => ErrorClass::Step,
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

    /// What reading the settled directory failed with.
    fn unreadable(&self, error: ArchiveError) -> CaptureError {
        match error {
            ArchiveError::AttributeName { path, name } => CaptureError::AttributeName { path, name },
            ArchiveError::EmptyAttribute { path, name } => CaptureError::EmptyAttribute { path, name },
            ArchiveError::Read { path, source } => self.error(&path, "read", source),
            ArchiveError::Write(source) => self.error(&TreePath::root(), "hash", source),
            ArchiveError::Changed { path, what } => {
                self.error(&path, "capture", io::Error::other(format!("{what} changed meanwhile")))
            }
        }
    }
}

/// A layer that was made of an upper directory, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    pub(crate) manifest: Manifest,
    pub(crate) digest: LayerDigest,
    pub(crate) size: u64,
    pub(crate) seal: Seal,
}

impl Captured {
    /// The entries of the layer. There is none if the script changed nothing.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The digest of the layer's canonical tar.
    #[must_use]
    pub const fn digest(&self) -> &LayerDigest {
        &self.digest
    }

    /// The length in bytes of the layer's canonical tar.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The entries alone, for who makes the layer anew.
    #[must_use]
    pub fn into_manifest(self) -> Manifest {
        self.manifest
    }
}

/// Normalises the overlay upper directory `upper` in place, by the rules in the head of this module, and gives the layer
/// it now is. Its manifest is empty if the script changed nothing. Every file that stays is read once; only files that
/// may be equal to what lies below are read before.
///
/// # Errors
/// If the script left something no layer can hold, or if the directory cannot be read or changed. Then it is in no
/// particular state and must not be published.
pub fn capture(upper: &Path, below: &dyn Below, policy: &CapturePolicy<'_>) -> Result<Captured, CaptureError> {
    let root = open_root(upper).map_err(|source| FsError::new(upper, "open", source))?;
    let upper = Upper { directory: upper, root };
    let found = walk::walk(&upper, policy)?;
    let entries = difference::settle(&upper, below, policy, found)?;
    // Also where the root is no entry, because it is where the layer will stand.
    futimens(&upper.root, &whole_seconds(EPOCH))
        .map_err(|error| upper.error(&TreePath::root(), "set the time", error))?;
    let survey = survey(&upper.root, &entries, Treatment::Normalise).map_err(|error| upper.unreadable(error))?;
    let manifest = Manifest::new(learned(entries, survey.contents, survey.xattrs));
    Ok(Captured { manifest, digest: survey.digest, size: survey.size, seal: survey.seal })
}

/// The entries with the contents and attributes of their files. Other names of a file repeat its attributes.
fn learned(mut entries: Vec<Entry>, contents: Vec<ContentHash>, xattrs: BTreeMap<usize, Xattrs>) -> Vec<Entry> {
    let files = entries.iter_mut().filter_map(|entry| match &mut entry.kind {
        Kind::File { content, .. } => Some(content),
        _ => None,
    });
    files.zip(contents).for_each(|(content, found)| *content = found);
    let by_path: HashMap<TreePath, Xattrs> =
        xattrs.iter().map(|(index, xattrs)| (entries[*index].path.clone(), xattrs.clone())).collect();
    for entry in entries.iter_mut().filter(|_| !by_path.is_empty()) {
        let carrier = if let Kind::HardLink { to } = &entry.kind { to } else { &entry.path };
        if let Some(xattrs) = by_path.get(carrier) {
            entry.xattrs.clone_from(xattrs);
        }
    }
    entries
}

/// Refuses attributes that no archive can hold.
fn check_attributes(path: &TreePath, xattrs: &Xattrs) -> Result<(), CaptureError> {
    let printable = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    for (name, value) in xattrs {
        if name.contains(&b'=') {
            return Err(CaptureError::AttributeName { path: path.clone(), name: printable(name) });
        }
        if value.is_empty() {
            return Err(CaptureError::EmptyAttribute { path: path.clone(), name: printable(name) });
        }
    }
    Ok(())
}
