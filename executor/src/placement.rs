//! Placing files on a tree.
