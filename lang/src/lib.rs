//! The front end of the language: text -> tokens -> lossless tree -> names and types, with diagnostics.
//!
//! Rules: pure and total. No function here fails or panics on any text; what is wrong is reported beside the result.
//! Must not know: files, the lock, the graph, the terminal.

pub mod diagnostic;
pub mod hir;
pub mod source;
