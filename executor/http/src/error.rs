//! What can go wrong over HTTP.

use std::path::PathBuf;

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server does not have it (404 or 410).
    #[error("{url} does not exist")]
    Gone {
        /// What was asked for.
        url: String,
    },
    /// The server refuses or fails.
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// No whole answer came, several times.
    #[error("{url} cannot be read: {reason}")]
    Transport {
        /// What was asked for.
        url: String,
        /// What the last try ended with.
        reason: String,
        /// Whether another try would end in the same way.
        is_final: bool,
    },
    /// The answer is larger than anything of its kind.
    #[error("{url} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The bytes are not the expected ones.
    #[error("{url} is not what was expected: {found} instead of {expected}")]
    Mismatch {
        /// What was asked for.
        url: String,
        /// The expected digest or size.
        expected: String,
        /// What came.
        found: String,
    },
    /// No socket may be opened.
    #[error("{url} is needed, and --offline forbids asking for it")]
    Offline {
        /// What was asked for.
        url: String,
    },
    /// The file to download into cannot be written.
    #[error("write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
