//! Whose death ends a process.

use std::io;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Ties the life of this process to that of the process `parent`, which started it: however that one ends, this one is
/// killed, and with it the sandbox it waits for. To be called first thing, by a process of one thread.
///
/// # Errors
/// If the kernel refuses, or if `parent` is dead already.
pub fn die_with(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the line above.
    if getppid().map(Pid::as_raw_nonzero).is_some_and(|id| u32::try_from(id.get()) == Ok(parent)) {
        return Ok(());
    }
    Err(io::Error::other("the process that started this one is gone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_parents_are_noticed() {
        // Nobody here is the child of the process with the highest number there can be.
        assert!(die_with(u32::MAX).is_err());
    }
}
