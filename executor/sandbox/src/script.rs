//! The script's process, from its start until it is the interpreter.
//!
//! Rules: as for all children, no allocation, no panic.

use nix::libc;
use rustix::fd::BorrowedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::mounts;
use crate::orders::Orders;
use crate::privileges;
use crate::raw::{self, Disposition, StringArray};
use crate::report::{Failure, Message};
use crate::stage::Stage;
use crate::watch::SIGNALS;

/// The script's process until it is the interpreter.
pub(crate) fn become_script(orders: &Orders<'_>, filter: &[libc::sock_filter], report: BorrowedFd<'_>) -> ! {
    let failure = match prepare(orders, filter) {
        Ok(()) => execute(orders),
        Err(failure) => failure,
    };
    Message::Failed(failure).send(report);
    raw::exit_now(127)
}

fn prepare(orders: &Orders<'_>, filter: &[libc::sock_filter]) -> Result<(), Failure> {
    SIGNALS.into_iter().for_each(|signal| raw::set_signal(signal, Disposition::Default));
    raw::unblock_signals();
    rustix::process::setsid().map_err(Failure::at(Stage::Session))?;
    open_input().map_err(Failure::at(Stage::Devices))?;
    mounts::give_pipe(rustix::stdio::stdout(), orders.uid, orders.gid);
    rustix::process::chdir(orders.workdir).map_err(Failure::at(Stage::Workdir))?;
    privileges::drop_all(orders, filter)
}

/// Standard input is the sandbox's own `/dev/null`, not the machine's.
fn open_input() -> Result<(), Errno> {
    let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)
}

/// Tries the places where the interpreter may be, as `execvp` does; returns why none was started.
fn execute(orders: &Orders<'_>) -> Failure {
    let arrays =
        StringArray::new(orders.arguments).and_then(|first| Ok((first, StringArray::new(orders.environment)?)));
    let (arguments, environment) = match arrays {
        Ok(arrays) => arrays,
        Err(errno) => return Failure { stage: Stage::Fork, errno, index: 0 },
    };
    let is_single = orders.candidates.count() == 1;
    for (index, candidate) in orders.candidates.enumerate() {
        match raw::exec(candidate, &arguments, &environment) {
            Errno::NOENT if !is_there(candidate) => {}
            Errno::NOTDIR | Errno::ACCESS if !is_single => {}
            errno => return Failure { stage: Stage::Execute, errno, index: index as u64 },
        }
    }
    Failure { stage: Stage::Interpreter, errno: Errno::NOENT, index: 0 }
}

/// `ENOENT` for a program that exists means that its own loader or interpreter is missing.
fn is_there(path: &std::ffi::CStr) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok()
}
