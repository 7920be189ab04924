//! The first process of a sandbox: builds the world, starts the script, reaps orphans, and takes all others with it
//! when it ends, because the kernel kills what is left of a pid namespace without its first process.
//!
//! It is made before the job is known, and does all that no job changes; then it waits for its [`Orders`].
//!
//! Rules: no allocation, no panic, no return. It keeps its capabilities, which the script does not have, and cannot be
//! dumped: so the script, though of the same user, can neither trace nor read it.

use nix::libc;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use rustix::io::Errno;

use crate::feed;
use crate::mounts;
use crate::orders::Orders;
use crate::privileges;
use crate::raw;
use crate::report::{Failure, Finish, Message, now_micros};
use crate::script::become_script;
use crate::stage::Stage;
use crate::surroundings;
use crate::watch::{Watch, block_signals};

/// What the caller prepares for the first process.
pub(crate) struct Lines<'a> {
    /// The script's standard output and error.
    pub(crate) output: RawFd,
    /// Takes [`Message`]s.
    pub(crate) report: RawFd,
    /// Gives one byte when the ids are mapped, then the [`Orders`], and hangs up when the caller is gone.
    pub(crate) orders: RawFd,
    /// [`devices::own_nodes`](crate::devices::own_nodes).
    pub(crate) device_nodes: Option<RawFd>,
    /// The system call filter.
    pub(crate) filter: &'a [libc::sock_filter],
    /// Where the caller's arguments and variables stand in memory.
    pub(crate) argument_memory: Option<(usize, usize)>,
}

/// The body of the first process.
pub(crate) fn main(lines: &Lines<'_>) -> ! {
    let _guard = raw::ExitOnUnwind;
    // Standard input is a pipe that nothing reads; the script opens its own.
    let device_nodes = lines.device_nodes.unwrap_or(lines.orders);
    let wanted = [lines.orders, lines.output, lines.output, lines.report, lines.orders, device_nodes];
    if raw::arrange_descriptors(wanted).is_err() {
        raw::exit_now(70);
    }
    let (report, orders, nodes) = (raw::adopt(3), raw::adopt(4), raw::adopt(5));
    let message = match live(lines, &report, &orders, nodes) {
        Ok(finish) => Message::Finished(finish),
        Err(failure) => Message::Failed(failure),
    };
    message.send(report.as_fd());
    raw::exit_now(0)
}

fn live(lines: &Lines<'_>, report: &OwnedFd, pipe: &OwnedFd, nodes: OwnedFd) -> Result<Finish, Failure> {
    start_session(pipe).map_err(Failure::at(Stage::Session))?;
    let workshop = prepare(lines, nodes)?;
    let mut finish = Finish { stamps: [now_micros(); 3], ..Finish::default() };
    let Some(orders) = Orders::receive(pipe.as_fd()).map_err(Failure::at(Stage::Orders))? else { raw::exit_now(0) };
    mounts::enter(orders.directories, workshop)?;
    feed::place_script(orders.script, orders.feed).map_err(Failure::at(Stage::Script))?;
    finish.stamps[1] = now_micros();
    let watch_signals = block_signals().map_err(Failure::at(Stage::Watch))?;
    let child = match raw::clone_child(0).map_err(Failure::at(Stage::Fork))? {
        Some(child) => child,
        None => become_script(&orders, lines.filter, report.as_fd()),
    };
    leave_output(pipe.as_fd()).map_err(Failure::at(Stage::Watch))?;
    let mut watch = Watch::new(&orders, child, pipe, watch_signals);
    let watched = watch.run();
    finish.stamps[2] = now_micros();
    watch.end_all();
    watched.map_err(Failure::at(Stage::Watch))?;
    Ok(watch.finish(finish))
}

fn start_session(pipe: &OwnedFd) -> Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    rustix::process::setsid()?;
    let mut go = [0];
    loop {
        match rustix::io::read(pipe, &mut go) {
            Ok(1) => return Ok(()),
            // The caller could not map the ids, or is dead.
            Ok(_) => raw::exit_now(0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Everything that no job changes. Gives the directory in which the mounts wait.
fn prepare(lines: &Lines<'_>, nodes: OwnedFd) -> Result<OwnedFd, Failure> {
    raw::become_user(0, 0, &[]).map_err(Failure::at(Stage::Identity))?;
    surroundings::settle_own().map_err(Failure::at(Stage::Surroundings))?;
    raw::loopback_up().map_err(Failure::at(Stage::Loopback))?;
    name_host().map_err(Failure::at(Stage::HostName))?;
    let workshop = mounts::prepare(lines.device_nodes.map(|_| nodes.as_fd()))?;
    surroundings::settle_core_filter();
    privileges::prepare().map_err(Failure::at(Stage::Capabilities))?;
    hide(lines).map_err(Failure::at(Stage::Session))?;
    Ok(workshop)
}

fn name_host() -> Result<(), Errno> {
    rustix::system::sethostname(b"sinter")?;
    rustix::system::setdomainname(b"(none)")
}

/// Nothing of the caller may be read out of this process: neither its memory nor its command line and variables.
fn hide(lines: &Lines<'_>) -> Result<(), Errno> {
    raw::wipe_arguments(lines.argument_memory, c"sinter");
    rustix::thread::set_name(c"sinter")?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
}

/// The output ends with the last process of the script, not with this one.
fn leave_output(instead: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::stdio::dup2_stdout(instead)?;
    rustix::stdio::dup2_stderr(instead)
}
