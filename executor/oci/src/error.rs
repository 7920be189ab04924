//! What can go wrong while an image is written.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use sinter_graph::digest::BlobDigest;
use sinter_graph::{ErrorClass, FsError};

/// A layer that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct LayerError {
    /// Whose fault it is.
    pub class: ErrorClass,
    /// What the store said.
    pub source: Box<dyn Error + Send + Sync>,
}

/// An image that could not be written. What stood at the destination before still stands there.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// The directory holds files of somebody else.
    #[error(
        "{} is not empty and is no OCI layout (it has no file `oci-layout`): name an empty or a new directory",
        directory.display()
    )]
    NotALayout {
        /// The directory of the destination.
        directory: PathBuf,
    },
    /// The layout has a version this program does not know.
    #[error(
        "{} is an OCI layout of version {version}, and sinter writes version 1.0.0: name another directory",
        directory.display()
    )]
    LayoutVersion {
        /// The directory of the destination.
        directory: PathBuf,
        /// What its `oci-layout` says, made printable.
        version: String,
    },
    /// The layout's index cannot be understood, so nothing can be added to it.
    #[error("{} is no OCI index: {reason}; remove the directory or name another", file.display())]
    BadIndex {
        /// The index file.
        file: PathBuf,
        /// Which rule it breaks.
        reason: String,
    },
    /// The destination of an archive exists and is a directory, a device or a pipe.
    #[error("{} exists and is no regular file: an archive replaces its file in one step, so name a file", file.display())]
    NotAFile {
        /// The file of the destination.
        file: PathBuf,
    },
    /// The operating system refused something.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The store could not give a layer.
    #[error("layer {layer} cannot be read from the store: {source}")]
    Layer {
        /// Which layer.
        layer: BlobDigest,
        /// What the store said.
        source: LayerError,
    },
    /// The store gave a layer of another length than the manifest says.
    #[error("layer {layer} has {found} bytes, and the manifest says {expected}; please report this bug")]
    LayerSize {
        /// Which layer.
        layer: BlobDigest,
        /// Bytes according to the manifest.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// The destination is no layout and no archive.
    #[error("{destination} is no file an image can be written to; please report this bug")]
    OtherDestination {
        /// The destination.
        destination: String,
    },
}

impl OciError {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotALayout { .. } | Self::LayoutVersion { .. } | Self::NotAFile { .. } => ErrorClass::User,
            Self::BadIndex { .. } | Self::Fs(_) => ErrorClass::Environment,
            Self::Layer { source, .. } => source.class,
            Self::LayerSize { .. } | Self::OtherDestination { .. } => ErrorClass::Internal,
        }
    }

    /// Makes an error of a failed `operation` on `path`.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Fs(FsError { action: operation, path, source })
    }
}
