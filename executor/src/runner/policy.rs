//! What of a step's changes goes into its layer: `keep` and `drop`, and which of their patterns matched something.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sinter_graph::path::{AbsolutePath, TreePath};
use sinter_graph::pattern::{Matcher, Patterns};
use sinter_graph::step::StepDocument;

use super::RunnerError;

/// The `keep` and `drop` of a step.
pub(super) struct Policy {
    keep: Filter,
    drop: Filter,
}

impl Policy {
    pub(super) fn of(document: &StepDocument) -> Self {
        let everything = Patterns::default();
        Self {
            keep: Filter::new(document.keep.as_ref().unwrap_or(&everything), &document.workdir),
            drop: Filter::new(&document.drop, &document.workdir),
        }
    }

    pub(super) fn keeps(&self, path: &TreePath) -> bool {
        self.keep.admits(path)
    }

    pub(super) fn drops(&self, path: &TreePath) -> bool {
        self.drop.is_said() && self.drop.admits(path)
    }

    /// To be asked after the capture.
    ///
    /// # Errors
    /// If a pattern of `keep` matched nothing the script wrote.
    pub(super) fn check_used(&self) -> Result<(), RunnerError> {
        self.keep.unused().map_or(Ok(()), |pattern| Err(RunnerError::NothingKept { pattern: pattern.clone() }))
    }
}

struct Filter {
    patterns: Patterns,
    matcher: Matcher,
    used: RefCell<BTreeSet<usize>>,
}

impl Filter {
    fn new(patterns: &Patterns, workdir: &AbsolutePath) -> Self {
        Self { patterns: patterns.clone(), matcher: patterns.compile(&workdir.in_tree()), used: RefCell::default() }
    }

    fn is_said(&self) -> bool {
        !self.patterns.is_everything()
    }

    fn admits(&self, path: &TreePath) -> bool {
        let mut wanted = self.patterns.include().is_empty();
        for index in self.matcher.including(path) {
            self.used.borrow_mut().insert(index);
            wanted = true;
        }
        wanted && !self.matcher.excludes(path)
    }

    /// A pattern that matched nothing the script wrote.
    fn unused(&self) -> Option<&String> {
        let used = self.used.borrow();
        self.patterns.include().iter().enumerate().find(|(index, _)| !used.contains(index)).map(|(_, text)| text)
    }
}
