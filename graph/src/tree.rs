//! Trees as data: the entries of a layer, and what a stack of layers shows.
//!
//! Rules: a [`Manifest`] says what one layer changes, whiteouts included; a [`Tree`] says what is to be seen, so it
//! holds neither whiteouts nor links to other names. Must not know: where the bytes of a file are kept.

mod codec;
mod runs;
mod shown;
mod stack;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use codec::ManifestError;
pub use shown::{LayerIndex, Shown};
pub use stack::{Iter, Tree};

use crate::digest::ContentHash;
use crate::path::TreePath;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its length in bytes.
        size: u64,
        /// The hash of its bytes.
        content: ContentHash,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as bytes, unresolved.
        target: Box<[u8]>,
    },
    /// Another name of a file of the same layer. The first path of a group in byte order carries the file.
    HardLink {
        /// The path that carries the file.
        to: TreePath,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharacterDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// The path, and all below it, is deleted from the layers below.
    Whiteout,
}

/// One path of a layer and everything a layer records about it. A whiteout has zero metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is; the root is the empty path.
    pub path: TreePath,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky (12 bits).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time in whole seconds since 1970.
    pub mtime: i64,
    /// Extended attributes (`user.*`, `security.capability` as version 2, POSIX ACLs), by name.
    pub xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

impl Entry {
    /// A root-owned directory of mode 755.
    #[must_use]
    pub fn directory(path: TreePath) -> Self {
        Self::new(path, Kind::Directory, 0o755)
    }

    /// A root-owned entry with the time [`crate::EPOCH`] and no extended attributes.
    #[must_use]
    pub fn new(path: TreePath, kind: Kind, mode: u32) -> Self {
        Self { path, kind, mode, uid: 0, gid: 0, mtime: crate::EPOCH, xattrs: BTreeMap::new() }
    }

    /// Whether two entries are equal in everything but their times.
    #[must_use]
    pub fn same_but_time(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.mode == other.mode
            && self.uid == other.uid
            && self.gid == other.gid
            && self.xattrs == other.xattrs
    }
}

/// The entries of one layer, sorted by path bytes, no path twice, parents of every entry present (except that the root
/// itself may be absent).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    entries: Vec<Entry>,
}

impl Manifest {
    /// Takes entries in any order and adds missing parents as root-owned directories of mode 755.
    /// Of two entries with one path the later one stays.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let entries: Vec<Entry> = entries.into_iter().collect();
        if is_whole(&entries) {
            return Self { entries };
        }
        let mut by_path: BTreeMap<TreePath, Entry> = BTreeMap::new();
        for entry in entries {
            by_path.insert(entry.path.clone(), entry);
        }
        let missing: Vec<TreePath> =
            by_path.keys().flat_map(TreePath::ancestors).filter(|path| !by_path.contains_key(path)).collect();
        for path in missing {
            by_path.entry(path.clone()).or_insert_with(|| Entry::directory(path));
        }
        Self { entries: by_path.into_values().collect() }
    }

    /// The entries in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether there is no entry: such a difference yields no layer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry at exactly this path.
    #[must_use]
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.path.cmp(path)).ok().map(|index| &self.entries[index])
    }
}

/// Whether entries are sorted, none twice, with all their parents. Neighbours mostly share theirs.
fn is_whole(entries: &[Entry]) -> bool {
    let mut known: Option<TreePath> = None;
    entries.is_sorted_by(|a, b| a.path < b.path)
        && entries.iter().all(|entry| {
            let Some(parent) = entry.path.parent().filter(|parent| !parent.is_root()) else { return true };
            if known.as_ref() == Some(&parent) {
                return true;
            }
            let there = entries.binary_search_by(|other| other.path.cmp(&parent)).is_ok();
            known = Some(parent);
            there
        })
}
