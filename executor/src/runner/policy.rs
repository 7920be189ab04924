//! What of a step's changes goes into its layer: `keep` and `drop`, and which of their patterns matched something.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sinter_graph::path::TreePath;
use sinter_graph::pattern::{Matcher, Patterns};
use sinter_graph::step::StepDocument;

use super::RunnerError;

/// The `keep` and `drop` of a step.
pub(super) struct Policy {
    keep: Filter,
    drop: Filter,
}

impl Policy {
    pub(super) fn of(document: &StepDocument) -> Result<Self, RunnerError> {
        let drop = (document.drop != Patterns::default()).then_some(&document.drop);
        Ok(Self {
            keep: Filter::new(document.keep.as_ref(), &document.workdir)?,
            drop: Filter::new(drop, &document.workdir)?,
        })
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
        self.keep.unused().map_or(Ok(()), |pattern| Err(RunnerError::NothingKept { pattern }))
    }
}

struct Filter {
    patterns: Vec<(String, Matcher)>,
    exclude: Option<Matcher>,
    used: RefCell<BTreeSet<usize>>,
}

impl Filter {
    fn new(patterns: Option<&Patterns>, workdir: &str) -> Result<Self, RunnerError> {
        let base = TreePath::normalized(workdir).unwrap_or_else(|_| TreePath::root());
        let compile = |patterns: &Patterns| {
            patterns
                .compile(&base)
                .map_err(|invalid| RunnerError::BadPattern { pattern: invalid.pattern, reason: invalid.reason })
        };
        let mut filter = Self { patterns: vec![], exclude: None, used: RefCell::default() };
        let Some(said) = patterns else { return Ok(filter) };
        for pattern in &said.include {
            let one = Patterns::new([pattern.clone()], []);
            filter.patterns.push((pattern.clone(), compile(&one)?));
        }
        if !said.exclude.is_empty() {
            filter.exclude = Some(compile(&Patterns::new(said.exclude.clone(), []))?);
        }
        Ok(filter)
    }

    fn is_said(&self) -> bool {
        !self.patterns.is_empty() || self.exclude.is_some()
    }

    fn admits(&self, path: &TreePath) -> bool {
        let mut wanted = self.patterns.is_empty();
        for (index, (_, matcher)) in self.patterns.iter().enumerate() {
            if matcher.matches(path) {
                self.used.borrow_mut().insert(index);
                wanted = true;
            }
        }
        wanted && !self.exclude.as_ref().is_some_and(|exclude| exclude.matches(path))
    }

    /// A pattern that matched nothing the script wrote.
    fn unused(&self) -> Option<String> {
        let used = self.used.borrow();
        self.patterns.iter().enumerate().find(|(index, _)| !used.contains(index)).map(|(_, (text, _))| text.clone())
    }
}
