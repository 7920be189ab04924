//! The front end of the language: text -> tokens -> lossless tree -> names and types, with diagnostics.
//!
//! Rules: pure and total. No function here fails or panics on any text; what is wrong is reported beside the result.
//! Must not know: files, the lock, the graph, the terminal.

pub mod catalog;
mod codes;
pub mod diagnostic;
pub mod hir;
mod lexer;
mod lower;
mod parse;
mod parser;
pub mod resolve;
pub mod source;
pub mod syntax;
pub mod types;

pub use parse::{Dialect, MAX_FILE_BYTES, Parse, parse};
