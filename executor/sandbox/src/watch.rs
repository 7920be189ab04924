//! Watches over the script: reaps, feeds, and ends it when its time is up or the caller is gone.
//!
//! Rules: as for all of the first process, no allocation, no panic.

use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::time::TimeSpec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

use crate::feed::{self, Feeder};
use crate::orders::Orders;
use crate::raw::{self, Disposition, ProcessId, Waited};
use crate::report::{Finish, now_micros};

/// Signals that the first process uses; all others have their default meaning.
pub(crate) const SIGNALS: [i32; 3] = [libc::SIGPIPE, libc::SIGCHLD, libc::SIGALRM];

/// Signals that end a wait are let in only while waiting. Gives the mask for waiting.
pub(crate) fn block_signals() -> Result<SigSet, Errno> {
    let meanings = [Disposition::Ignore, Disposition::Interrupt, Disposition::Interrupt];
    SIGNALS.into_iter().zip(meanings).for_each(|(signal, meaning)| raw::set_signal(signal, meaning));
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGCHLD);
    blocked.add(Signal::SIGALRM);
    blocked.thread_set_mask().map_err(from_nix)?;
    Ok(SigSet::empty())
}

fn from_nix(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

/// Watches over the script.
pub(crate) struct Watch<'a> {
    orders: &'a Orders<'a>,
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
    pub(crate) fn new(orders: &'a Orders<'a>, child: ProcessId, lifeline: &'a OwnedFd, wait_mask: SigSet) -> Self {
        let micros = orders.timeout.map(|timeout| u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX));
        let deadline = micros.map(|micros| now_micros().saturating_add(micros));
        let usage = Finish::default();
        Self { orders, child, lifeline, wait_mask, deadline, feeder: None, timed_out: false, status: None, usage }
    }

    /// Returns when the script has ended or its time is up.
    pub(crate) fn run(&mut self) -> Result<(), Errno> {
        if self.orders.feed {
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
            match Feeder::open(self.orders.script) {
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

    /// Kills what the script has left running, and waits until no process but this one is there.
    pub(crate) fn end_all(&mut self) {
        raw::kill_all_others();
        while let Ok(Some(waited)) = raw::wait(-1, true) {
            self.count(&waited);
            if waited.id == self.child {
                self.status.get_or_insert(waited.status);
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

    pub(crate) fn finish(self, base: Finish) -> Finish {
        let consumed = self.feeder.as_ref().map_or(0, Feeder::consumed);
        let status = self.status.unwrap_or_default();
        Finish { status, timed_out: self.timed_out, consumed, stamps: base.stamps, ..self.usage }
    }
}
