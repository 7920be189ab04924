//! Making the entries of a manifest on a disk.
//!
//! Rules: only below the given directory, which must be empty, so no link in it can lead away; every copied byte is
//! checked against the manifest. Must not know: where contents come from, what the directory is for.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags, chmodat, chownat, fchmod, fchown, fsetxattr, futimens,
    linkat, makedev, mkdirat, mknodat, openat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, Manifest, ManifestError};
use sinter_graph::{ErrorClass, FsError};

use crate::materialise::content::{Copier, CopyError};
use crate::tree_io::{open_file, open_root, os_path, whole_seconds};

mod content;

/// Why a directory could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The manifest is not one.
    #[error("the files cannot be laid out: {0}")]
    Manifest(#[from] ManifestError),
    /// The directory is not empty.
    #[error("{}: not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The content of a file cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The path in the manifest.
        path: TreePath,
        /// The reason.
        source: io::Error,
    },
    /// The content of a file is not what it was when the manifest was made.
    #[error("{path}: changed while it was read; build again when nothing writes to it")]
    Changed {
        /// The path in the manifest.
        path: TreePath,
    },
    /// The operating system refused something.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl ViewError {
    /// Whose fault it is.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Manifest(_) | Self::NotEmpty { .. } => ErrorClass::Internal,
            Self::Read { .. } | Self::Changed { .. } | Self::Fs(_) => ErrorClass::Environment,
        }
    }
}

/// Fills `directory`, which must be empty and is created if it is not there, with exactly the entries of `manifest`:
/// types, contents, modes, owners, times and extended attributes; each file is an inode of its own unless the manifest
/// says it is a hard link. `content` opens the content of an entry that is a file. Without an entry for it the root gets
/// mode 755 and the time [`sinter_graph::EPOCH`].
///
/// # Errors
/// If a content is not what the manifest says, or if something cannot be read or made. What was made so far stays.
pub fn write_view(
    directory: &Path,
    manifest: &Manifest,
    content: &dyn Fn(&Entry) -> io::Result<File>,
) -> Result<(), ViewError> {
    manifest.check()?;
    let mut maker = Maker::new(directory, Strictness::Exact)?;
    for entry in manifest.entries() {
        maker.make(entry, || content(entry))?;
    }
    maker.finish(manifest.entries().iter())
}

/// What to do with owners and devices that this process may not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Fail.
    Exact,
    /// Leave the owner, skip the device.
    AsPermitted,
}

/// Makes entries below one directory, parents first.
pub(crate) struct Maker<'a> {
    directory: &'a Path,
    pub(crate) root: OwnedFd,
    strictness: Strictness,
    copier: Copier,
    /// What [`Strictness::AsPermitted`] left out.
    pub(crate) skipped: Vec<TreePath>,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(directory: &'a Path, strictness: Strictness) -> Result<Self, ViewError> {
        let io = |action: &'static str| move |source| FsError::new(directory, action, source);
        std::fs::create_dir_all(directory).map_err(io("create"))?;
        if std::fs::read_dir(directory).map_err(io("list"))?.next().is_some() {
            return Err(ViewError::NotEmpty { path: directory.to_owned() });
        }
        Self::reopen(directory, strictness)
    }

    /// For a directory that shows something already.
    pub(crate) fn reopen(directory: &'a Path, strictness: Strictness) -> Result<Self, ViewError> {
        let root = open_root(directory).map_err(|error| FsError::new(directory, "open", error))?;
        Ok(Self::within(root, directory, strictness))
    }

    /// For an open directory; `directory` is where messages say that entries are.
    pub(crate) fn within(root: OwnedFd, directory: &'a Path, strictness: Strictness) -> Self {
        Self { directory, root, strictness, copier: Copier::new(), skipped: Vec::new() }
    }

    /// Makes one entry whose parent was made. Directories get their metadata from [`Maker::finish`].
    pub(crate) fn make(&mut self, entry: &Entry, content: impl FnOnce() -> io::Result<File>) -> Result<(), ViewError> {
        self.make_as(os_path(&entry.path), entry, content)
    }

    /// Makes one entry under another name than its own.
    pub(crate) fn make_as(
        &mut self,
        name: &[u8],
        entry: &Entry,
        content: impl FnOnce() -> io::Result<File>,
    ) -> Result<(), ViewError> {
        match &entry.kind {
            Kind::Directory if entry.path.is_root() => Ok(()),
            Kind::Directory => {
                let made = mkdirat(&self.root, name, Mode::RWXU);
                made.map_err(|error| self.error(entry, "create", error))
            }
            Kind::File { .. } => self.make_file(name, entry, content),
            Kind::HardLink { to } => self.link(to, entry),
            Kind::Symlink { target } => {
                let made = symlinkat(&target[..], &self.root, name);
                made.map_err(|error| self.error(entry, "create", error))?;
                self.set_owner_and_time(name, entry)
            }
            Kind::Whiteout => self.node(name, entry, FileType::CharacterDevice, (0, 0)).map(|_| ()),
            Kind::Fifo => self.make_node(name, entry, FileType::Fifo, (0, 0)),
            Kind::CharacterDevice { major, minor } => {
                self.make_node(name, entry, FileType::CharacterDevice, (*major, *minor))
            }
            Kind::BlockDevice { major, minor } => self.make_node(name, entry, FileType::BlockDevice, (*major, *minor)),
        }
    }

    /// Makes another name of a file that was made.
    fn link(&self, to: &TreePath, entry: &Entry) -> Result<(), ViewError> {
        linkat(&self.root, os_path(to), &self.root, os_path(&entry.path), AtFlags::empty())
            .map_err(|error| self.error(entry, "link", error))
    }

    /// Takes an entry away; of a directory everything below it must be gone.
    pub(crate) fn remove(&self, entry: &Entry) -> Result<(), ViewError> {
        let flags = if entry.kind == Kind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        unlinkat(&self.root, os_path(&entry.path), flags).map_err(|error| self.error(entry, "remove", error))
    }

    /// Gives a file that is there its metadata; directories get theirs from [`Maker::finish`].
    pub(crate) fn dress(&self, entry: &Entry) -> Result<(), ViewError> {
        if entry.kind == Kind::Directory {
            return Ok(());
        }
        let file = open_file(&self.root, &entry.path).map_err(|error| self.error(entry, "open", error))?;
        self.set_metadata(&file, entry)
    }

    /// Gives directories their metadata, children first: making an entry touches the directory it is made in, and a
    /// directory may forbid writing.
    pub(crate) fn finish<'e>(&self, entries: impl DoubleEndedIterator<Item = &'e Entry>) -> Result<(), ViewError> {
        let mut root = Entry::directory(TreePath::root());
        for entry in entries.rev().filter(|entry| entry.kind == Kind::Directory) {
            if entry.path.is_root() {
                root = entry.clone();
            } else {
                self.set_directory(entry)?;
            }
        }
        self.set_directory(&root)
    }

    fn set_directory(&self, entry: &Entry) -> Result<(), ViewError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.root, os_path(&entry.path), flags, Mode::empty());
        let directory = opened.map_err(|error| self.error(entry, "open", error))?;
        self.set_metadata(&directory, entry)
    }

    fn make_file(
        &mut self,
        name: &[u8],
        entry: &Entry,
        content: impl FnOnce() -> io::Result<File>,
    ) -> Result<(), ViewError> {
        let mut source = content().map_err(|source| ViewError::Read { path: entry.path.clone(), source })?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&self.root, name, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(made.map_err(|error| self.error(entry, "create", error))?);
        let copied = self.copier.copy(&mut source, &mut file).map_err(|error| match error {
            CopyError::Read(source) => ViewError::Read { path: entry.path.clone(), source },
            CopyError::Write(source) => self.error(entry, "write", source),
        })?;
        let same = matches!(&entry.kind, Kind::File { size, content }
            if *size == copied.0 && content.as_bytes() == copied.1.as_bytes());
        if !same {
            return Err(ViewError::Changed { path: entry.path.clone() });
        }
        self.set_metadata(&file, entry)
    }

    /// Owner before mode, because a change of owner clears setuid; and before attributes, because it clears
    /// capabilities; the time last.
    pub(crate) fn set_metadata(&self, file: impl AsFd, entry: &Entry) -> Result<(), ViewError> {
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        self.permitted(fchown(&file, Some(uid), Some(gid))).map_err(|e| self.error(entry, "set the owner", e))?;
        fchmod(&file, Mode::from_raw_mode(entry.mode)).map_err(|e| self.error(entry, "set the mode", e))?;
        for (name, value) in &entry.xattrs {
            let set = fsetxattr(&file, &name[..], value, XattrFlags::empty());
            self.permitted(set).map_err(|error| self.error(entry, "set an extended attribute", error))?;
        }
        futimens(&file, &whole_seconds(entry.mtime)).map_err(|error| self.error(entry, "set the time", error))
    }

    fn make_node(&mut self, name: &[u8], entry: &Entry, kind: FileType, device: (u32, u32)) -> Result<(), ViewError> {
        if !self.node(name, entry, kind, device)? {
            self.skipped.push(entry.path.clone());
            return Ok(());
        }
        self.set_owner_and_time(name, entry)?;
        let mode = Mode::from_raw_mode(entry.mode);
        chmodat(&self.root, name, mode, AtFlags::empty()).map_err(|error| self.error(entry, "set the mode", error))?;
        self.set_time(name, entry)
    }

    /// Makes a node; `false` if that is not permitted and need not be.
    fn node(&self, name: &[u8], entry: &Entry, kind: FileType, device: (u32, u32)) -> Result<bool, ViewError> {
        let device = makedev(device.0, device.1);
        match mknodat(&self.root, name, kind, Mode::empty(), device) {
            Ok(()) => Ok(true),
            Err(Errno::PERM) if self.strictness == Strictness::AsPermitted => Ok(false),
            Err(error) => Err(self.error(entry, "create", error)),
        }
    }

    fn set_owner_and_time(&self, name: &[u8], entry: &Entry) -> Result<(), ViewError> {
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        let set = chownat(&self.root, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
        self.permitted(set).map_err(|error| self.error(entry, "set the owner", error))?;
        self.set_time(name, entry)
    }

    fn set_time(&self, name: &[u8], entry: &Entry) -> Result<(), ViewError> {
        utimensat(&self.root, name, &whole_seconds(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| self.error(entry, "set the time", error))
    }

    fn permitted(&self, result: Result<(), Errno>) -> Result<(), Errno> {
        match result {
            Err(Errno::PERM | Errno::INVAL | Errno::NOTSUP) if self.strictness == Strictness::AsPermitted => Ok(()),
            result => result,
        }
    }

    pub(crate) fn error(&self, entry: &Entry, action: &'static str, source: impl Into<io::Error>) -> ViewError {
        FsError::new(&self.directory.join(entry.path.to_os_path()), action, source).into()
    }
}

#[cfg(test)]
mod tests;
