//! Making results: one module for each kind of derivation. Called on threads that may block.

pub(crate) mod image;
pub(crate) mod merge;
pub(crate) mod placed;
pub(crate) mod remember;
pub(crate) mod step;
mod transcript;
pub(crate) mod unpack;
