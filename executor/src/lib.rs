//! Everything that touches the world: lock resolution, scheduling, key lookup, merge, events.
//!
//! Must not know: the language, the terminal.

pub mod merge;
pub mod placement;
