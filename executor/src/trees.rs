//! Trees that were put together already, by their stack.
//!
//! Rules: a tree shares what is equal with the one below it; those that nobody uses are kept up to a number.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sinter_graph::digest::{LayerDigest, StackDigest};
use sinter_graph::stack::Stack;
use sinter_graph::tree::{LayerIndex, Manifest, Tree};

/// How many trees are kept for nobody: the next step mostly stands on one of the last.
const KEPT: usize = 64;

/// Trees by stack.
#[derive(Default)]
pub(crate) struct Trees(Mutex<Known>);

#[derive(Default)]
struct Known {
    all: HashMap<StackDigest, Weak<Tree>>,
    kept: VecDeque<Arc<Tree>>,
}

impl Trees {
    /// The tree that a stack shows.
    ///
    /// # Errors
    /// Those of `manifest`.
    pub(crate) fn of<E>(
        &self,
        stack: &Stack,
        manifest: &dyn Fn(&LayerDigest) -> Result<Arc<Manifest>, E>,
    ) -> Result<Arc<Tree>, E> {
        let (mut tree, known) = self.largest_known(stack);
        if known == stack.len() {
            return Ok(tree);
        }
        for (index, layer) in stack.layers().iter().enumerate().skip(known) {
            tree = Arc::new(tree.with(LayerIndex(index), &*manifest(layer)?));
        }
        self.keep(stack.digest(), &tree);
        Ok(tree)
    }

    /// The tree of the longest part of a stack, from the bottom, that was put together already, and how many layers that
    /// are: mostly all but the one that the step below has just added.
    fn largest_known(&self, stack: &Stack) -> (Arc<Tree>, usize) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |part: &Stack| Some((known.all.get(&part.digest())?.upgrade()?, part.len()));
        stack.downwards().find_map(find).unwrap_or_default()
    }

    fn keep(&self, digest: StackDigest, tree: &Arc<Tree>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.all.insert(digest, Arc::downgrade(tree));
        known.kept.push_back(tree.clone());
        if known.kept.len() > KEPT {
            known.kept.pop_front();
        }
    }
}
