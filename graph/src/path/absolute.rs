//! Absolute paths as text: working directories and the directories of a PATH.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::TreePath;

/// An absolute path in normal form: one leading slash, no trailing one, no empty, `.` or `..` component, no NUL. The root is
/// `/`.
///
/// ```
/// use sinter_graph::path::AbsolutePath;
/// assert_eq!(AbsolutePath::normalized("/srv//app/.").unwrap().as_str(), "/srv/app");
/// assert!(AbsolutePath::new("/srv/app/").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsolutePath(Cow<'static, str>);

/// A text that is no absolute path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not an absolute path: {reason}")]
pub struct NotAbsolute {
    /// What was given, made printable.
    pub path: String,
    /// Which rule it breaks.
    pub reason: &'static str,
}

impl AbsolutePath {
    /// `/app`, see [`crate::config::DEFAULT_WORKDIR`].
    pub(crate) const APP: Self = Self(Cow::Borrowed("/app"));

    /// Takes a path that is already in normal form.
    ///
    /// # Errors
    /// If it is no absolute path, or has another normal form.
    pub fn new(path: &str) -> Result<Self, NotAbsolute> {
        let normal = Self::normalized(path)?;
        if normal.as_str() == path { Ok(normal) } else { Err(refused(path, "it is not in normal form")) }
    }

    /// Takes a path as people write it.
    ///
    /// # Errors
    /// If it does not begin with `/`, or contains `..` or a NUL.
    pub fn normalized(path: &str) -> Result<Self, NotAbsolute> {
        if !path.starts_with('/') {
            return Err(refused(path, "it does not begin with `/`"));
        }
        if path.contains('\0') {
            return Err(refused(path, "it contains a NUL byte"));
        }
        let components: Vec<&str> =
            path.split('/').filter(|component| !component.is_empty() && *component != ".").collect();
        if components.contains(&"..") {
            return Err(refused(path, "it contains `..`"));
        }
        Ok(Self(Cow::Owned(format!("/{}", components.join("/")))))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The same place below the root of a tree.
    #[must_use]
    pub fn in_tree(&self) -> TreePath {
        TreePath::new(&self.0[1..]).expect("behind its slash, the normal form is that of a path in a tree")
    }
}

fn refused(path: &str, reason: &'static str) -> NotAbsolute {
    NotAbsolute { path: path.escape_debug().to_string(), reason }
}

impl AsRef<str> for AbsolutePath {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for AbsolutePath {
    type Err = NotAbsolute;

    /// As [`AbsolutePath::new`].
    fn from_str(path: &str) -> Result<Self, NotAbsolute> {
        Self::new(path)
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_form() {
        for (path, expected, place) in [
            ("/", Ok("/"), ""),
            ("/srv//app/", Ok("/srv/app"), "srv/app"),
            ("/srv/./app", Ok("/srv/app"), "srv/app"),
            ("/é", Ok("/é"), "é"),
            ("/srv/../etc", Err("it contains `..`"), ""),
            ("srv", Err("it does not begin with `/`"), ""),
            ("", Err("it does not begin with `/`"), ""),
            ("/a\0b", Err("it contains a NUL byte"), ""),
        ] {
            let normal = AbsolutePath::normalized(path);
            assert_eq!(normal.as_ref().map(AbsolutePath::as_str).map_err(|refused| refused.reason), expected, "{path}");
            if let Ok(normal) = normal {
                assert_eq!(normal.in_tree().as_bytes(), place.as_bytes());
                assert_eq!(AbsolutePath::new(path).is_ok(), normal.as_str() == path, "{path}");
            }
        }
        assert_eq!(AbsolutePath::new("/app"), Ok(AbsolutePath::APP));
    }
}
