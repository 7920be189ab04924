//! Entries of a manifest on a disk: opening and comparing them below a directory.

use std::io;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, Timespec, Timestamps, major, minor, openat, readlinkat, statat,
};
use rustix::io::Errno;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind};

/// A path below a directory, for system calls.
pub(crate) fn os_path(path: &TreePath) -> &[u8] {
    if path.is_root() { b"." } else { path.as_bytes() }
}

/// Opens a directory to work below.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens a file below `root` for reading, never following a link in its last component nor blocking on a pipe. Reading it
/// leaves its access time alone where this process may ask for that.
pub(crate) fn open_file(root: &OwnedFd, path: &TreePath) -> io::Result<std::fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match openat(root, os_path(path), flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => Ok(openat(root, os_path(path), flags, Mode::empty())?.into()),
        result => Ok(result?.into()),
    }
}

/// What the operating system says about an entry.
pub(crate) fn stat(root: &OwnedFd, path: &TreePath) -> io::Result<Stat> {
    Ok(statat(root, os_path(path), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Whether this is how overlay marks a deleted path: a character device 0:0.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// The first thing in which what `stat` describes differs from `entry`, apart from contents and extended attributes.
pub(crate) fn difference(root: &OwnedFd, entry: &Entry, stat: &Stat) -> io::Result<Option<&'static str>> {
    if entry.kind == Kind::Whiteout {
        return Ok((!is_whiteout(stat)).then_some("the type"));
    }
    let checks = [
        (same_kind(root, entry, stat)?, "the type, size or target"),
        (stat.st_mode & 0o7777 == entry.mode, "the mode"),
        (stat.st_uid == entry.uid && stat.st_gid == entry.gid, "the owner"),
        (stat.st_mtime == entry.mtime, "the time"),
    ];
    Ok(checks.into_iter().find(|(same, _)| !same).map(|(_, what)| what))
}

fn same_kind(root: &OwnedFd, entry: &Entry, stat: &Stat) -> io::Result<bool> {
    let found = FileType::from_raw_mode(stat.st_mode);
    let device = (major(stat.st_rdev), minor(stat.st_rdev));
    Ok(match &entry.kind {
        Kind::Directory => found == FileType::Directory,
        Kind::File { size, .. } => found == FileType::RegularFile && u64::try_from(stat.st_size) == Ok(*size),
        Kind::HardLink { to } => {
            let first = self::stat(root, to)?;
            (first.st_dev, first.st_ino) == (stat.st_dev, stat.st_ino)
        }
        Kind::Symlink { target } => {
            found == FileType::Symlink && readlinkat(root, os_path(&entry.path), Vec::new())?.to_bytes() == &target[..]
        }
        Kind::Fifo => found == FileType::Fifo,
        Kind::CharacterDevice { major, minor } => found == FileType::CharacterDevice && device == (*major, *minor),
        Kind::BlockDevice { major, minor } => found == FileType::BlockDevice && device == (*major, *minor),
        Kind::Whiteout => is_whiteout(stat),
    })
}

/// A modification and access time in whole seconds.
pub(crate) fn whole_seconds(seconds: i64) -> Timestamps {
    let moment = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: moment, last_modification: moment }
}
