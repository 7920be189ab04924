//! The one entry: a text becomes a lossless tree, its meaning as plain data, and diagnostics.

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, LineIndex, Span, TextRange};
use crate::syntax::SyntaxTree;
use crate::{codes, hir, lexer, lower, parser};

/// Files above this size are not read as `.build` files: 16 MiB.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// Which file this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// A file of the user: each `fn` has a body.
    #[default]
    User,
    /// A file of the prelude: a `fn` without a body is a builtin.
    Prelude,
}

/// What was made of a text.
#[derive(Debug, Clone)]
pub struct Parse {
    /// The text as a tree that keeps every byte.
    pub tree: SyntaxTree,
    /// What it says; always there, with `Missing` where it was not understood.
    pub module: hir::Module,
    /// What is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses a file. Never fails: what is wrong is reported in [`Parse::diagnostics`], with spans in `file`.
#[must_use]
pub fn parse(text: &str, file: FileId, dialect: Dialect) -> Parse {
    if text.len() > MAX_FILE_BYTES {
        return too_large(text, file);
    }
    let lines = LineIndex::new(text);
    let tokens = lexer::lex(text);
    let parsed = parser::parse_tokens(text, &tokens, &lines, file, dialect);
    let lowered = lower::lower(&parsed.tree, file);
    let mut diagnostics = parsed.diagnostics;
    // What a broken line means is not judged: one report is enough.
    let is_new = |diagnostic: &Diagnostic| {
        !parsed.reported_lines.contains(&lines.line_column(diagnostic.primary.span.range.start).0)
    };
    diagnostics.extend(lowered.diagnostics.into_iter().filter(is_new));
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span.range.start);
    Parse { tree: parsed.tree, module: lowered.module, diagnostics }
}

fn too_large(text: &str, file: FileId) -> Parse {
    let span = Span { file, range: TextRange::new(0, 0) };
    let message = format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20);
    let diagnostic = Diagnostic::error(codes::FILE_TOO_LARGE, span, message).help("is this a `.build` file?");
    Parse { tree: parser::unparsed(text), module: hir::Module::default(), diagnostics: vec![diagnostic] }
}
