//! What comes from outside: directories of this repository, Debian packages.
//!
//! Must not know: the language, the graph's execution, the terminal.

pub mod debian;
pub mod directory;
