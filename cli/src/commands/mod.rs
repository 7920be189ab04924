//! One module for each command.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod caches;
pub(crate) mod check;
pub(crate) mod environment;
pub(crate) mod explain;
pub(crate) mod lock;
pub(crate) mod push;
pub(crate) mod runner;
