//! The first process of a sandbox: builds the world, starts the script, reaps orphans, and takes all others with it
//! when it ends, because the kernel kills what is left of a pid namespace without its first process.
//!
//! Rules: no allocation, no panic, no return. It keeps its capabilities, which the script does not have, and cannot be
//! dumped: so the script, though of the same user, can neither trace nor read it.

use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::time::TimeSpec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::Stage;
use crate::feed::{self, Feeder};
use crate::mounts;
use crate::plan::Plan;
use crate::privileges;
use crate::raw::{self, Disposition, ProcessId, Waited};
use crate::report::{Failure, Finish, Message, now_micros};

/// Descriptors that the caller prepares for the first process.
pub(crate) struct Lines {
    /// Some standard input.
    pub(crate) null: RawFd,
    /// The script's standard output and error.
    pub(crate) output: RawFd,
    /// Takes [`Message`]s.
    pub(crate) report: RawFd,
    /// Gives one byte when the ids are mapped, and hangs up when the caller is gone.
    pub(crate) lifeline: RawFd,
}

/// The body of the first process.
pub(crate) fn main(plan: &Plan, lines: &Lines) -> ! {
    let _guard = raw::ExitOnUnwind;
    let wanted = [lines.null, lines.output, lines.output, lines.report, lines.lifeline];
    if raw::arrange_descriptors(wanted).is_err() {
        raw::exit_now(70);
    }
    let (report, lifeline) = (raw::adopt(3), raw::adopt(4));
    let message = match live(plan, &report, &lifeline) {
        Ok(finish) => Message::Finished(finish),
        Err(failure) => Message::Failed(failure),
    };
    message.send(report.as_fd());
    raw::exit_now(0)
}

fn live(plan: &Plan, report: &OwnedFd, lifeline: &OwnedFd) -> Result<Finish, Failure> {
    start_session(lifeline).map_err(Failure::at(Stage::Session))?;
    raw::become_user(0, 0, &[]).map_err(Failure::at(Stage::Identity))?;
    let mut finish = Finish { stamps: [now_micros(); 3], ..Finish::default() };
    raw::loopback_up().map_err(Failure::at(Stage::Loopback))?;
    name_host().map_err(Failure::at(Stage::HostName))?;
    mounts::enter(plan)?;
    feed::place_script(&plan.script, plan.feed).map_err(Failure::at(Stage::Script))?;
    hide(plan).map_err(Failure::at(Stage::Session))?;
    finish.stamps[1] = now_micros();
    let watch_signals = block_signals().map_err(Failure::at(Stage::Watch))?;
    let child = match raw::clone_child(0).map_err(Failure::at(Stage::Fork))? {
        Some(child) => child,
        None => become_script(plan, report.as_fd()),
    };
    let mut watch = Watch::new(plan, child, lifeline, watch_signals);
    watch.run().map_err(Failure::at(Stage::Watch))?;
    finish.stamps[2] = now_micros();
    Ok(watch.finish(finish))
}

fn start_session(lifeline: &OwnedFd) -> Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    rustix::process::setsid()?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let mut go = [0];
    loop {
        match rustix::io::read(lifeline, &mut go) {
            Ok(1) => return Ok(()),
            // The caller could not map the ids, or is dead.
            Ok(_) => raw::exit_now(0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn name_host() -> Result<(), Errno> {
    rustix::system::sethostname(b"sinter")?;
    rustix::system::setdomainname(b"(none)")
}

/// Nothing of the caller may be read out of this process: neither its memory nor its command line and variables.
fn hide(plan: &Plan) -> Result<(), Errno> {
    raw::wipe_arguments(plan.argument_memory, c"sinter");
    rustix::thread::set_name(c"sinter")?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
}

/// Signals that end a wait are let in only while waiting. Gives the mask for waiting.
fn block_signals() -> Result<SigSet, Errno> {
    raw::set_signal(libc::SIGPIPE, Disposition::Ignore);
    raw::set_signal(libc::SIGCHLD, Disposition::Interrupt);
    raw::set_signal(libc::SIGALRM, Disposition::Interrupt);
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGCHLD);
    blocked.add(Signal::SIGALRM);
    blocked.thread_set_mask().map_err(from_nix)?;
    Ok(SigSet::empty())
}

fn from_nix(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

/// The script's process until it is the interpreter.
fn become_script(plan: &Plan, report: BorrowedFd<'_>) -> ! {
    let failure = match prepare_script(plan) {
        Ok(()) => execute(plan),
        Err(failure) => failure,
    };
    Message::Failed(failure).send(report);
    raw::exit_now(127)
}

fn prepare_script(plan: &Plan) -> Result<(), Failure> {
    raw::reset_signals();
    rustix::process::setsid().map_err(Failure::at(Stage::Session))?;
    open_input().map_err(Failure::at(Stage::Devices))?;
    mounts::give_pipe(rustix::stdio::stdout(), plan.uid, plan.gid);
    rustix::process::chdir(&*plan.workdir).map_err(Failure::at(Stage::Workdir))?;
    privileges::drop_all(plan)
}

/// Standard input is the sandbox's own `/dev/null`, not the machine's.
fn open_input() -> Result<(), Errno> {
    let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)
}

/// Tries the places where the interpreter may be, as `execvp` does; returns why none was started.
fn execute(plan: &Plan) -> Failure {
    for (index, candidate) in plan.candidates.iter().enumerate() {
        match raw::exec(candidate, &plan.arguments, &plan.environment) {
            Errno::NOENT if !is_there(candidate) => {}
            Errno::NOTDIR | Errno::ACCESS if plan.candidates.len() > 1 => {}
            errno => return Failure { stage: Stage::Execute, errno, index: index as u64 },
        }
    }
    Failure { stage: Stage::Interpreter, errno: Errno::NOENT, index: 0 }
}

/// `ENOENT` for a program that exists means that its own loader or interpreter is missing.
fn is_there(path: &std::ffi::CStr) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok()
}

/// Watches over the script.
struct Watch<'a> {
    plan: &'a Plan,
    child: ProcessId,
    lifeline: &'a OwnedFd,
    wait_mask: SigSet,
    /// Monotonic microseconds.
    deadline: Option<u64>,
    feeder: Option<Feeder<'a>>,
    timed_out: bool,
    status: Option<i32>,
    usage: Finish,
}

impl<'a> Watch<'a> {
    fn new(plan: &'a Plan, child: ProcessId, lifeline: &'a OwnedFd, wait_mask: SigSet) -> Self {
        let micros = plan.timeout.map(|timeout| u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX));
        let deadline = micros.map(|micros| now_micros().saturating_add(micros));
        let usage = Finish::default();
        Self { plan, child, lifeline, wait_mask, deadline, feeder: None, timed_out: false, status: None, usage }
    }

    /// Returns when the script has ended or its time is up.
    fn run(&mut self) -> Result<(), Errno> {
        if self.plan.feed {
            self.open_feeder()?;
        }
        while !self.is_over() {
            self.wait()?;
        }
        Ok(())
    }

    fn is_over(&mut self) -> bool {
        self.reap();
        self.timed_out = self.status.is_none() && self.deadline.is_some_and(|deadline| now_micros() >= deadline);
        self.status.is_some() || self.timed_out
    }

    /// The shell may end, or never open its script, so that opening the pipe would wait for ever. A signal of the
    /// child's end may come just before the wait begins: the alarm makes sure that there is always a later one.
    fn open_feeder(&mut self) -> Result<(), Errno> {
        raw::set_alarm(feed::OPEN_POLL);
        self.wait_mask.thread_set_mask().map_err(from_nix)?;
        while !self.is_over() && self.feeder.is_none() {
            match Feeder::open(&self.plan.script) {
                Ok(feeder) => self.feeder = Some(feeder),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        raw::set_alarm(Duration::ZERO);
        block_signals().map(drop)
    }

    fn reap(&mut self) {
        while let Ok(Some(waited)) = raw::wait(-1, false) {
            self.count(&waited);
            if waited.id == self.child {
                self.status = Some(waited.status);
            }
        }
    }

    fn count(&mut self, waited: &Waited) {
        self.usage.max_rss_kib = self.usage.max_rss_kib.max(waited.max_rss_kib);
        self.usage.user_micros = self.usage.user_micros.saturating_add(waited.user_micros);
        self.usage.system_micros = self.usage.system_micros.saturating_add(waited.system_micros);
    }

    /// Waits for the end of a process, for room in the pipe, for the caller's death, or for the deadline.
    fn wait(&mut self) -> Result<(), Errno> {
        let pipe = self.feeder.as_ref().and_then(Feeder::pipe);
        let lifeline = PollFd::new(self.lifeline.as_fd(), PollFlags::POLLIN);
        let writable = PollFd::new(pipe.unwrap_or(self.lifeline.as_fd()), PollFlags::POLLOUT);
        let mut polled = [lifeline, writable];
        let count = if pipe.is_some() { 2 } else { 1 };
        let remaining =
            self.deadline.map(|deadline| TimeSpec::from(Duration::from_micros(deadline.saturating_sub(now_micros()))));
        match nix::poll::ppoll(polled.get_mut(..count).unwrap_or_default(), remaining, Some(self.wait_mask)) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(from_nix(errno)),
        }
        let [lifeline, writable] = polled.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        if lifeline.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            raw::exit_now(0);
        }
        if let Some(feeder) = self.feeder.as_mut().filter(|_| count == 2 && !writable.is_empty()) {
            feeder.advance(writable.contains(PollFlags::POLLERR));
        }
        Ok(())
    }

    fn finish(self, base: Finish) -> Finish {
        let consumed = self.feeder.as_ref().map_or(0, Feeder::consumed);
        let status = self.status.unwrap_or_default();
        Finish { status, timed_out: self.timed_out, consumed, stamps: base.stamps, ..self.usage }
    }
}
