//! What a registry answers when it does not do what it is asked.

use std::path::PathBuf;

use sinter_graph::ErrorClass;
use sinter_graph::digest::BlobDigest;
use sinter_http::FetchError;

/// An exchange with a registry that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It does not let us in.
    #[error("{host} denies access to {repository}: {said}; {help}")]
    Denied {
        /// The registry.
        host: String,
        /// What was asked for.
        repository: String,
        /// In its words.
        said: String,
        /// Which credentials were used, and how to get others.
        help: String,
    },
    /// There is no such image or repository.
    #[error("{reference} does not exist (or may not be seen without other credentials)")]
    Unknown {
        /// The image.
        reference: String,
    },
    /// It wants to be left alone.
    #[error("{host} answers too many requests: {said}; wait, or log in: many registries allow more then")]
    TooMany {
        /// The registry.
        host: String,
        /// In its words.
        said: String,
    },
    /// It answers something else.
    #[error("{host} answered {status} to {action}: {said}")]
    Status {
        /// The registry.
        host: String,
        /// What was tried.
        action: String,
        /// The HTTP status.
        status: u16,
        /// In its words.
        said: String,
    },
    /// No answer came.
    #[error(transparent)]
    Http(#[from] FetchError),
    /// The answer breaks the protocol.
    #[error("{host} does not speak like a registry: {reason}")]
    Protocol {
        /// The registry.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// The bytes are others than the digest names.
    #[error("{host} sent {found} where {expected} was asked for: the registry is damaged or forged")]
    Mismatch {
        /// The registry.
        host: String,
        /// The digest that was asked for.
        expected: BlobDigest,
        /// The digest of what came.
        found: BlobDigest,
    },
    /// A file of settings or credentials cannot be used.
    #[error("{}: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the next step.
        reason: String,
    },
    /// The machine's settings forbid this registry.
    #[error("{prefix} is blocked by {}", path.display())]
    Blocked {
        /// What is blocked.
        prefix: String,
        /// The file that says so.
        path: PathBuf,
    },
    /// The bytes to push cannot be read.
    #[error("the blob {blob} cannot be read: {source}")]
    Source {
        /// The blob.
        blob: BlobDigest,
        /// Why.
        source: std::io::Error,
    },
}

impl RegistryError {
    /// Whose fault it is: the network's, the registry's, or the machine's settings.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Environment
    }
}
