//! Making results: one module for each kind of derivation. Called on threads that may block.

mod beside;
mod capped_log;
pub(crate) mod image;
pub(crate) mod merge;
pub(crate) mod placed;
pub(crate) mod pull;
mod remember;
pub(crate) mod step;
mod step_failure;
mod transcript;
pub(crate) mod unpack;
