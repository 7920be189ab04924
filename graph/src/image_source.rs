//! Where a pulled image comes from: a registry, or a layout or archive of the work tree.

use std::fmt;
use std::str::FromStr;

use crate::image_reference::{ImageReference, InvalidReference};

/// What `pull` names. Its text is the canonical form, by which the lock knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageSource {
    /// An image of a registry.
    Registry(ImageReference),
    /// An image in a file or directory.
    Local(LocalImage),
}

/// An image in a file or directory of the work tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalImage {
    /// What is there.
    pub form: LocalForm,
    /// Where: as it was written, or relative to the root of the work tree once that is known.
    pub path: String,
    /// Which of several images.
    pub name: Option<String>,
}

/// The forms of images outside of registries, by the words that skopeo has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LocalForm {
    /// An OCI layout (OCI image-spec v1.1, `image-layout.md`).
    OciDirectory,
    /// A tar of an OCI layout.
    OciArchive,
    /// What `docker save` writes.
    DockerArchive,
}

impl LocalForm {
    const ALL: [Self; 3] = [Self::OciDirectory, Self::OciArchive, Self::DockerArchive];

    /// The word before the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OciDirectory => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
        }
    }
}

impl FromStr for ImageSource {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let local = text.split_once(':').and_then(|(word, rest)| {
            let form = LocalForm::ALL.into_iter().find(|form| form.as_str() == word)?;
            Some((form, rest))
        });
        // `oci:22` may be meant as an image of that name; but so it is for skopeo and podman.
        let Some((form, rest)) = local else { return text.parse().map(Self::Registry) };
        let (path, name) = rest.split_once(':').map_or((rest, None), |(path, name)| (path, Some(name)));
        if path.is_empty() || name.is_some_and(str::is_empty) {
            let reason =
                format!("after `{}:` stands a path, and after another colon the name of an image", form.as_str());
            return Err(InvalidReference { reason });
        }
        Ok(Self::Local(LocalImage { form, path: path.to_owned(), name: name.map(str::to_owned) }))
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Local(LocalImage { form, path, name }) => {
                write!(f, "{}:{path}", form.as_str())?;
                name.iter().try_for_each(|name| write!(f, ":{name}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_their_texts() {
        for (text, canonical) in [
            ("node", "docker.io/library/node:latest"),
            ("oci:images/base", "oci:images/base"),
            ("oci:images/base:v1", "oci:images/base:v1"),
            ("oci-archive:base.tar", "oci-archive:base.tar"),
            ("docker-archive:a.tar:x/y:1", "docker-archive:a.tar:x/y:1"),
            ("ocix:1", "docker.io/library/ocix:1"),
        ] {
            let source: ImageSource = text.parse().expect(text);
            assert_eq!(source.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(source));
        }
        for text in ["oci:", "oci::x", "oci:a:", "docker-archive:", "Node"] {
            assert!(text.parse::<ImageSource>().is_err(), "{text}");
        }
    }
}
