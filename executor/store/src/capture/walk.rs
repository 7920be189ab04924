//! Listing an upper directory.

use std::ffi::CString;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, major, minor, openat, readlinkat, statat, unlinkat,
};
use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind};

use super::{CaptureError, CapturePolicy, Upper, check_attributes, drop_list};
use crate::remove::remove_tree;
use crate::tree_io::{is_whiteout, open_file, os_path};
use crate::xattrs::{OverlayMarks, is_marked_whiteout, normalise};

/// The longest path, in bytes: `PATH_MAX` less the final NUL and a leading slash.
const PATH_LIMIT: usize = 4094;

/// One entry of an upper directory.
#[derive(Debug)]
pub(super) struct Found {
    /// What a layer says about it; content and attributes of a regular file are still to be read.
    pub(super) entry: Entry,
    pub(super) what: What,
    /// Device and inode, for names of one file.
    pub(super) identity: (u64, u64),
    pub(super) has_other_names: bool,
}

/// What an entry of an upper directory is.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// A directory; `opaque` if nothing below shows through it.
    Directory { opaque: bool },
    /// A regular file, whose content is still to be read.
    File,
    /// A symbolic link, a pipe or a device.
    Special,
    /// A deletion, as a character device 0:0.
    Whiteout,
    /// A deletion marked in another way, or a socket: to be replaced by a [`What::Whiteout`] or nothing.
    Gone,
}

/// Lists everything that can be captured, sorted by path bytes. Removes what the drop list, `keep`, `drop` and the mount
/// points exclude (directories only below mount points: the others may yet be needed as parents) and the attributes of
/// directories that are not kept.
pub(super) fn walk(upper: &Upper<'_>, policy: &CapturePolicy<'_>) -> Result<Vec<Found>, CaptureError> {
    let mut walk = Walk { upper, policy, found: Vec::new(), pending: vec![(TreePath::root(), false)] };
    while let Some((path, opaque)) = walk.pending.pop() {
        walk.directory(path, opaque)?;
    }
    walk.found.sort_unstable_by(|a, b| a.entry.path.cmp(&b.entry.path));
    Ok(walk.found)
}

struct Walk<'a> {
    upper: &'a Upper<'a>,
    policy: &'a CapturePolicy<'a>,
    found: Vec<Found>,
    /// Directories still to be read, and whether one above them is opaque.
    pending: Vec<(TreePath, bool)>,
}

impl Walk<'_> {
    fn directory(&mut self, path: TreePath, above_opaque: bool) -> Result<(), CaptureError> {
        let upper = self.upper;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(&upper.root, os_path(&path), flags, Mode::empty())
            .map_err(|error| upper.error(&path, "open", error))?;
        let stat = fstat(&directory).map_err(|error| upper.error(&path, "read", error))?;
        let (xattrs, marks) = normalise(&directory).map_err(|e| upper.error(&path, "read the attributes", e))?;
        check_attributes(&path, &xattrs)?;
        let opaque = above_opaque || marks.opaque;
        for name in list(&directory).map_err(|error| upper.error(&path, "list", error))? {
            self.entry(&directory, child(&path, &name)?, &name, OverlayMarks { opaque, ..marks })?;
        }
        let mut found = Found::new(path, &stat, What::Directory { opaque }, Kind::Directory);
        found.entry.xattrs = xattrs;
        self.found.push(found);
        Ok(())
    }

    fn entry(
        &mut self,
        directory: &OwnedFd,
        path: TreePath,
        name: &CString,
        marks: OverlayMarks,
    ) -> Result<(), CaptureError> {
        let upper = self.upper;
        if self.policy.mount_points.contains(&path) {
            let place = upper.directory.join(path.to_os_path());
            return remove_tree(&place).map_err(|error| upper.error(&path, "remove", error));
        }
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|error| upper.error(&path, "read", error))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            self.pending.push((path, marks.opaque));
            return Ok(());
        }
        let (what, kind) = self.what(directory, name, &path, &stat, marks)?;
        if self.is_excluded(&path, what) {
            return unlinkat(directory, name, AtFlags::empty()).map_err(|error| upper.error(&path, "remove", error));
        }
        self.found.push(Found::new(path, &stat, what, kind));
        Ok(())
    }

    fn is_excluded(&self, path: &TreePath, what: What) -> bool {
        let is_file = !matches!(what, What::Whiteout | What::Gone);
        (is_file && drop_list::is_listed(path)) || !self.policy.admits(path)
    }

    fn what(
        &self,
        directory: &OwnedFd,
        name: &CString,
        path: &TreePath,
        stat: &Stat,
        marks: OverlayMarks,
    ) -> Result<(What, Kind), CaptureError> {
        let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if is_whiteout(stat) => (What::Whiteout, Kind::Whiteout),
            FileType::CharacterDevice => (What::Special, Kind::CharacterDevice { major, minor }),
            FileType::BlockDevice => (What::Special, Kind::BlockDevice { major, minor }),
            FileType::Fifo => (What::Special, Kind::Fifo),
            FileType::Symlink => {
                let target = readlinkat(directory, name, Vec::new());
                let target = target.map_err(|error| self.upper.error(path, "read the link", error))?;
                (What::Special, Kind::Symlink { target: target.into_bytes().into() })
            }
            FileType::RegularFile if marks.holds_whiteouts && stat.st_size == 0 && self.is_marked(path)? => {
                (What::Gone, Kind::Whiteout)
            }
            FileType::RegularFile => (What::File, unread(stat)),
            _ => (What::Gone, Kind::Whiteout),
        })
    }

    fn is_marked(&self, path: &TreePath) -> Result<bool, CaptureError> {
        let marked = open_file(&self.upper.root, path).and_then(|file| Ok(is_marked_whiteout(&file)?));
        marked.map_err(|error| self.upper.error(path, "read the attributes", error))
    }
}

impl Found {
    fn new(path: TreePath, stat: &Stat, what: What, kind: Kind) -> Self {
        let mut entry = Entry::new(path, kind, stat.st_mode & 0o7777);
        (entry.uid, entry.gid) = (stat.st_uid, stat.st_gid);
        Self { entry, what, identity: (stat.st_dev, stat.st_ino), has_other_names: stat.st_nlink > 1 }
    }
}

/// A regular file of which only the size is known.
fn unread(stat: &Stat) -> Kind {
    Kind::File { size: u64::try_from(stat.st_size).unwrap_or(0), content: ContentHash::from_bytes([0; 32]) }
}

fn list(directory: &OwnedFd) -> Result<Vec<CString>, rustix::io::Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn child(directory: &TreePath, name: &CString) -> Result<TreePath, CaptureError> {
    let name = name.as_bytes();
    let path = if directory.is_root() { name.to_vec() } else { [directory.as_bytes(), b"/", name].concat() };
    let too_long = path.len() > PATH_LIMIT;
    let path = TreePath::new(path).expect("a listed name is one component without NUL");
    if too_long {
        return Err(CaptureError::PathTooLong { path, limit: PATH_LIMIT });
    }
    if name.starts_with(b".wh.") { Err(CaptureError::ReservedName { path }) } else { Ok(path) }
}
