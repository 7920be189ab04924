//! The tokens the grammar sees: without trivia, and with the layout it needs to know.

use crate::lexer::{BYTE_ORDER_MARK, Token};
use crate::source::{LineIndex, TextRange};
use crate::syntax::SyntaxKind as K;

/// A token that is no trivia.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) kind: K,
    /// Its place in the list of all tokens.
    pub(super) token: usize,
    pub(super) range: TextRange,
    /// Its line, from 0.
    pub(super) line: u32,
    /// Bytes of blanks before the first token of its line.
    pub(super) indent: u32,
    /// Whether it is the first on its line.
    pub(super) on_new_line: bool,
    /// Whether it is a declaration's keyword at column 0: closes everything that is open.
    pub(super) declares: bool,
    /// Whether brackets do not match between the declaration keywords around it. Only then indentation is asked.
    pub(super) unbalanced: bool,
}

impl Leaf {
    /// Whether it stands at column 0.
    pub(super) const fn at_column_zero(&self) -> bool {
        self.on_new_line && self.indent == 0
    }
}

/// The leaves of a file; the last one is [`K::EndOfFile`].
pub(super) fn leaves(text: &str, tokens: &[Token], lines: &LineIndex) -> Vec<Leaf> {
    let mut leaves = Vec::with_capacity(tokens.len() / 2 + 1);
    let mut layout = Layout { on_new_line: true, ..Layout::default() };
    for (index, token) in tokens.iter().enumerate() {
        if token.kind.is_trivia() {
            layout.pass(token, text);
        } else {
            leaves.push(layout.leaf(index, *token, lines));
        }
    }
    let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let last = Token { kind: K::EndOfFile, range: TextRange::new(end, end) };
    layout.on_new_line = true;
    layout.indent = 0;
    leaves.push(layout.leaf(tokens.len(), last, lines));
    mark_unbalanced(&mut leaves);
    leaves
}

#[derive(Default)]
struct Layout {
    on_new_line: bool,
    indent: u32,
}

impl Layout {
    fn pass(&mut self, token: &Token, text: &str) {
        match token.kind {
            K::Newline => {
                self.on_new_line = true;
                self.indent = 0;
            }
            K::Whitespace if self.on_new_line && !is_byte_order_mark(*token, text) => {
                self.indent += token.range.end - token.range.start
            }
            _ => {}
        }
    }

    fn leaf(&mut self, index: usize, token: Token, lines: &LineIndex) -> Leaf {
        let on_new_line = std::mem::take(&mut self.on_new_line);
        let line = lines.line_column(token.range.start).0;
        let declares = token.kind.is_declaration_keyword() && on_new_line && self.indent == 0;
        let indent = self.indent;
        Leaf {
            kind: token.kind,
            token: index,
            range: token.range,
            line,
            indent,
            on_new_line,
            declares,
            unbalanced: false,
        }
    }
}

fn is_byte_order_mark(token: Token, text: &str) -> bool {
    token.range.start == 0 && text.starts_with(BYTE_ORDER_MARK)
}

/// Marks the leaves of each declaration whose brackets do not match.
fn mark_unbalanced(leaves: &mut [Leaf]) {
    for region in leaves.chunk_by_mut(|_, next| !next.declares) {
        if !is_balanced(region) {
            region.iter_mut().for_each(|leaf| leaf.unbalanced = true);
        }
    }
}

fn is_balanced(region: &[Leaf]) -> bool {
    let mut open = Vec::new();
    for leaf in region {
        if let Some(closer) = leaf.kind.closer() {
            open.push(closer);
        } else if leaf.kind.is_closer() && open.pop() != Some(leaf.kind) {
            return false;
        }
    }
    open.is_empty()
}
