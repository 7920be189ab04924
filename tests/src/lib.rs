//! What tests of the whole workspace share: the rules of its architecture and how its sources are measured.
//!
//! Rules: everything here is a function from texts to findings and is tested on small texts; reading the repository is
//! left to `repository`.
//! Must not know: the executor; what the tests in `tests/tests` conclude from the findings.

pub mod architecture;
pub mod modules;
pub mod repository;
pub mod rules;
pub mod rust_source;
pub mod spec;
pub mod words;
