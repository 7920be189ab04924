//! The directory that is exported to, reached only through its descriptor.
//!
//! Whoever owns it may change it at any moment, so no name in it is ever followed if it is a link: each directory on the
//! way is opened as one component.

use std::cell::RefCell;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, Stat, StatxFlags, flock, openat, statat, statx, unlinkat,
};
use rustix::io::Errno;
use sinter_graph::FsError;
use sinter_graph::path::TreePath;

use crate::tree_io::open_file;

/// What tells one directory from another that got its number later: device, inode, and the time it was made (0 where
/// the file system does not know).
pub(super) type Identity = [u64; 4];

/// What the operating system says about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) inode: u64,
    /// Changes with everything, and cannot be set.
    pub(super) changed: (i64, u64),
    pub(super) modified: (i64, u64),
    pub(super) size: u64,
    /// With the type.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Seen {
    pub(super) fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Directory
    }

    /// Whether it is the same but for its names: making and removing names of a file changes no more than this.
    pub(super) fn is_same_but_names(&self, other: &Self) -> bool {
        Self { changed: other.changed, ..*self } == *other
    }
}

#[expect(clippy::unnecessary_cast, reason = "the types of these fields differ between platforms")]
fn seen(stat: &Stat) -> Seen {
    Seen {
        inode: stat.st_ino,
        changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
    }
}

/// An open directory and the directory below it that was used last.
pub(super) struct Place {
    root: Rc<OwnedFd>,
    path: PathBuf,
    near: RefCell<Option<(TreePath, Rc<OwnedFd>)>>,
}

impl Place {
    /// Opens the directory, which is created if it is not there, and waits until nobody else exports to it.
    pub(super) fn open(destination: &Path) -> Result<Self, FsError> {
        std::fs::create_dir_all(destination).map_err(|error| FsError::new(destination, "create", error))?;
        let path = destination.canonicalize().map_err(|error| FsError::new(destination, "resolve", error))?;
        let root = open_directory(CWD, path.as_os_str().as_encoded_bytes());
        let root = Rc::new(root.map_err(|error| FsError::new(&path, "open", error))?);
        loop {
            match flock(&*root, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                result => break result.map_err(|error| FsError::new(&path, "lock", error))?,
            }
        }
        Ok(Self { root, path, near: RefCell::new(None) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn identity(&self) -> Result<Identity, FsError> {
        let found = statx(&*self.root, "", AtFlags::EMPTY_PATH, StatxFlags::INO | StatxFlags::BTIME);
        let found = found.map_err(|error| FsError::new(&self.path, "read", error))?;
        let device = rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor);
        let knows_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
        let birth = if knows_birth { (found.stx_btime.tv_sec, found.stx_btime.tv_nsec) } else { (0, 0) };
        Ok([device, found.stx_ino, birth.0.cast_unsigned(), birth.1.into()])
    }

    /// A directory below, opened component by component.
    pub(super) fn directory(&self, path: &TreePath) -> Result<Rc<OwnedFd>, FsError> {
        if path.is_root() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some((near, handle)) = &*self.near.borrow()
            && near == path
        {
            return Ok(Rc::clone(handle));
        }
        let mut handle = Rc::clone(&self.root);
        for name in path.components() {
            handle = Rc::new(open_directory(&*handle, name).map_err(|error| self.error(path, "open", error))?);
        }
        *self.near.borrow_mut() = Some((path.clone(), Rc::clone(&handle)));
        Ok(handle)
    }

    /// The directory that holds a path other than the root, and its name there.
    pub(super) fn parent<'p>(&self, path: &'p TreePath) -> Result<(Rc<OwnedFd>, &'p [u8]), FsError> {
        let parent = path.parent().unwrap_or_else(TreePath::root);
        Ok((self.directory(&parent)?, path.name().unwrap_or(b".")))
    }

    /// What is at a path; `None` if there is nothing.
    pub(super) fn look(&self, path: &TreePath) -> Result<Option<Seen>, FsError> {
        let (parent, name) = self.parent(path)?;
        match statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            result => Ok(Some(seen(&result.map_err(|error| self.error(path, "read", error))?))),
        }
    }

    /// The names in a directory, in order.
    pub(super) fn list(&self, directory: &TreePath) -> Result<Vec<TreePath>, FsError> {
        let failed = |error: Errno| self.error(directory, "list", error);
        let handle = self.directory(directory)?;
        let mut paths = Vec::new();
        for entry in Dir::read_from(&*handle).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                let name = TreePath::new(name).expect("a listed name is one component without NUL");
                paths.push(directory.join(&name));
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }

    /// Opens the file at a path for reading if it is still the one that was looked at.
    pub(super) fn open_file(&self, path: &TreePath, expected: &Seen) -> io::Result<std::fs::File> {
        let (parent, name) = self.parent(path).map_err(|error| error.source)?;
        let name = TreePath::new(name).map_err(io::Error::other)?;
        let file = open_file(&parent, &name)?;
        let same = file.metadata()?.ino() == expected.inode;
        if same { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    pub(super) fn remove(&self, path: &TreePath, is_directory: bool) -> Result<(), FsError> {
        let (parent, name) = self.parent(path)?;
        let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        if is_directory {
            // The name may come back as another directory.
            self.near.replace(None);
        }
        unlinkat(&*parent, name, flags).map_err(|error| self.error(path, "remove", error))
    }

    pub(super) fn error(&self, path: &TreePath, action: &'static str, source: impl Into<io::Error>) -> FsError {
        FsError::new(&self.path.join(path.to_os_path()), action, source)
    }
}

/// Opens one component, which may not be a link.
pub(super) fn open_directory(parent: impl rustix::fd::AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}
