//! Plain data shared by everything that evaluates, plans or executes: digests, paths, trees, derivations, step
//! documents, keys and the lock file.
//!
//! Rules: pure (no IO, clock, environment); every type that enters a key has exactly one canonical encoding, made by
//! [`encode::Encoder`] and read back by [`decode::Decoder`]; identifiers are types of their own, so a layer digest cannot be passed as a key.
//! Must not know: the language, the store, processes, registries.

#[cfg(test)]
mod arbitrary;
pub mod config;
pub mod decode;
pub mod derivation;
pub mod digest;
pub mod encode;
mod error_class;
mod fs_error;
pub mod image_reference;
pub mod image_source;
pub mod inherit;
pub mod lock;
pub mod marks;
pub mod path;
pub mod pattern;
pub mod platform;
mod shared_text;
pub mod stack;
pub mod step;
pub mod tree;

pub use error_class::ErrorClass;
pub use fs_error::FsError;
pub use shared_text::SharedText;

/// Number of the canonical encoding of step documents and derivations. Raised when an encoding changes; golden keys
/// guard it.
pub const FORMAT: u32 = 2;

/// Number of the meaning of a step: what it can see and what capture does to what it wrote. Raised when the default
/// environment, `/dev`, the drop list, the capability set or a layer rule changes; golden layers guard it.
pub const SEMANTICS: u32 = 2;

/// The modification time, in seconds since 1970, of everything a step writes: 1980-01-02T00:00:00Z. It is the value of
/// `SOURCE_DATE_EPOCH` inside steps. One day later than the oldest time a zip archive knows, so that it stays valid in
/// every time zone.
pub const EPOCH: i64 = 315_619_200;
