//! Directories of this repository: which files a `dir` input holds, and the hashes of their bytes.
//!
//! With git: the tracked files that are still there, and the untracked files that are not ignored; as
//! `git ls-files --cached --others --exclude-standard` lists them, with these differences. What ignores a file is
//! `.gitignore` at any level and `info/exclude` of the repository; the user's own `core.excludesFile` and all
//! configuration outside of the repository do not count, so that two machines see the same files. A repository inside
//! of the work tree (a submodule or an untracked one) adds its files by its own rules; one that cannot be opened counts
//! as ordinary directories. Without git: all files. Never: anything named `.git`; directories as such; sockets, pipes
//! and devices.
//!
//! Rules: links are entries and never followed; names are bytes; lists are sorted by path bytes; nothing in the
//! repository is executed, so its owner does not matter. Must not know: patterns, the store's layout.

mod cache;
mod error;
mod hash;
mod repository;
mod walk;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use sinter_graph::path::TreePath;

use repository::Repository;

pub use cache::HashCache;
pub use error::DirectoryError;

/// A git work tree, or a plain directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkTree {
    root: PathBuf,
    is_git: bool,
}

/// A file of a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the directory that was listed.
    pub path: TreePath,
    /// What it is.
    pub kind: SourceKind,
    /// Length in bytes, of a link's target for a link.
    pub size: u64,
    /// What tells whether it changed.
    pub stat: StatIdentity,
}

/// What a file of a work tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A regular file.
    Regular {
        /// Whether its owner may execute it, the one permission git keeps.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as bytes, unresolved.
        target: Box<[u8]>,
    },
}

/// What the kernel says about a file without reading it. If none of this changed, the bytes did not either, unless the
/// file was written within the resolution of its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatIdentity {
    /// Length in bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub mtime: i128,
    /// Time of the last change of the inode, in nanoseconds since 1970.
    pub ctime: i128,
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub device: u64,
}

impl StatIdentity {
    /// Takes it from what the kernel said.
    #[must_use]
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            size: metadata.size(),
            mtime: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }
}

impl WorkTree {
    /// Finds the work tree that a directory lies in: the nearest directory upwards that holds a `.git`, or the directory
    /// itself where there is none. A `.git` without a work tree (a bare repository) does not count.
    ///
    /// # Errors
    /// If the directory cannot be read, or if a `.git` is there that is no readable repository.
    pub fn discover(build_file_dir: &Path) -> Result<Self, DirectoryError> {
        let directory =
            std::fs::canonicalize(build_file_dir).map_err(|error| DirectoryError::io("open", build_file_dir, error))?;
        for candidate in directory.ancestors() {
            if repository::is_work_tree(candidate)? {
                return Ok(Self { root: candidate.to_owned(), is_git: true });
            }
        }
        Ok(Self { root: directory, is_git: false })
    }

    /// The top of the work tree: absolute, without links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether git says which files there are.
    #[must_use]
    pub fn is_git(&self) -> bool {
        self.is_git
    }

    /// The files below a directory, sorted by path bytes. `relative_directory` is relative to the root, in normal form,
    /// empty for the root itself.
    ///
    /// # Errors
    /// If the directory is not there, leads through a link, or cannot be read; if the repository is damaged.
    pub fn list(&self, relative_directory: &str) -> Result<Vec<SourceFile>, DirectoryError> {
        let relative = self.checked(relative_directory)?;
        walk::list(self, &relative)
    }

    /// The submodules whose files are not there, because nobody has asked git for them; relative to the root, sorted.
    ///
    /// # Errors
    /// If a repository cannot be read.
    pub fn missing_submodules(&self) -> Result<Vec<TreePath>, DirectoryError> {
        let mut missing = Vec::new();
        // A submodule's directory replaced by a link could lead in a circle.
        let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
        let mut pending: Vec<TreePath> = self.is_git.then(TreePath::root).into_iter().collect();
        while let Some(repository) = pending.pop() {
            let directory = self.root.join(repository.to_os_path());
            if !seen.insert(std::fs::canonicalize(&directory).unwrap_or(directory)) {
                continue;
            }
            for path in Repository::open(&self.root.join(repository.to_os_path()))?.submodules() {
                let Ok(path) = TreePath::new(path).map(|path| repository.join(&path)) else { continue };
                let is_there = repository::looks_like_git(&self.root.join(path.to_os_path()));
                if is_there { pending.push(path) } else { missing.push(path) }
            }
        }
        missing.sort();
        Ok(missing)
    }

    /// Where a file of the listing of `relative_directory` is.
    #[must_use]
    pub fn locate(&self, relative_directory: &str, path: &TreePath) -> PathBuf {
        self.root.join(relative_directory).join(path.to_os_path())
    }

    /// Opens a file of the listing of `relative_directory` for reading, if it still is a regular file: no link is followed
    /// at its end, and a pipe that stands there meanwhile is not waited for.
    ///
    /// # Errors
    /// If it is gone, something else now, or cannot be read.
    pub fn open(&self, relative_directory: &str, path: &TreePath) -> std::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(self.locate(relative_directory, path), flags, Mode::empty())?);
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file any more"))
    }

    /// Links are refused because what they lead to may lie outside, or be listed twice.
    fn checked(&self, relative_directory: &str) -> Result<TreePath, DirectoryError> {
        let outside = |reason| DirectoryError::Outside { directory: relative_directory.to_owned(), reason };
        let relative = TreePath::new(relative_directory).map_err(|invalid| outside(invalid.reason))?;
        let mut here = self.root.clone();
        for component in relative.components() {
            use std::os::unix::ffi::OsStrExt;
            here.push(std::ffi::OsStr::from_bytes(component));
            let metadata =
                std::fs::symlink_metadata(&here).map_err(|error| DirectoryError::io("open", &here, error))?;
            if metadata.is_symlink() {
                return Err(outside("it leads through a symbolic link: name the directory itself"));
            }
            if !metadata.is_dir() {
                return Err(outside("it is no directory: name the directory it lies in and select the file"));
            }
        }
        Ok(relative)
    }
}

#[cfg(test)]
mod tests;
