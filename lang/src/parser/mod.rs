//! Tokens to tree: a grammar of total functions over a token slice.
//!
//! Rules: grammar functions built from nom's combinators always succeed and report into the [`Sink`]; only leaf
//! predicates fail, and only behind a peek; every loop makes progress; depth is limited. Layout: `(`, `[`, `{`, `.`
//! continue an expression on their line only; a binary operator continues it on its line, and inside brackets also at
//! the start of the next line; after an operator, `=` or `->` the operand may stand on the next line.
//! Must not know: what names mean, values.

mod bracket;
mod build;
mod combine;
mod cursor;
mod declaration;
mod expression;
mod fault;
mod function;
mod leaves;
mod primary;
mod sink;
mod top;
mod types;

use crate::Dialect;
use crate::diagnostic::Diagnostic;
use crate::lexer::Token;
use crate::source::{FileId, LineIndex};
use crate::syntax::SyntaxTree;
use cursor::Cursor;
use sink::Sink;
use std::collections::BTreeSet;

pub(crate) use build::unparsed;

/// What the grammar made of the tokens.
pub(crate) struct Parsed {
    /// The tree, covering all tokens.
    pub(crate) tree: SyntaxTree,
    /// What is wrong, at most one per line.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The lines they are on.
    pub(crate) reported_lines: BTreeSet<u32>,
}

/// Parses the tokens of a text.
pub(crate) fn parse_tokens(text: &str, tokens: &[Token], lines: &LineIndex, file: FileId, dialect: Dialect) -> Parsed {
    let leaves = leaves::leaves(text, tokens, lines);
    let sink = Sink::new(text, tokens, lines, file, dialect);
    top::file(Cursor::new(&leaves, &sink));
    let (events, diagnostics, reported_lines) = sink.into_parts();
    Parsed { tree: build::tree(text, tokens, &events), diagnostics, reported_lines }
}
