//! Opening and reading files of the store, whatever stands in their place.
//!
//! Rules: no link is followed and nothing is waited for, whatever stands at the path; what is not there, or is no file,
//! is told from what cannot be read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use sinter_graph::FsError;

/// The bytes of a regular file; `None` if no regular file is there.
///
/// # Errors
/// If nobody can tell, or if it cannot be read.
pub(crate) fn read_small(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    read(path).map_err(|error| FsError::new(path, "read", error))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(mut file) = open(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Opens a regular file for reading; `None` if no regular file is there.
///
/// # Errors
/// If nobody can tell, or if it cannot be opened.
pub(crate) fn open_small(path: &Path) -> Result<Option<File>, FsError> {
    open(path).map_err(|error| FsError::new(path, "open", error))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NXIO) => return Ok(None),
        Err(Errno::LOOP) if std::fs::symlink_metadata(path)?.is_symlink() => return Ok(None),
        result => result?,
    };
    let is_file = FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::RegularFile;
    Ok(is_file.then(|| File::from(file)))
}
