//! Why trees could not be merged.

use std::fmt::{self, Write as _};

use sinter_graph::ErrorClass;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Kind, Shown};

/// How many conflicts a message lists.
const LISTED: usize = 20;

/// Why trees could not be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Whole trees that share no layer.
    #[error("{} have no layer in common, so nothing tells which of their files belong together", listing(operands))]
    NoCommonBase {
        /// The names of the operands.
        operands: Vec<String>,
        /// What to write instead of one of them.
        selection: Instead,
    },
    /// Paths that trees changed in different ways.
    #[error("{}", conflict_message(conflicts, *total))]
    Conflicts {
        /// The first of them, at most 20, in order of their paths.
        conflicts: Vec<Conflict>,
        /// How many there are.
        total: usize,
    },
    /// No order of the layers shows the merged tree.
    #[error(
        "`/{path}` of `{operand}` is hidden in every order of the layers and would have to be copied: let one step stand \
         on the result of the other instead of merging them"
    )]
    NeedsContent {
        /// The path that would have to be copied.
        path: TreePath,
        /// The operand it belongs to.
        operand: String,
    },
}

/// A selection that can stand instead of a whole tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// The tree.
    pub operand: String,
    /// What its last step left, as a pattern.
    pub pattern: String,
}

/// A path that two trees changed in different ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path.
    pub path: TreePath,
    /// One tree, and what it has there.
    pub left: Side,
    /// The other tree, and what it has there.
    pub right: Side,
}

/// What one tree has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The name of the operand.
    pub operand: String,
    /// What it has there, for a message.
    pub has: String,
}

impl MergeError {
    /// Whose fault it is: the `.build` file says what is merged.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::User
    }

    /// The next step, where the message does not say it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoCommonBase { selection, .. } => {
                Some(format!("take one of them as a whole and select files of the others, for instance {selection}"))
            }
            Self::Conflicts { .. } => Some(
                "make one of the steps stand on the other, or narrow what they add with `keep` or `drop`".to_owned(),
            ),
            Self::NeedsContent { .. } => None,
        }
    }

    pub(super) fn conflicts(mut conflicts: Vec<Conflict>) -> Self {
        conflicts.sort_by(|left, right| left.path.cmp(&right.path));
        conflicts.dedup_by(|later, earlier| later.path == earlier.path);
        let total = conflicts.len();
        conflicts.truncate(LISTED);
        Self::Conflicts { conflicts, total }
    }
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operand, pattern } = self;
        if operand.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return write!(f, "`{operand}[\"{pattern}\"]` instead of `{operand}`");
        }
        // The name of a step in a matrix or function is no expression.
        write!(f, "write `[\"{pattern}\"]` behind the expression that gives `{operand}`")
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, left, right } = self;
        write!(f, "`/{path}`: `{}` has {}, `{}` has {}", left.operand, left.has, right.operand, right.has)
    }
}

fn conflict_message(conflicts: &[Conflict], total: usize) -> String {
    let mut message = format!("trees conflict in {total} path{}:", if total == 1 { "" } else { "s" });
    for conflict in conflicts {
        // Writing to a String cannot fail.
        let _ = write!(message, "\n  {conflict}");
    }
    if total > conflicts.len() {
        let _ = write!(message, "\n  and {} more", total - conflicts.len());
    }
    let is_database = |conflict: &Conflict| DATABASES.contains(&conflict.path.as_bytes());
    message.push_str(if conflicts.iter().any(is_database) {
        "\npackage databases are not merged: install all packages in one step, or let one step stand on the other"
    } else {
        "\nlet one step stand on the other, or leave these paths out with `drop`"
    });
    message
}

/// Files that packages of all kinds add to.
const DATABASES: &[&[u8]] = &[
    b"var/lib/dpkg/status",
    b"var/lib/apt/extended_states",
    b"var/cache/debconf/config.dat",
    b"var/cache/debconf/templates.dat",
    b"etc/passwd",
    b"etc/group",
    b"etc/shadow",
    b"etc/gshadow",
    b"etc/ld.so.cache",
];

fn listing(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// What is at a path, for a message: `other` is what the other tree has there, so that the difference is named.
pub(super) fn description(shown: Option<&Shown>, other: Option<&Shown>) -> String {
    let Some(shown) = shown else { return "deleted it".to_owned() };
    let entry = &shown.entry;
    let mut text = match &entry.kind {
        Kind::Directory => "a directory".to_owned(),
        Kind::File { size, .. } => format!("a file of {size} bytes"),
        Kind::Symlink { target } => format!("a link to `{}`", String::from_utf8_lossy(target)),
        Kind::HardLink { to } => format!("a hard link to `/{to}`"),
        Kind::Fifo => "a named pipe".to_owned(),
        Kind::CharacterDevice { major, minor } => format!("a character device {major}:{minor}"),
        Kind::BlockDevice { major, minor } => format!("a block device {major}:{minor}"),
        Kind::Whiteout => "deleted it".to_owned(),
    };
    let Some(other) = other.map(|other| &other.entry) else { return text };
    if let (Kind::File { content, size }, Kind::File { content: theirs, size: their_size }) = (&entry.kind, &other.kind)
        && content != theirs
        && size == their_size
    {
        let _ = write!(text, " (blake3 {})", &content.hex()[..12]);
    }
    if entry.mode != other.mode {
        let _ = write!(text, " of mode {:o}", entry.mode);
    }
    if (entry.uid, entry.gid) != (other.uid, other.gid) {
        let _ = write!(text, " of owner {}:{}", entry.uid, entry.gid);
    }
    if entry.xattrs != other.xattrs {
        let names: Vec<_> = entry.xattrs.keys().map(|name| String::from_utf8_lossy(name)).collect();
        let _ = write!(text, " with attributes [{}]", names.join(", "));
    }
    text
}
