//! What people see: diagnostics and progress. Data goes to standard output elsewhere; everything here is for standard
//! error.

pub(crate) mod diagnostics;
pub(crate) mod failure;
pub(crate) mod live;
pub(crate) mod plain;
pub(crate) mod progress;
pub(crate) mod text;
