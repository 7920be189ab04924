//! Tree to HIR: what a file says, without layout, with escapes resolved and indentation removed.
//!
//! Rules: total; what the grammar could not read becomes `Missing` without a second report; what only shows here
//! (escapes, numbers, names given twice) is reported here. Must not know: what names mean.

mod block;
mod declaration;
mod expression;
mod literal;
mod types;

use crate::diagnostic::{Code, Diagnostic};
use crate::hir;
use crate::source::{FileId, Span, TextRange};
use crate::syntax::{ElementId, SyntaxKind as K, SyntaxTree};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What lowering yields.
pub(crate) struct Lowered {
    pub(crate) module: hir::Module,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Lowers a whole file.
pub(crate) fn lower(tree: &SyntaxTree, file: FileId) -> Lowered {
    let lower = Lower { tree, file, diagnostics: RefCell::default() };
    let module = lower.module();
    Lowered { module, diagnostics: lower.diagnostics.into_inner() }
}

struct Lower<'a> {
    tree: &'a SyntaxTree,
    file: FileId,
    diagnostics: RefCell<Vec<Diagnostic>>,
}

impl<'a> Lower<'a> {
    const fn span(&self, range: TextRange) -> Span {
        Span { file: self.file, range }
    }

    fn report(&self, diagnostic: Diagnostic) {
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    fn error(&self, code: Code, range: TextRange, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.span(range), message)
    }

    fn name_of(&self, token: ElementId) -> hir::Name {
        hir::Name { text: self.tree.text_of(token).to_owned(), range: self.tree.range(token) }
    }

    /// The first name token directly in a node; an empty name where it is missing.
    fn name_in(&self, node: ElementId) -> hir::Name {
        self.tree.child(node, K::Name).map_or_else(|| self.missing_name(node), |token| self.name_of(token))
    }

    fn missing_name(&self, node: ElementId) -> hir::Name {
        let start = self.tree.range(node).start;
        hir::Name { text: String::new(), range: TextRange::new(start, start) }
    }

    /// The nodes in a node that are expressions.
    fn expressions(&self, node: ElementId) -> impl Iterator<Item = ElementId> + use<'a> {
        let tree = self.tree;
        tree.nodes(node).filter(move |child| tree.kind(*child).is_expression())
    }

    /// Reports each name that is given twice.
    fn report_duplicates<'n>(&self, names: impl IntoIterator<Item = &'n hir::Name>, noun: &str) {
        let mut seen: BTreeMap<&str, TextRange> = BTreeMap::new();
        for name in names {
            if name.text.is_empty() {
                continue;
            }
            if let Some(first) = seen.get(name.text.as_str()) {
                let message = format!("the {noun} `{}` is given twice", name.text);
                let diagnostic = self.error(crate::codes::DUPLICATE_NAME, name.range, message);
                self.report(diagnostic.with_place(self.span(*first), "it is given here first"));
            } else {
                seen.insert(&name.text, name.range);
            }
        }
    }
}
