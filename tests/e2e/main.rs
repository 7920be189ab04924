//! End to end: the real program, real packages, real consumers.
//!
//! Rules: each test has a private directory, store and environment; nothing is skipped: a tool that is missing fails the
//! test that needs it (`cargo xtask setup` installs them). The tests need root, because some of them play the part of
//! another user, and Debian packages through this machine's apt configuration.

mod apart;
mod bad_input;
mod cache;
mod callers;
mod consumers;
mod crashes;
mod damage;
mod debian_system;
mod depth;
mod full_disk;
mod generated;
mod incremental;
mod isolation;
mod kills;
mod mirror;
mod random;
mod registry;
mod reload;
mod reproducible;
mod revocable;
mod root_directory;
mod stopping;
mod support;
mod surroundings;
mod terminal;
mod times;
mod together;
mod undeclared;
