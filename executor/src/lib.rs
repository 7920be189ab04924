//! Everything that touches the world: lock resolution, scheduling, key lookup, merge, events.
//!
//! The way of the data: a graph with unpinned inputs -> [`pins`] (the only networked phase) -> `sources` (what the work
//! tree holds) -> `keys` -> `schedule`: a hit, or `work` in a sandbox -> layer -> merge -> image -> destinations.
//!
//! Must not know: the language, the terminal. Names and places in a `.build` file are the caller's to add: errors carry
//! the derivation they are about.

mod build;
mod cache;
mod context;
mod descriptors;
mod disk;
mod error;
mod events;
mod failing_line;
mod image_layers;
mod images;
mod keys;
mod layer_bytes;
pub mod merge;
mod needed;
mod output;
mod path_text;
pub mod pins;
pub mod placement;
mod push;
mod record;
mod records;
mod reload;
pub mod runner;
mod schedule;
mod selection;
mod shown_files;
mod sources;
#[cfg(test)]
mod testing;
mod trees;
mod undeclared;
mod users;
mod work;

pub use build::{LockRequest, Report, Request, Summary, TargetReport, build, lock};
pub use cache::{CacheSettings, InvalidKey, PublicKey, SecretKey};
pub use descriptors::raise_descriptor_limit;
pub use disk::{FullDisk, Lack};
pub use error::{BuildError, StepFailure, Undeclared};
pub use events::{Event, ImageProgress, Listener, Work};
pub use images::ImageError;
pub use needed::Needed;
pub use sources::{SourceProblem, check_sources};
