//! Events to tree: trivia goes back in, outside of the nodes that start or end beside it.

use super::sink::Event;
use crate::lexer::Token;
use crate::syntax::{SyntaxKind as K, SyntaxTree, TreeBuilder};

/// Builds the tree of a text from the grammar's events.
pub(super) fn tree(text: &str, tokens: &[Token], events: &[Event]) -> SyntaxTree {
    let mut build = Build { builder: TreeBuilder::default(), tokens, next: 0 };
    let mut wrapped = vec![false; events.len()];
    for (index, event) in events.iter().enumerate() {
        match event {
            Event::Open { .. } if wrapped.get(index) == Some(&true) => {}
            Event::Open { .. } => build.open(events, index, &mut wrapped),
            Event::Token(token) => build.token(*token),
            Event::Close => build.builder.close(),
        }
    }
    build.tokens_before(tokens.len());
    build.builder.finish(text)
}

/// A tree for a text that was not parsed: one token.
pub(crate) fn unparsed(text: &str) -> SyntaxTree {
    let mut builder = TreeBuilder::default();
    builder.token(K::Unknown, u32::try_from(text.len()).unwrap_or(u32::MAX));
    builder.finish(text)
}

struct Build<'a> {
    builder: TreeBuilder,
    tokens: &'a [Token],
    next: usize,
}

impl Build<'_> {
    /// Opens the node of an event, and before it those that were wrapped around it.
    fn open(&mut self, events: &[Event], index: usize, wrapped: &mut [bool]) {
        if self.comes_token(events, index) {
            self.trivia();
        }
        let mut kinds = Vec::new();
        let mut at = Some(index);
        while let Some(Event::Open { kind, around }) = at.and_then(|at| events.get(at)) {
            kinds.push(*kind);
            if let Some(mark) = around.and_then(|around| wrapped.get_mut(around)) {
                *mark = true;
            }
            at = *around;
        }
        kinds.into_iter().rev().for_each(|kind| self.builder.open(kind));
    }

    /// Whether a token stands in the node before it closes; an empty node stays where the last token ended.
    fn comes_token(&self, events: &[Event], index: usize) -> bool {
        !matches!(events.get(index + 1), Some(Event::Close))
    }

    fn trivia(&mut self) {
        while let Some(token) = self.tokens.get(self.next).filter(|token| token.kind.is_trivia()) {
            self.builder.token(token.kind, token.range.end);
            self.next += 1;
        }
    }

    fn tokens_before(&mut self, end: usize) {
        for token in self.tokens.get(self.next..end).unwrap_or_default() {
            self.builder.token(token.kind, token.range.end);
        }
        self.next = end.max(self.next);
    }

    fn token(&mut self, index: usize) {
        self.tokens_before(index);
        self.tokens_before(index + 1);
    }
}
