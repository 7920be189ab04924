//! Why files could not be selected or placed.

use sinter_graph::ErrorClass;
use sinter_graph::path::TreePath;
use sinter_graph::pattern::InvalidPattern;
use sinter_source::directory::DirectoryError;

/// Why files could not be selected or placed.
#[derive(Debug, thiserror::Error)]
pub enum PlacementError {
    /// A source could not be listed or read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A text is no pattern.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// A pattern matches nothing.
    #[error("`{pattern}` matches nothing in `{origin}`{}", hint(nearest.as_deref(), *advice))]
    Unmatched {
        /// The pattern, as it was written.
        pattern: String,
        /// What it was to select from.
        origin: String,
        /// An existing path that resembles it.
        nearest: Option<String>,
        /// What else may explain it.
        advice: Option<&'static str>,
    },
    /// A text is no path.
    #[error("`{path}` is not where a file can be: {reason}")]
    Path {
        /// What was given.
        path: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// `sub` names a directory that holds none of the files.
    #[error("`{directory}` holds nothing of `{origin}`{}", hint(nearest.as_deref(), None))]
    EmptyDirectory {
        /// The directory.
        directory: String,
        /// What it was looked for in.
        origin: String,
        /// An existing path that resembles it.
        nearest: Option<String>,
    },
    /// Several files for one path.
    #[error("`{to}` is one file, but {count} were to be placed there: write `{to}/` to place them below it")]
    OnePlace {
        /// The path.
        to: String,
        /// How many files there are.
        count: usize,
    },
    /// A user name that the tree does not know.
    #[error("there is no user or group `{name}` in the tree: write a number, or create the user in an earlier step")]
    UnknownOwner {
        /// The name.
        name: String,
    },
    /// An owner that no file of a layer can have.
    #[error("the owner `{owner}` is number {number}, but files can belong to ids up to {largest} only")]
    LargeOwner {
        /// The owner as it was written.
        owner: String,
        /// Its user or group.
        number: u32,
        /// The largest number there is.
        largest: u32,
    },
    /// Two selections put different things at one path.
    #[error("`{left}` and `{right}` both place `/{path}`, and not the same: leave it out of one with an exclude")]
    Clash {
        /// The path.
        path: TreePath,
        /// One selection.
        left: String,
        /// The other.
        right: String,
    },
    /// Something of one kind where the tree has something of another.
    #[error("{placed} cannot be placed at `/{path}`: {obstacle}")]
    Blocked {
        /// Where it was to be.
        path: TreePath,
        /// What was to be placed, and from which selection.
        placed: String,
        /// What stands there, or on the way.
        obstacle: String,
    },
    /// A name that cannot be in a layer.
    #[error(
        "`/{path}` of `{origin}` cannot be placed: names that begin with `.wh.` mean deletions in image layers; give it \
         another name, or leave it out with an exclude"
    )]
    Reserved {
        /// Where it was to be.
        path: TreePath,
        /// The selection.
        origin: String,
    },
    /// A bug: a selected file has no content.
    #[error("sinter itself failed: nothing is known about the content of `{path}` of `{origin}`")]
    Lost {
        /// The file.
        path: TreePath,
        /// The selection.
        origin: String,
    },
    /// The tree's links lead in a circle.
    #[error("`/{path}` of `{origin}` cannot be placed: symbolic links on the way form a loop")]
    LinkLoop {
        /// The path.
        path: TreePath,
        /// The selection.
        origin: String,
    },
}

impl PlacementError {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Directory(error) => error.class(),
            Self::Lost { .. } => ErrorClass::Internal,
            _ => ErrorClass::User,
        }
    }

    /// The next step, where the message does not say it.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Blocked { .. } => Some(
                "a `/` forgotten at the end of `to` is the usual reason: `to = \"/opt/\"` places files below a directory, \
                 `to = \"/opt\"` makes one file with that name",
            ),
            _ => None,
        }
    }
}

fn hint(nearest: Option<&str>, advice: Option<&'static str>) -> String {
    match (nearest, advice) {
        (Some(nearest), _) => format!(": did you mean `{nearest}`?"),
        (None, Some(advice)) => format!(": {advice}"),
        (None, None) => String::new(),
    }
}
