//! What can go wrong with a directory of the repository.

use std::path::{Path, PathBuf};

use sinter_graph::ErrorClass;

/// Why the files of a directory could not be listed or hashed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was to be done, for instance `read`.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The path of a `dir` input is no directory of the work tree.
    #[error("`{directory}` cannot be an input: {reason}")]
    Outside {
        /// The path, relative to the root of the work tree.
        directory: String,
        /// Which rule it breaks and what to do.
        reason: &'static str,
    },
    /// There is a `.git` that cannot be understood.
    #[error("the git repository at `{}` cannot be read: {reason}; `git status` there may say more", root.display())]
    Repository {
        /// The directory that holds the `.git`.
        root: PathBuf,
        /// What git's files lack.
        reason: String,
    },
    /// A file changed between listing and reading it.
    #[error("`{}` changed while it was read: build again when nothing writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A name or target that no tree can hold.
    #[error("`{}` cannot be part of a tree: {reason}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Which rule it breaks.
        reason: &'static str,
    },
}

impl DirectoryError {
    pub(super) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => ErrorClass::User,
            Self::Outside { .. } | Self::Name { .. } => ErrorClass::User,
            Self::Io { .. } | Self::Repository { .. } | Self::Changed { .. } => ErrorClass::Environment,
        }
    }
}
