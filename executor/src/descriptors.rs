//! How many files this process may have open. Shells start programs with a low limit that they may raise themselves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::BuildError;

/// With fewer not even one step runs: pipes of the runner, directories of its tree, the files of the store.
const LEAST: u64 = 96;

/// More are of no use, and some kernels allow a thousand million.
const MOST: u64 = 65_536;

/// Raises the limit as far as this process may. What scripts get does not depend on it: their sandbox sets it.
///
/// # Errors
/// If even that is too low for a build.
pub fn raise_descriptor_limit() -> Result<(), BuildError> {
    let limit = getrlimit(Resource::Nofile);
    // No limit at all is more than enough.
    let allowed = limit.maximum.unwrap_or(MOST).min(MOST);
    let current = limit.current.unwrap_or(MOST);
    if current < allowed {
        // Where it cannot be raised, what there is has to do.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum });
    }
    let reached = getrlimit(Resource::Nofile).current.unwrap_or(MOST);
    if reached < LEAST { Err(BuildError::FewDescriptors { limit: reached, least: LEAST }) } else { Ok(()) }
}
