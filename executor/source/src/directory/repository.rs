//! Git, as far as listing needs it: which paths are tracked, which are ignored. The only home of `gix`.
//!
//! Repositories are opened without any configuration from outside and without an excludes file of the user's.

use std::path::{Path, PathBuf};

use gix::bstr::{BStr, ByteSlice as _};
use gix::index::entry::Mode;
use gix::worktree::stack::state::ignore::Source;

use super::DirectoryError;

/// An open repository with its index.
pub(super) struct Repository {
    git: gix::Repository,
    index: gix::worktree::Index,
    ignores: gix::worktree::Stack,
    root: PathBuf,
}

impl Repository {
    /// Opens the repository whose `.git` stands in `root`.
    pub(super) fn open(root: &Path) -> Result<Self, DirectoryError> {
        let git = open_isolated(root)?;
        let index = git.index_or_empty().map_err(|error| unreadable(root, &error))?;
        let ignores = git
            .excludes(&index, None, Source::WorktreeThenIdMappingIfNotSkipped)
            .map_err(|error| unreadable(root, &error))?
            .detach();
        Ok(Self { git, index, ignores, root: root.to_owned() })
    }

    /// Whether the index holds this path; `path` is relative to the root of the repository.
    pub(super) fn tracks(&self, path: &[u8]) -> bool {
        self.index.entry_index_by_path(path.as_bstr()).is_ok()
    }

    /// Whether the index holds this directory as a submodule, or something below it.
    pub(super) fn tracks_below(&self, directory: &[u8]) -> bool {
        let is_submodule = |index: usize| self.index.entries()[index].mode.is_submodule();
        self.index.entry_index_by_path(directory.as_bstr()).is_ok_and(is_submodule)
            || self.index.path_is_directory(directory.as_bstr())
    }

    /// The directories that the index holds as submodules, relative to the root of the repository.
    pub(super) fn submodules(&self) -> impl Iterator<Item = &[u8]> {
        let entries = self.index.entries().iter().filter(|entry| entry.mode.is_submodule());
        entries.map(|entry| entry.path(&self.index).as_bytes())
    }

    /// Whether an untracked path is ignored.
    pub(super) fn ignores(&mut self, path: &[u8], is_directory: bool) -> Result<bool, DirectoryError> {
        let mode = if is_directory { Mode::DIR } else { Mode::FILE };
        let path: &BStr = path.as_bstr();
        match self.ignores.at_entry(path, Some(mode), &self.git.objects) {
            Ok(platform) => Ok(platform.is_excluded()),
            Err(error) => {
                Err(DirectoryError::io("read the ignore rules for", &self.root.join(path.to_os_str_lossy()), error))
            }
        }
    }
}

/// Whether `directory` is the top of a git work tree.
pub(super) fn is_work_tree(directory: &Path) -> Result<bool, DirectoryError> {
    if !looks_like_git(directory) {
        return Ok(false);
    }
    let git = open_isolated(directory)?;
    let Some(work_tree) = git.workdir() else { return Ok(false) };
    let real = std::fs::canonicalize(work_tree).map_err(|error| DirectoryError::io("open", work_tree, error))?;
    if real == directory {
        return Ok(true);
    }
    let reason = format!("its `core.worktree` is `{}`; build there", real.display());
    Err(DirectoryError::Repository { root: directory.to_owned(), reason })
}

/// Whether there is a `.git` that git would not pass over: a file, or a directory that holds a `HEAD`.
pub(super) fn looks_like_git(directory: &Path) -> bool {
    let dot_git = directory.join(".git");
    dot_git.is_file() || dot_git.join("HEAD").symlink_metadata().is_ok()
}

fn open_isolated(root: &Path) -> Result<gix::Repository, DirectoryError> {
    let options = gix::open::Options::isolated()
        .with(gix::sec::Trust::Full)
        .open_path_as_is(false)
        .config_overrides(["core.excludesFile=/dev/null"]);
    let repository = options.open(root).map_err(|error| unreadable(root, &error))?;
    Ok(repository.to_thread_local())
}

fn unreadable(root: &Path, error: &dyn std::fmt::Display) -> DirectoryError {
    DirectoryError::Repository { root: root.to_owned(), reason: error.to_string() }
}
