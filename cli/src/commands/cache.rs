//! `sinter cache clear`.

use std::path::PathBuf;

use crate::commands::environment;
use crate::console;
use crate::failure::Failure;

/// Deletes the store. Layers hold files of many users, so it is done where those ids are ours.
pub(crate) fn clear(store: Option<&PathBuf>) -> Result<(), Failure> {
    let store = environment::store(store)?;
    sinter_sandbox::enter_user_namespace().map_err(|error| Failure::sandbox(&error))?;
    let was_there = sinter_store::clear_store(&store).map_err(|error| Failure::store(&error))?;
    let said = if was_there { "cleared" } else { "there is no store at" };
    console::data(&format!("{said} {}", store.display()))
}
