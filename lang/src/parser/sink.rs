//! Where the grammar's results go: events for the tree, and diagnostics.
//!
//! Rules: at most one syntax error per line; what stands in skipped text is not reported; a subtree is never higher
//! than [`DEPTH_LIMIT`] when something is wrapped around it, so that readers of the tree may recurse.

use super::fault::{self, DEPTH_LIMIT};
use super::leaves::Leaf;
use crate::Dialect;
use crate::diagnostic::Diagnostic;
use crate::lexer::Token;
use crate::source::{FileId, LineIndex, Span, TextRange};
use crate::syntax::SyntaxKind as K;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// A step in building the tree.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// A node opens. `around` is the event of a node that was wrapped around it later.
    Open { kind: K, around: Option<usize> },
    /// The next token, by its place in the list of all tokens.
    Token(usize),
    /// The node opened last closes.
    Close,
}

/// The event that opened a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(usize);

pub(super) struct Sink<'a> {
    text: &'a str,
    tokens: &'a [Token],
    lines: &'a LineIndex,
    pub(super) file: FileId,
    pub(super) dialect: Dialect,
    /// How deep the grammar stands in brackets and operators.
    pub(super) depth: Cell<u32>,
    /// The closers of the open brackets.
    pub(super) closers: RefCell<Vec<K>>,
    /// Set while nothing is to be reported: the file is too deep here.
    pub(super) muted: Cell<bool>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    diagnostics: Vec<Diagnostic>,
    /// The lines that have a report.
    reported_lines: BTreeSet<u32>,
    /// Reports after which it is not certain how the text goes on.
    doubts: usize,
    /// The first of all tokens that is neither passed nor skipped.
    next_token: usize,
    /// For each open node the height of its highest child.
    heights: Vec<u32>,
    /// The height of the node closed last.
    last_height: u32,
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        text: &'a str,
        tokens: &'a [Token],
        lines: &'a LineIndex,
        file: FileId,
        dialect: Dialect,
    ) -> Self {
        Self {
            text,
            tokens,
            lines,
            file,
            dialect,
            depth: Cell::new(0),
            closers: RefCell::default(),
            muted: Cell::new(false),
            state: RefCell::default(),
        }
    }

    pub(super) fn into_parts(self) -> (Vec<Event>, Vec<Diagnostic>, BTreeSet<u32>) {
        let state = self.state.into_inner();
        (state.events, state.diagnostics, state.reported_lines)
    }

    pub(super) fn text_of(&self, range: TextRange) -> &'a str {
        self.text.get(range.as_range()).unwrap_or_default()
    }

    pub(super) const fn span(&self, range: TextRange) -> Span {
        Span { file: self.file, range }
    }

    /// Where the next node will open.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.state.borrow().events.len())
    }

    pub(super) fn open(&self, kind: K) {
        let mut state = self.state.borrow_mut();
        state.events.push(Event::Open { kind, around: None });
        state.heights.push(0);
    }

    pub(super) fn close(&self) {
        let mut state = self.state.borrow_mut();
        state.events.push(Event::Close);
        let height = state.heights.pop().unwrap_or(0) + 1;
        state.last_height = height;
        if let Some(parent) = state.heights.last_mut() {
            *parent = height.max(*parent);
        }
    }

    /// Opens a node around the one that opened at `mark`, and around those that are around it; all are closed. Yields
    /// where the new one opened, or nothing if the tree would be too high.
    pub(super) fn open_around(&self, mark: Mark, kind: K) -> Option<Mark> {
        let mut state = self.state.borrow_mut();
        if state.last_height >= DEPTH_LIMIT {
            return None;
        }
        let new = state.events.len();
        let mut outermost = mark.0;
        while let Some(Event::Open { around: Some(around), .. }) = state.events.get(outermost) {
            outermost = *around;
        }
        if let Some(Event::Open { around, .. }) = state.events.get_mut(outermost) {
            *around = Some(new);
        }
        state.events.push(Event::Open { kind, around: None });
        let height = state.last_height;
        state.heights.push(height);
        Some(Mark(new))
    }

    /// Passes a leaf; trivia before it that is wrong is reported.
    pub(super) fn token(&self, leaf: &Leaf) {
        self.report_trivia(leaf);
        let mut state = self.state.borrow_mut();
        state.events.push(Event::Token(leaf.token));
        state.next_token = leaf.token + 1;
    }

    /// Passes a leaf without looking at the trivia before it.
    pub(super) fn skipped_token(&self, leaf: &Leaf) {
        let mut state = self.state.borrow_mut();
        state.events.push(Event::Token(leaf.token));
        state.next_token = leaf.token + 1;
    }

    /// Reports wrong trivia before a leaf; comes before anything is reported at the leaf itself.
    pub(super) fn report_trivia(&self, leaf: &Leaf) {
        let from = self.state.borrow().next_token;
        let until = leaf.token.min(self.tokens.len());
        for token in self.tokens.get(from..until).unwrap_or_default() {
            if token.kind.is_faulty_trivia() {
                self.add(fault::wrong_trivia(self, *token));
            }
        }
        self.state.borrow_mut().next_token = until.max(from);
    }

    /// Reports a fault seen at a leaf.
    pub(super) fn report(&self, leaf: &Leaf, diagnostic: Diagnostic) {
        self.report_trivia(leaf);
        self.add(diagnostic);
    }

    /// How many faults were seen so far after which it is not certain how the text goes on.
    pub(super) fn doubts(&self) -> usize {
        self.state.borrow().doubts
    }

    fn add(&self, diagnostic: Diagnostic) {
        if self.muted.get() {
            return;
        }
        let line = self.lines.line_column(diagnostic.primary.span.range.start).0;
        let mut state = self.state.borrow_mut();
        state.doubts += usize::from(!fault::is_certain(diagnostic.code));
        if state.reported_lines.insert(line) {
            state.diagnostics.push(diagnostic);
        }
    }
}
