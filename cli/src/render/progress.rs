//! What every way of showing progress can do.

use sinter_executor::Listener;

/// A listener that can be told that nothing more will come.
pub(crate) trait Progress: Listener {
    /// Removes what is only shown while a build runs.
    fn close(&self);
}
