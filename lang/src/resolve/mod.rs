//! Names: what each declaration refers to, in which order declarations can be made, and what was meant by a typo.
//!
//! Rules: the order of a file's declarations means nothing; what refers to itself, directly or not, is an error here,
//! so everything later may walk references without end checks. Must not know: types, values.

pub mod order;
mod references;
pub mod suggest;

pub use order::{Order, order};
pub use references::{Reference, references};
