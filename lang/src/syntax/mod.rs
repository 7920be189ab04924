//! The lossless tree: every byte of a file, grouped. The formatter and the editor work on it.
//!
//! Must not know: how it came to be (lexer, grammar) and what it means (lowering).

mod kind;
mod tree;

pub use kind::SyntaxKind;
pub(crate) use kind::{declaration_keyword, keyword};
pub use tree::{ElementId, SyntaxTree, TreeBuilder};
