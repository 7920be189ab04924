//! Merging trees.
