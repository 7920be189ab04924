//! What a process of a builder and its children know of each other: whose death ends it, and who holds its output.

use std::io;

use nix::libc;
use rustix::fd::OwnedFd;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::raw::{self, Disposition};

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

/// Makes the ends of this process's children known to it again, if whoever started it had that ignored: a process inherits
/// that, and can then wait for no child.
pub fn expect_children() {
    raw::set_signal(libc::SIGCHLD, Disposition::Default);
}

/// Gives standard error away for a script to write to, and puts the end of a pipe that nobody reads in its place. So the
/// output ends with the script, though this process goes on.
///
/// # Errors
/// If the kernel has no descriptors left.
pub fn give_output() -> io::Result<OwnedFd> {
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
    let (_, nobody) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::stdio::dup2_stderr(&nobody)?;
    Ok(output)
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
