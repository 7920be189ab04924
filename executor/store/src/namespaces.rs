//! The directories below `records/`: one for each kind of fact.

pub(crate) const DEFINITION: &str = "definition";
pub(crate) const CONTENT: &str = "content";
pub(crate) const STACK: &str = "stack";
pub(crate) const LAYER: &str = "layer";
pub(crate) const BLOB: &str = "blob";
pub(crate) const EXPORT: &str = "export";
pub(crate) const MERGED: &str = "merged";

/// All of them.
pub(crate) const ALL: [&str; 7] = [DEFINITION, CONTENT, STACK, LAYER, BLOB, EXPORT, MERGED];
