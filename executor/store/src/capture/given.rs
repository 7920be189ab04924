//! What scripts are given, made of trees.

use sinter_graph::path::TreePath;
use sinter_graph::tree::{Kind, Shown, Tree};

use super::{Below, BelowEntry};

/// A tree with declared files on top, as overlay shows them.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The tree the step stands on.
    pub from: &'a Tree,
    /// What the step's `files` place on top of it, directories on the way included.
    pub files: &'a Tree,
}

impl Given<'_> {
    /// Whether a declared file stands where a directory on the way to `path` would have to be.
    fn is_hidden(&self, path: &TreePath) -> bool {
        !self.files.is_empty()
            && path.ancestors().any(|above| self.files.get(&above).is_some_and(|shown| !is_directory(shown)))
    }

    fn of_tree(&self, path: &TreePath) -> Option<&Shown> {
        self.from.get(path).filter(|_| !self.is_hidden(path))
    }
}

impl Below for Given<'_> {
    fn get(&self, path: &TreePath) -> Option<BelowEntry<'_>> {
        let from = self.of_tree(path);
        let Some(declared) = self.files.get(path) else {
            return from.map(|shown| BelowEntry { entry: &shown.entry, is_declared: false });
        };
        // `/` itself is never declared: what stands there is the tree's.
        if path.is_root() {
            return from.map(|shown| BelowEntry { entry: &shown.entry, is_declared: false });
        }
        let both_directories = is_directory(declared) && from.is_some_and(is_directory);
        Some(BelowEntry { entry: &declared.entry, is_declared: !both_directories })
    }

    fn children(&self, directory: &TreePath) -> Vec<BelowEntry<'_>> {
        let declared = self.files.children(directory).filter_map(|shown| self.get(&shown.entry.path));
        let replaced = self.is_hidden(directory) || self.files.get(directory).is_some_and(|shown| !is_directory(shown));
        let from =
            self.from.children(directory).filter(|shown| !replaced && self.files.get(&shown.entry.path).is_none());
        declared.chain(from.map(|shown| BelowEntry { entry: &shown.entry, is_declared: false })).collect()
    }
}

/// The empty tree.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingBelow;

impl Below for NothingBelow {
    fn get(&self, _: &TreePath) -> Option<BelowEntry<'_>> {
        None
    }

    fn children(&self, _: &TreePath) -> Vec<BelowEntry<'_>> {
        Vec::new()
    }
}

fn is_directory(shown: &Shown) -> bool {
    shown.entry.kind == Kind::Directory
}
