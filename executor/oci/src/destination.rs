//! What `-o` says: where results are written, and in which form.

use std::fmt;
use std::path::{Path, PathBuf};

use sinter_graph::ErrorClass;
use sinter_graph::image_reference::{ImageReference, InvalidReference};

use crate::reference::reference_name;

/// Stands in a destination for the name of the target.
pub const TARGET_PLACEHOLDER: &str = "{target}";

const KINDS: &str = "oci:DIR, oci-archive:FILE, docker-archive:FILE, docker://REF, dir:DIR";

/// Where a result is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// `oci:DIR`: an OCI image layout, shared by several images, each under the name of its target.
    OciDirectory(PathBuf),
    /// `oci-archive:FILE`: an OCI image layout with one image as an uncompressed tar.
    OciArchive(PathBuf),
    /// `docker-archive:FILE`: what `docker load` and `podman load` read.
    DockerArchive(PathBuf),
    /// `dir:DIR`: the files themselves.
    Directory(PathBuf),
    /// `docker://REF`: an image in a registry. The reference as it was written.
    Registry(String),
}

/// A text that is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// There is no `KIND:` in front.
    #[error("`{text}` does not say what to write: expected one of {KINDS}")]
    NoKind {
        /// What was given.
        text: String,
    },
    /// The kind is not known.
    #[error("`{kind}:` is no kind of destination: expected one of {KINDS}")]
    UnknownKind {
        /// What stands before the colon.
        kind: String,
    },
    /// What follows `docker://` names no image.
    #[error("`{text}` names no image: {source}")]
    BadReference {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: InvalidReference,
    },
    /// Nothing stands after the colon.
    #[error("`{kind}:` needs a path after the colon")]
    NoPath {
        /// What stands before the colon.
        kind: String,
    },
    /// The path has a colon, which the tools that read such results take for the start of an image name.
    #[error(
        "`{text}`: other tools read what follows the second colon as an image name; sinter names an image after its \
         target, so leave it out (a path with a colon is possible with dir: only)"
    )]
    ColonInPath {
        /// What was given.
        text: String,
    },
    /// Two targets would have one name as images.
    #[error(
        "the targets `{one}` and `{other}` would both be the image `{name}`, because names of images have small letters \
         and single separators: rename one, or build them in two commands"
    )]
    SharedName {
        /// The target that has the name.
        one: String,
        /// The target that would get it too.
        other: String,
        /// The name.
        name: String,
    },
    /// Two results would be written to one place, or one into the other.
    #[error("{one} and {other} would be written to one place: give each a path of its own, outside of the other")]
    SharedPlace {
        /// What is written there first.
        one: String,
        /// What would replace it.
        other: String,
    },
    /// The path has a NUL.
    #[error("`{text}` contains a NUL character, which no path can")]
    NulInPath {
        /// What was given, made printable.
        text: String,
    },
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path) = match self {
            Self::OciDirectory(path) => ("oci", path),
            Self::OciArchive(path) => ("oci-archive", path),
            Self::DockerArchive(path) => ("docker-archive", path),
            Self::Directory(path) => ("dir", path),
            Self::Registry(reference) => return write!(f, "{REGISTRY}{reference}"),
        };
        write!(f, "{kind}:{}", path.display())
    }
}

impl DestinationError {
    /// Whose fault it is: always the user's.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::User
    }
}

impl Destination {
    /// Takes `KIND:PATH` or `docker://REF` as it stands on the command line.
    ///
    /// # Errors
    /// If there is no kind, the kind is unknown, the path is empty, has a NUL or, except for `dir:`, a colon, or if the
    /// reference names no image.
    ///
    /// ```
    /// use sinter_oci::Destination;
    /// assert_eq!(Destination::parse("oci:out"), Ok(Destination::OciDirectory("out".into())));
    /// assert!(Destination::parse("tar:out").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        if let Some(reference) = text.strip_prefix(REGISTRY) {
            let destination = Self::Registry(reference.to_owned());
            // Any target will do: its name is a word of a repository and a tag.
            return destination.for_target("t").reference().map(|_| destination);
        }
        let (kind, path) = text.split_once(':').ok_or_else(|| DestinationError::NoKind { text: text.to_owned() })?;
        let make = match kind {
            "oci" => Self::OciDirectory,
            "oci-archive" => Self::OciArchive,
            "docker-archive" => Self::DockerArchive,
            "dir" => Self::Directory,
            _ => return Err(DestinationError::UnknownKind { kind: kind.to_owned() }),
        };
        check_path(text, kind, path)?;
        Ok(make(path.into()))
    }

    /// The path, with the placeholder if there is one; `None` for a registry.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::OciDirectory(path) | Self::OciArchive(path) | Self::DockerArchive(path) | Self::Directory(path) => {
                Some(path)
            }
            Self::Registry(_) => None,
        }
    }

    /// The image in a registry that this names, once `{target}` is replaced.
    ///
    /// # Errors
    /// If it names none; always if it is no registry.
    pub fn reference(&self) -> Result<ImageReference, DestinationError> {
        let text = if let Self::Registry(reference) = self { reference.clone() } else { self.to_string() };
        text.parse().map_err(|source| DestinationError::BadReference { text: self.to_string(), source })
    }

    /// Whether several targets can be written there without one replacing another because the path holds `{target}`.
    #[must_use]
    pub fn has_target_placeholder(&self) -> bool {
        match self {
            Self::Registry(reference) => reference.contains(TARGET_PLACEHOLDER),
            _ => self.path().is_some_and(|path| path.to_string_lossy().contains(TARGET_PLACEHOLDER)),
        }
    }

    /// The same destination with `{target}` replaced by the name of a target; in a reference by the name that
    /// [`reference_name`] makes of it.
    #[must_use]
    pub fn for_target(&self, target: &str) -> Self {
        let expanded = |path: &Path| path.to_str().map_or_else(|| path.to_owned(), |text| replaced(text, target));
        match self {
            Self::OciDirectory(path) => Self::OciDirectory(expanded(path)),
            Self::OciArchive(path) => Self::OciArchive(expanded(path)),
            Self::DockerArchive(path) => Self::DockerArchive(expanded(path)),
            Self::Directory(path) => Self::Directory(expanded(path)),
            Self::Registry(text) => Self::Registry(text.replace(TARGET_PLACEHOLDER, &reference_name(target))),
        }
    }
}

/// Before the reference of an image in a registry, as skopeo and podman write it.
const REGISTRY: &str = "docker://";

fn replaced(text: &str, target: &str) -> PathBuf {
    text.replace(TARGET_PLACEHOLDER, target).into()
}

fn check_path(text: &str, kind: &str, path: &str) -> Result<(), DestinationError> {
    if path.is_empty() {
        return Err(DestinationError::NoPath { kind: kind.to_owned() });
    }
    if path.contains('\0') {
        return Err(DestinationError::NulInPath { text: text.escape_debug().to_string() });
    }
    if path.contains(':') && kind != "dir" {
        return Err(DestinationError::ColonInPath { text: text.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_kinds_give_their_destination() {
        for (text, expected) in [
            ("oci:out", Destination::OciDirectory("out".into())),
            ("oci-archive:a/b.tar", Destination::OciArchive("a/b.tar".into())),
            ("docker-archive:x", Destination::DockerArchive("x".into())),
            ("dir:a:b", Destination::Directory("a:b".into())),
            ("docker://localhost:5000/{target}:1", Destination::Registry("localhost:5000/{target}:1".to_owned())),
        ] {
            assert_eq!(Destination::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_destinations_name_the_fix() {
        for (text, fragment) in [
            ("out", "expected one of oci:DIR"),
            ("", "expected one of oci:DIR"),
            ("tar:out", "docker-archive:FILE"),
            ("OCI:out", "oci-archive:FILE"),
            ("docker://", "is empty"),
            ("docker://Web", "small letters"),
            ("docker:web", "`docker:` is no kind"),
            ("docker://a/{target}/", "empty word"),
            ("oci:", "needs a path"),
            ("oci:out:web", "leave it out"),
            ("dir:a\0b", "NUL"),
        ] {
            let message = Destination::parse(text).map_err(|error| error.to_string());
            assert!(matches!(&message, Err(m) if m.contains(fragment)), "{text:?}: {message:?}");
        }
    }

    #[test]
    fn target_replaces_every_placeholder() {
        let destination = Destination::OciArchive("out/{target}/{target}.tar".into());
        assert!(destination.has_target_placeholder());
        assert_eq!(destination.for_target("web"), Destination::OciArchive("out/web/web.tar".into()));
        assert!(!destination.for_target("web").has_target_placeholder());
        let pushed = Destination::Registry("localhost/{target}:{target}".to_owned());
        assert!(pushed.has_target_placeholder());
        let reference = pushed.for_target("webApp").reference().map(|reference| reference.to_string());
        assert_eq!(reference, Ok("localhost/webapp:webapp".to_owned()));
    }
}
