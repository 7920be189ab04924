//! Deleting trees that scripts made: any depth, any mode, as root or not.
//!
//! No recursion and no path longer than two names: a directory that is not empty is moved up beside the one being
//! deleted and dealt with later.

use std::ffi::CString;
use std::io;
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::moment::unique_name;

/// Deletes `path` and all below it. A `path` that is not there is fine, and so is somebody else deleting it meanwhile.
///
/// # Errors
/// If something cannot be deleted; the rest is deleted all the same.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no parent"));
    };
    let (Some(name), parent) = (
        path.file_name(),
        match open_directory(CWD, parent) {
            Err(Errno::NOENT) => return Ok(()),
            other => other?,
        },
    ) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no last component"));
    };
    let name = CString::new(name.as_encoded_bytes())?;
    remove_in(&parent, name)
}

/// As [`remove_tree`], for a name in an open directory.
pub(crate) fn remove_in(parent: &OwnedFd, name: CString) -> io::Result<()> {
    if settled(unlinkat(parent, &name, AtFlags::empty())) || settled(unlinkat(parent, &name, AtFlags::REMOVEDIR)) {
        return Ok(());
    }
    let (mut pending, mut failure) = (vec![name], Ok(()));
    while let Some(name) = pending.pop() {
        if let Err(error) = empty(parent, &name, &mut pending).and_then(|()| remove_directory(parent, &name)) {
            failure = Err(error.into());
        }
    }
    failure
}

/// Whether there is nothing left to do.
fn settled(result: Result<(), Errno>) -> bool {
    matches!(result, Ok(()) | Err(Errno::NOENT))
}

/// Deletes the entries of a directory; directories that are not empty move to `parent` and onto `pending`.
fn empty(parent: &OwnedFd, name: &CString, pending: &mut Vec<CString>) -> Result<(), Errno> {
    let directory = match open_directory(parent, name) {
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ACCESS) => open_locked_directory(parent, name)?,
        other => other?,
    };
    let mut failure = Ok(());
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        if let Err(error) = remove_entry(parent, &directory, &entry, pending) {
            failure = Err(error);
        }
    }
    failure
}

fn remove_entry(
    parent: &OwnedFd,
    directory: &OwnedFd,
    entry: &rustix::fs::DirEntry,
    pending: &mut Vec<CString>,
) -> Result<(), Errno> {
    let name = entry.file_name();
    let result = match entry.file_type() {
        FileType::Directory => Err(Errno::ISDIR),
        _ => match unlinkat(directory, name, AtFlags::empty()) {
            Err(Errno::ACCESS) => {
                rustix::fs::fchmod(directory, Mode::RWXU)?;
                unlinkat(directory, name, AtFlags::empty())
            }
            other => other,
        },
    };
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => remove_subdirectory(parent, directory, name, pending),
        Err(error) => Err(error),
    }
}

fn remove_subdirectory(
    parent: &OwnedFd,
    directory: &OwnedFd,
    name: &std::ffi::CStr,
    pending: &mut Vec<CString>,
) -> Result<(), Errno> {
    if settled(unlinkat(directory, name, AtFlags::REMOVEDIR)) {
        return Ok(());
    }
    let moved = CString::new(format!(".{}", unique_name())).map_err(|_| Errno::INVAL)?;
    let mut result = renameat(directory, name, parent, &moved);
    if result == Err(Errno::ACCESS) {
        // Moving a directory writes its `..`, which the modes of both can forbid to all but root.
        rustix::fs::fchmod(directory, Mode::RWXU)?;
        rustix::fs::chmodat(directory, name, Mode::RWXU, AtFlags::empty())?;
        result = renameat(directory, name, parent, &moved);
    }
    match result {
        Ok(()) => pending.push(moved),
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn remove_directory(parent: &OwnedFd, name: &CString) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn open_directory(parent: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn open_locked_directory(parent: &OwnedFd, name: &CString) -> Result<OwnedFd, Errno> {
    rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
    open_directory(parent, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn any_tree_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("tree");
        fs::create_dir_all(root.join("a/b/c")).expect("directories");
        fs::write(root.join("a/b/c/file"), "x").expect("a file");
        fs::write(directory.path().join("outside"), "x").expect("a file");
        symlink(directory.path(), root.join("a/link")).expect("a link");
        fs::set_permissions(root.join("a/b"), fs::Permissions::from_mode(0o000)).expect("a mode");
        remove_tree(&root).expect("removal");
        let left: Vec<_> =
            fs::read_dir(directory.path()).expect("a listing").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["outside"]);
    }

    #[test]
    fn depth_beyond_any_path_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("tree");
        fs::create_dir(&root).expect("a directory");
        let mut current = open_directory(CWD, &root).expect("the root");
        for _ in 0..3000 {
            rustix::fs::mkdirat(&current, "deep", Mode::RWXU).expect("a level");
            current = open_directory(&current, "deep").expect("a level");
        }
        remove_tree(&root).expect("removal");
        assert_eq!(fs::read_dir(directory.path()).expect("a listing").count(), 0);
    }

    #[test]
    fn missing_trees_and_files_are_fine() {
        let directory = tempfile::tempdir().expect("a directory");
        remove_tree(&directory.path().join("no/such")).expect("removal");
        fs::write(directory.path().join("file"), "x").expect("a file");
        remove_tree(&directory.path().join("file")).expect("removal");
        assert_eq!(fs::read_dir(directory.path()).expect("a listing").count(), 0);
    }
}
