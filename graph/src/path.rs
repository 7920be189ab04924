//! Paths inside a tree.

mod absolute;

use std::fmt;
use std::sync::Arc;

pub use absolute::{AbsolutePath, NotAbsolute};

/// A path below the root of a tree, as bytes, without a leading slash. The root itself is the empty path.
///
/// Such a path cannot leave its tree: no component is empty, `.` or `..`, and there is no NUL. Copies share their bytes.
///
/// ```
/// use sinter_graph::path::TreePath;
/// assert_eq!(TreePath::new("usr/bin/env").unwrap().parent().unwrap(), TreePath::new("usr/bin").unwrap());
/// for bad in ["/usr", "usr/", "a//b", "./a", "a/..", "a\0b"] {
///     assert!(TreePath::new(bad).is_err(), "{bad}");
/// }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Arc<[u8]>);

/// A text that is no path inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a path inside a tree: {reason}")]
pub struct InvalidPath {
    /// What was given, made printable.
    pub path: String,
    /// Which rule it breaks.
    pub reason: &'static str,
}

impl TreePath {
    /// The root of the tree.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::default())
    }

    /// Takes a relative path that is already in normal form.
    ///
    /// # Errors
    /// If a component is empty, `.` or `..`, or if there is a NUL.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, InvalidPath> {
        let bytes = path.as_ref();
        let invalid = |reason| Err(InvalidPath { path: String::from_utf8_lossy(bytes).into_owned(), reason });
        if bytes.contains(&0) {
            return invalid("it contains a NUL byte");
        }
        if !bytes.is_empty() {
            for component in bytes.split(|&byte| byte == b'/') {
                match component {
                    b"" => return invalid("it has an empty component"),
                    b"." | b".." => return invalid("it contains `.` or `..`"),
                    _ => {}
                }
            }
        }
        Ok(Self(bytes.into()))
    }

    /// Takes a path as people and archives write it: leading `/` or `./`, doubled and trailing slashes are dropped.
    ///
    /// # Errors
    /// If a component is `..`, or if there is a NUL.
    pub fn normalized(path: impl AsRef<[u8]>) -> Result<Self, InvalidPath> {
        let components: Vec<&[u8]> = path
            .as_ref()
            .split(|&byte| byte == b'/')
            .filter(|component| !component.is_empty() && *component != b".")
            .collect();
        Self::new(components.join(&b'/'))
    }

    /// The bytes, without a leading slash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.0.rsplit(|&byte| byte == b'/').next().filter(|name| !name.is_empty())
    }

    /// The path without its last component; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// The parent, its parent and so on, nearest first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + use<> {
        std::iter::successors(self.parent(), Self::parent).filter(|path| !path.is_root())
    }

    /// The components from the root downwards.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|component| !component.is_empty())
    }

    /// This path followed by `tail`.
    #[must_use]
    pub fn join(&self, tail: &Self) -> Self {
        match (self.is_root(), tail.is_root()) {
            (true, _) => tail.clone(),
            (_, true) => self.clone(),
            _ => Self([&self.0, &b"/"[..], &tail.0].concat().into()),
        }
    }

    /// Whether this path is `ancestor` or lies below it.
    #[must_use]
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        self.strip_prefix(ancestor).is_some()
    }

    /// The rest of this path below `ancestor`; the root if they are equal; `None` if it does not lie below.
    #[must_use]
    pub fn strip_prefix(&self, ancestor: &Self) -> Option<Self> {
        if ancestor.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(&ancestor.0[..])? {
            [] => Some(Self::root()),
            [b'/', rest @ ..] => Some(Self(rest.into())),
            _ => None,
        }
    }

    /// The same path for system calls below a directory: `.` for the root.
    #[must_use]
    pub fn to_os_path(&self) -> std::path::PathBuf {
        use std::os::unix::ffi::OsStrExt;
        if self.is_root() { ".".into() } else { std::ffi::OsStr::from_bytes(&self.0).into() }
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).expect("a test path")
    }

    #[test]
    fn normalized_drops_what_archives_add() {
        for text in ["./usr/bin/", "/usr/bin", "usr//bin/.", "usr/bin"] {
            assert_eq!(TreePath::normalized(text), Ok(path("usr/bin")), "{text}");
        }
        assert!(TreePath::normalized("./").is_ok_and(|root| root.is_root()));
        assert!(TreePath::normalized("usr/../etc").is_err());
    }

    #[test]
    fn relations_respect_component_boundaries() {
        assert!(path("a/b").starts_with(&path("a")));
        assert!(!path("ab").starts_with(&path("a")));
        assert_eq!(path("a/b/c").strip_prefix(&path("a")), Some(path("b/c")));
        assert_eq!(path("a").strip_prefix(&path("a")), Some(TreePath::root()));
        assert_eq!(path("a/b/c").ancestors().collect::<Vec<_>>(), [path("a/b"), path("a")]);
        assert_eq!(TreePath::root().join(&path("a")), path("a"));
    }
}
