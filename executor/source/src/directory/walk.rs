//! Listing: one pass over the directories of a work tree.
//!
//! Directories wait on a stack of our own, so that no depth of nesting can exhaust the program's.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::{DirEntry, FileType};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sinter_graph::path::TreePath;

use super::repository::{Repository, looks_like_git};
use super::{DirectoryError, SourceFile, SourceKind, StatIdentity, WorkTree};

/// A directory still to be read.
struct Pending {
    absolute: PathBuf,
    /// Relative to the directory that is listed.
    listed: TreePath,
    rules: Rules,
}

/// Which rules say what belongs to the listing.
#[derive(Clone)]
struct Rules {
    /// `None`: there is no git, everything belongs.
    repository: Option<Rc<RefCell<Repository>>>,
    /// The directory, relative to the root of that repository.
    path: TreePath,
    /// Whether the directory is ignored, so that only tracked files below it belong.
    ignored: bool,
}

pub(super) fn list(work_tree: &WorkTree, relative: &TreePath) -> Result<Vec<SourceFile>, DirectoryError> {
    let mut rules = Rules { repository: None, path: TreePath::root(), ignored: false };
    if work_tree.is_git {
        rules.repository = Some(open(work_tree.root())?);
    }
    let mut absolute = work_tree.root.clone();
    for name in relative.components() {
        let name = OsStr::from_bytes(name);
        absolute.push(name);
        rules = rules.below(name, &absolute)?;
        rules = rules.of_nested_repository(&absolute);
    }
    let mut files = Vec::new();
    let mut pending = vec![Pending { absolute, listed: TreePath::root(), rules }];
    while let Some(directory) = pending.pop() {
        directory.read(&mut files, &mut pending)?;
    }
    files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

fn open(root: &Path) -> Result<Rc<RefCell<Repository>>, DirectoryError> {
    Repository::open(root).map(|repository| Rc::new(RefCell::new(repository)))
}

impl Rules {
    /// The rules for a directory in this one.
    fn below(&self, name: &OsStr, absolute: &Path) -> Result<Self, DirectoryError> {
        let path = joined(&self.path, name, absolute)?;
        let ignored = self.ignored || self.ask(|git| git.ignores(path.as_bytes(), true))?;
        Ok(Self { repository: self.repository.clone(), path, ignored })
    }

    /// The rules of a repository whose top is the directory `absolute`; these rules if there is none, or none that can
    /// be opened.
    fn of_nested_repository(self, absolute: &Path) -> Self {
        if self.repository.is_none() || self.path.is_root() || !looks_like_git(absolute) {
            return self;
        }
        match open(absolute) {
            Ok(repository) => Self { repository: Some(repository), path: TreePath::root(), ignored: false },
            Err(_) => self,
        }
    }

    /// Whether a directory with these rules can hold anything that belongs to the listing.
    fn worth_reading(&self) -> bool {
        let tracks = |git: &Rc<RefCell<Repository>>| git.borrow().tracks_below(self.path.as_bytes());
        !self.ignored || self.repository.as_ref().is_some_and(tracks)
    }

    /// Whether a file belongs to the listing.
    fn admit(&self, path: &TreePath) -> Result<bool, DirectoryError> {
        let Some(git) = &self.repository else { return Ok(true) };
        if git.borrow().tracks(path.as_bytes()) {
            return Ok(true);
        }
        Ok(!self.ignored && !git.borrow_mut().ignores(path.as_bytes(), false)?)
    }

    fn ask(
        &self,
        question: impl FnOnce(&mut Repository) -> Result<bool, DirectoryError>,
    ) -> Result<bool, DirectoryError> {
        self.repository.as_ref().map_or(Ok(false), |git| question(&mut git.borrow_mut()))
    }
}

impl Pending {
    fn read(self, files: &mut Vec<SourceFile>, pending: &mut Vec<Self>) -> Result<(), DirectoryError> {
        let entries = match read_directory(&self.absolute) {
            // It was deleted since its name was read.
            Err(DirectoryError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let holds_git = entries.iter().any(|(name, ..)| name == ".git");
        let rules = if holds_git { self.rules.of_nested_repository(&self.absolute) } else { self.rules };
        for (name, kind, entry) in entries.into_iter().filter(|(name, ..)| name != ".git") {
            let absolute = self.absolute.join(&name);
            let listed = joined(&self.listed, &name, &absolute)?;
            if kind.is_dir() {
                let rules = rules.below(&name, &absolute)?;
                if rules.worth_reading() {
                    pending.push(Self { absolute, listed, rules });
                }
            } else if (kind.is_file() || kind.is_symlink()) && rules.admit(&joined(&rules.path, &name, &absolute)?)? {
                files.extend(describe(&entry, listed)?);
            }
        }
        Ok(())
    }
}

fn read_directory(directory: &Path) -> Result<Vec<(OsString, FileType, DirEntry)>, DirectoryError> {
    let failed = |error| DirectoryError::io("read", directory, error);
    std::fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            Ok((entry.file_name(), kind, entry))
        })
        .collect()
}

/// `None` if the file was deleted since its name was read.
fn describe(entry: &DirEntry, path: TreePath) -> Result<Option<SourceFile>, DirectoryError> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = match entry.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(|error| DirectoryError::io("read", &entry.path(), error))?,
    };
    let kind = if metadata.is_symlink() {
        let target =
            std::fs::read_link(entry.path()).map_err(|error| DirectoryError::io("read", &entry.path(), error))?;
        SourceKind::Symlink { target: target.into_os_string().into_vec().into() }
    } else if metadata.is_file() {
        SourceKind::Regular { executable: metadata.mode() & 0o100 != 0 }
    } else {
        return Ok(None);
    };
    Ok(Some(SourceFile { path, kind, size: metadata.size(), stat: StatIdentity::of(&metadata) }))
}

fn joined(directory: &TreePath, name: &OsStr, absolute: &Path) -> Result<TreePath, DirectoryError> {
    match TreePath::new(name.as_bytes()) {
        Ok(name) => Ok(directory.join(&name)),
        Err(invalid) => Err(DirectoryError::Name { path: absolute.to_owned(), reason: invalid.reason }),
    }
}
