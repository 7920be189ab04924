//! What can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};

use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_graph::tree::ManifestError;
use sinter_graph::{ErrorClass, FsError};

use crate::archive::{ArchiveError, ReadError};
use crate::materialise::ViewError;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store was written by a newer sinter.
    #[error("{}: the store has layout {found}, this sinter knows {known}; use a newer sinter or another --store", path.display())]
    NewerLayout {
        /// The root of the store.
        path: PathBuf,
        /// The number found.
        found: u64,
        /// The number this program writes.
        known: u64,
    },
    /// The store was written by an older sinter.
    #[error(
        "{}: the store has layout {found}, this sinter writes {known}; its results are made again: remove it with \
             `sinter cache clear --store {}`, or name another --store", path.display(), path.display()
    )]
    OlderLayout {
        /// The root of the store.
        path: PathBuf,
        /// The number found.
        found: u64,
        /// The number this program writes.
        known: u64,
    },
    /// Somebody else owns the directory.
    #[error("{}: the store belongs to user {owner}; a store serves its owner only: name another --store", path.display())]
    OtherOwner {
        /// The root of the store.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
    },
    /// The store was made under another map of ids, so that the owners of its files read differently here.
    #[error(
        "{}: the store was made under another map of user and group ids ({found}; here: {own}); name another --store", path.display()
    )]
    OtherIds {
        /// The root of the store.
        path: PathBuf,
        /// The map it was made under.
        found: String,
        /// The map of this process.
        own: String,
    },
    /// A build is using the store.
    #[error("{}: a build is using the store; wait for its end", path.display())]
    InUse {
        /// The root of the store.
        path: PathBuf,
    },
    /// Something stands where a directory of the store should be.
    #[error("{}: is no directory, so the store cannot be used; remove it and build again", path.display())]
    NotADirectory {
        /// What stands there.
        path: PathBuf,
    },
    /// The directory holds something that is no store.
    #[error("{}: not empty and not a sinter store; name an empty or new directory", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system refused something. On a full disk nothing was published.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The layer is not in the store (any more).
    #[error("layer {digest} is not in the store; build again")]
    MissingLayer {
        /// The layer.
        digest: LayerDigest,
    },
    /// The blob is not in the store (any more).
    #[error("blob {digest} is not in the store; build again")]
    MissingBlob {
        /// The blob.
        digest: BlobDigest,
    },
    /// Bytes in the store are not what was published. The object was dropped, so it is a miss from now on.
    #[error("{}: damaged: {reason}; it was dropped from the store, build again", path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// How that was seen.
        reason: String,
    },
    /// A file to be adopted is not what it was said to be.
    #[error("{}: expected {expected} ({expected_size} bytes), found {found} ({found_size} bytes)", path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// The digest that was promised.
        expected: BlobDigest,
        /// The size that was promised, in bytes.
        expected_size: u64,
        /// The digest of the bytes.
        found: BlobDigest,
        /// The size, in bytes.
        found_size: u64,
    },
    /// A directory to be published does not match its manifest.
    #[error("{}: cannot be published: {source}", path.display())]
    Mismatch {
        /// The directory.
        path: PathBuf,
        /// The first difference.
        source: ArchiveError,
    },
    /// A manifest to be published is not one.
    #[error("{}: cannot be published: {source}", path.display())]
    Manifest {
        /// The directory.
        path: PathBuf,
        /// The rule it breaks.
        source: ManifestError,
    },
    /// The receiver of a layer's bytes failed.
    #[error("cannot write layer {digest} to its destination: {source}")]
    Output {
        /// The layer.
        digest: LayerDigest,
        /// The reason.
        source: io::Error,
    },
    /// Bytes from elsewhere did not become the layer they were said to be.
    #[error("layer {digest} cannot be taken in: {source}")]
    Import {
        /// The layer that was expected.
        digest: LayerDigest,
        /// The reason.
        source: ImportError,
    },
    /// A layer that somebody else made cannot be unpacked.
    #[error("the image layer {layer} cannot be unpacked: {source}")]
    Foreign {
        /// The digest of its content.
        layer: BlobDigest,
        /// The reason.
        source: ForeignError,
    },
    /// A key handed to the store is not 64 lower-case hexadecimal digits.
    #[error("`{key}` is not a record key: expected 64 lower-case hexadecimal digits")]
    InvalidKey {
        /// What was given.
        key: String,
    },
}

impl StoreError {
    /// Whether bytes from elsewhere are to blame, which broke off or were not what was promised.
    pub(crate) const fn is_of_strange_bytes(&self) -> bool {
        matches!(self, Self::Import { source: ImportError::Archive(_) | ImportError::WrongDigest { .. }, .. })
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::NotAStore { .. } | Self::OtherOwner { .. } | Self::OtherIds { .. } => ErrorClass::User,
            Self::Import { source, .. } => source.class(),
            Self::Foreign { source, .. } => source.class(),
            Self::Mismatch { .. } | Self::Manifest { .. } | Self::InvalidKey { .. } => ErrorClass::Internal,
            Self::NewerLayout { .. }
            | Self::OlderLayout { .. }
            | Self::NotADirectory { .. }
            | Self::InUse { .. }
            | Self::Fs(_)
            | Self::MissingLayer { .. }
            | Self::MissingBlob { .. }
            | Self::Damaged { .. }
            | Self::WrongDigest { .. }
            | Self::Output { .. } => ErrorClass::Environment,
        }
    }

    /// An error of the operating system while `action` was tried on `path`.
    pub(crate) fn io(path: &Path, action: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Fs(FsError::new(path, action, source))
    }
}

/// Why bytes did not become a layer.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// They are no canonical archive.
    #[error(transparent)]
    Archive(#[from] ReadError),
    /// An entry cannot be made.
    #[error(transparent)]
    Make(#[from] ViewError),
    /// They are another layer.
    #[error("its bytes have the digest {found}")]
    WrongDigest {
        /// The digest of the bytes.
        found: LayerDigest,
    },
}

impl ImportError {
    /// Whose fault it is.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Make(error) => error.class(),
            Self::Archive(_) | Self::WrongDigest { .. } => ErrorClass::Environment,
        }
    }
}

/// Why a foreign layer is not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The bytes cannot be read, or break off.
    #[error("it cannot be read: {0}")]
    Input(#[source] io::Error),
    /// An entry cannot be part of a tree.
    #[error("its entry `{entry}` {reason}")]
    Entry {
        /// The name in the archive, made printable.
        entry: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// It has more bytes or entries than anybody's layer.
    #[error("it unpacks to more than {limit} {what}, which no honest layer does")]
    TooMuch {
        /// The limit.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// The unpacked bytes are others than the image's configuration says.
    #[error(
        "its content is {found} and not {expected}, as the image's configuration says: the image is damaged or forged"
    )]
    WrongContent {
        /// What the configuration says (`diff_ids`).
        expected: BlobDigest,
        /// What came.
        found: BlobDigest,
    },
    /// The files cannot be made.
    #[error(transparent)]
    Make(#[from] ViewError),
    /// The operating system refused something.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl ForeignError {
    /// Whose fault it is.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Environment
    }
}
