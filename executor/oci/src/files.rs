//! Files that appear whole or not at all, in a directory that somebody else may change meanwhile.
//!
//! * A directory is opened once and everything in it is done through the descriptor; no name in it is followed if it is
//!   a link. So whoever owns the directory cannot lead a write elsewhere.
//! * A file is written under a temporary name of its own beside its final one, made exclusively, and renamed.
//! * The writer holds a lock (flock) on its temporary file, which the kernel releases however the writer ends: a
//!   temporary file without one is left by a killed process, and the next writer removes it.
//!
//! Must not know: layouts, archives.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, Dir, FallocateFlags, FileType, FlockOperation, Mode, OFlags, Stat, fallocate, flock, fstat, mkdirat,
    openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use sinter_graph::FsError;

use crate::error::OciError;

/// How the names of unfinished files begin and end; between stand 16 hexadecimal digits.
const PREFIX: &str = ".sinter-";
const SUFFIX: &str = ".part";

/// Documents (index, manifest, configuration) above this length are not read: no real one comes near it.
const DOCUMENT_LIMIT_BYTES: u64 = 16 << 20;

const BUFFER_BYTES: usize = 128 << 10;

/// An open directory.
pub(crate) struct Directory {
    handle: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory that the user named, following links.
    pub(crate) fn open(path: &Path) -> Result<Self, OciError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = openat(CWD, path, flags, Mode::empty()).map_err(failed("open", path))?;
        Ok(Self { handle, path: path.to_owned() })
    }

    /// Opens a directory that the user named, and creates it and its parents if they are not there.
    pub(crate) fn create(path: &Path) -> Result<Self, OciError> {
        std::fs::create_dir_all(path).map_err(OciError::io("create", path))?;
        Self::open(path)
    }

    /// Opens a directory in this one, never through a link.
    pub(crate) fn below(&self, name: &str) -> Result<Self, OciError> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = openat(&self.handle, name, flags, Mode::empty()).map_err(failed("open", &path))?;
        Ok(Self { handle, path })
    }

    /// As [`Directory::below`], and creates it if it is not there.
    pub(crate) fn create_below(&self, name: &str) -> Result<Self, OciError> {
        match mkdirat(&self.handle, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => self.below(name),
            Err(error) => Err(failed("create", &self.path.join(name))(error)),
        }
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until no other process holds this lock. `None` where the file system has no locks.
    pub(crate) fn lock(&self) -> Result<Option<File>, OciError> {
        let handle = self.handle.try_clone().map_err(OciError::io("open", &self.path))?;
        let directory = File::from(handle);
        Ok(directory.lock().is_ok().then_some(directory))
    }

    /// Reads a document; `None` if there is no such file.
    pub(crate) fn read_document(&self, name: &str) -> Result<Option<Vec<u8>>, OciError> {
        let path = self.path.join(name);
        let file = match self.open_file(name) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened.map_err(failed("read", &path))?,
        };
        let mut bytes = Vec::new();
        file.take(DOCUMENT_LIMIT_BYTES).read_to_end(&mut bytes).map_err(OciError::io("read", &path))?;
        Ok(Some(bytes))
    }

    /// Whether a file begins with these bytes.
    pub(crate) fn begins_with(&self, name: &str, head: &[u8]) -> bool {
        let start = || -> io::Result<Vec<u8>> {
            let mut start = Vec::new();
            self.open_file(name)?.take(head.len() as u64).read_to_end(&mut start)?;
            Ok(start)
        };
        start().is_ok_and(|start| start == head)
    }

    /// The length of a regular file; `None` if there is none of that name.
    pub(crate) fn file_size(&self, name: &str) -> Option<u64> {
        let found = self.stat(name).ok().filter(is_file)?;
        u64::try_from(found.st_size).ok()
    }

    /// Writes the file `name` by `content`, which gets a buffered writer. `size` bytes are reserved first, so that a disk
    /// that is too small is noticed at once.
    pub(crate) fn write_whole(
        &self,
        name: &str,
        size: u64,
        content: impl FnOnce(&mut dyn Write, &Path) -> Result<(), OciError>,
    ) -> Result<(), OciError> {
        let path = self.path.join(name);
        let mut temporary = Temporary::create(self)?;
        reserve(&temporary.file, size).map_err(failed("write", &path))?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &temporary.file);
        content(&mut out, &path)?;
        out.flush().map_err(OciError::io("write", &path))?;
        drop(out);
        renameat(&self.handle, &temporary.name, &self.handle, name).map_err(failed("rename to", &path))?;
        temporary.is_published = true;
        Ok(())
    }

    /// Writes the file `name` with these bytes.
    pub(crate) fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<(), OciError> {
        self.write_whole(name, 0, |out, path| out.write_all(bytes).map_err(OciError::io("write", path)))
    }

    /// The names in it. Names that are no UTF-8 are given with replacement characters, so they equal none of ours.
    pub(crate) fn names(&self) -> Result<Vec<String>, OciError> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle).map_err(failed("read", &self.path))? {
            let entry = entry.map_err(failed("read", &self.path))?;
            let name = entry.file_name().to_string_lossy();
            if !matches!(&*name, "." | "..") {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    /// Removes files that are not wanted. What cannot be removed stays.
    pub(crate) fn remove_if(&self, unwanted: impl Fn(&str) -> bool) {
        for name in self.names().unwrap_or_default().iter().filter(|name| unwanted(name)) {
            let _ = unlinkat(&self.handle, name, AtFlags::empty());
        }
    }

    /// Removes what killed writers left.
    pub(crate) fn sweep(&self) {
        for name in self.names().unwrap_or_default().iter().filter(|name| is_temporary(name)) {
            // The lock is held until the name is gone: a writer that made the file just now notices.
            if let Some(_lock) = self.abandoned(name) {
                let _ = unlinkat(&self.handle, name, AtFlags::empty());
            }
        }
    }

    /// The locked temporary file, if nobody else holds its lock.
    fn abandoned(&self, name: &str) -> Option<File> {
        self.stat(name).ok().filter(is_file)?;
        let file = self.open_file(name).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(file)
    }

    fn open_file(&self, name: &str) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(openat(&self.handle, name, flags, Mode::empty())?.into())
    }

    fn stat(&self, name: &str) -> Result<Stat, Errno> {
        statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)
    }
}

/// Whether this is how unfinished files are called.
pub(crate) fn is_temporary(name: &str) -> bool {
    let middle = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    middle.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A file that is being written. It is removed unless it got its final name.
struct Temporary<'a> {
    directory: &'a Directory,
    name: String,
    file: File,
    is_published: bool,
}

impl<'a> Temporary<'a> {
    fn create(directory: &'a Directory) -> Result<Self, OciError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let name = format!("{PREFIX}{:016x}{SUFFIX}", RandomState::new().hash_one(()));
            let file: File = match openat(&directory.handle, &name, flags, Mode::from_raw_mode(0o666)) {
                Err(Errno::EXIST) => continue,
                made => made.map_err(failed("create", &directory.path.join(&name)))?.into(),
            };
            // Without locks in this file system nobody can take the file for abandoned.
            let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
            let temporary = Self { directory, name, file, is_published: false };
            // Somebody who sweeps may have seen it between its creation and its lock.
            if locked != Err(Errno::WOULDBLOCK) && temporary.is_there() {
                return Ok(temporary);
            }
        }
    }

    fn is_there(&self) -> bool {
        let identity = |found: Stat| (found.st_dev, found.st_ino);
        let named = self.directory.stat(&self.name).map(identity);
        named.is_ok() && named == fstat(&self.file).map(identity)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // What stays is swept by the next writer.
        if !self.is_published && self.is_there() {
            let _ = unlinkat(&self.directory.handle, &self.name, AtFlags::empty());
        }
    }
}

/// Below this length a reservation costs more than it saves.
const RESERVATION_WORTHWHILE: u64 = 1 << 20;

fn reserve(file: &File, size: u64) -> Result<(), Errno> {
    if size < RESERVATION_WORTHWHILE {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
        Err(full @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(full),
        // Other refusals say that this file system cannot reserve.
        _ => Ok(()),
    }
}

fn is_file(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(Errno) -> OciError {
    move |errno| FsError::new(path, operation, errno).into()
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
