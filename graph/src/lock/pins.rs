//! What a kind of pin has to know about itself, so that the lock can be read, written and compared.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::text::Place;
use super::{InvalidPin, LockError};
use crate::digest::BlobDigest;

/// All pins of one kind.
pub(super) trait Pins: Default {
    /// The form of one table. Unknown fields are to be refused.
    type Table: DeserializeOwned;

    /// Takes one table of a lock, under the question it answers. `place` is where that question stands.
    fn add(&mut self, question: &str, table: Self::Table, place: Place<'_>) -> Result<(), LockError>;

    /// The lines of each table, by the question it answers. The same pins always give the same lines.
    fn tables(&self) -> BTreeMap<String, String>;

    /// What can be told from another lock.
    fn items(&self) -> Vec<Item>;

    /// What the two sides of a conflict do not contradict each other in.
    fn joined(&self, other: &Self) -> Self;
}

/// What is compared of two locks.
pub(super) struct Item {
    /// The question.
    pub(super) table: String,
    /// What of its answer.
    pub(super) what: String,
    /// The version, to be shown.
    pub(super) shown: String,
    /// Tells equal versions apart.
    pub(super) digest: BlobDigest,
}

pub(super) fn require(holds: bool, what: &str, text: &str) -> Result<(), InvalidPin> {
    if holds { Ok(()) } else { Err(InvalidPin(format!("`{}` is no {what}", text.escape_debug()))) }
}
