//! Starts a sandbox and waits for its end: the caller's side.
//!
//! A sandbox is made in two steps. [`prepare`] makes everything that no job changes; [`Prepared::run`] gives it a job. Who
//! knows that a job will come prepares before it does.

use std::time::Duration;

use nix::libc;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use crate::blocker;
use crate::devices;
use crate::error::SandboxError;
use crate::explain::{died, explain};
use crate::feed::line_of;
use crate::ids::map_ids;
use crate::init::{self, Lines};
use crate::job::{Exit, Job, Outcome, Phases};
use crate::orders::{Orders, framed};
use crate::plan::Plan;
use crate::raw::{self, ProcessId};
use crate::report::{self, Finish, Message, now_micros};
use crate::seccomp;
use crate::stage::Stage;
use crate::surroundings;

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Runs a script in a sandbox of its own and waits for its end.
///
/// The caller is root, or has become root by [`enter_user_namespace`](crate::enter_user_namespace). Whatever happens,
/// nothing of the sandbox is left when this returns, nor when the caller is killed while it waits.
///
/// # Errors
/// Whatever kept the script from being started. That it failed is no error: see [`Outcome::exit`].
pub fn run(job: &Job, output: OwnedFd) -> Result<Outcome, SandboxError> {
    prepare(output)?.run(job).0
}

/// Makes a sandbox that waits for its job, as far as none changes it. Most of the work goes on after this returns.
///
/// `output` takes what the script writes to standard output and standard error. Best the writing end of a pipe: a script
/// that opens `/dev/stdout` empties a file, and one that is not root may not open the caller's file at all.
///
/// The sandbox ends with the thread that calls this.
///
/// # Errors
/// What the machine refuses at once; the rest is said by [`Prepared::run`].
pub fn prepare(output: OwnedFd) -> Result<Prepared, SandboxError> {
    let began = now_micros();
    let prepare = |errno: Errno| match errno {
        Errno::MFILE => SandboxError::Descriptors,
        errno => SandboxError::Setup { stage: Stage::Prepare, source: errno.into() },
    };
    let (report, report_in) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(prepare)?;
    let (orders_out, orders) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(prepare)?;
    let (device_nodes, filter) = (devices::own_nodes(), seccomp::program());
    let lines = Lines {
        output: output.as_raw_fd(),
        report: report_in.as_raw_fd(),
        orders: orders_out.as_raw_fd(),
        device_nodes: device_nodes.as_ref().map(AsRawFd::as_raw_fd),
        filter: &filter,
        argument_memory: raw::argument_memory(),
    };
    let first = match raw::clone_child(NAMESPACES) {
        Ok(Some(first)) => first,
        Ok(None) => init::main(&lines),
        Err(errno) => {
            return Err(SandboxError::Namespaces { blocker: blocker::of_namespaces(errno), source: errno.into() });
        }
    };
    let prepared = Prepared { report, orders, began, remains: Remains { first } };
    map_ids(first)?;
    surroundings::settle_from_outside(first);
    // If the first process is dead already, its missing report says so.
    let _ = rustix::io::write(&prepared.orders, b"g");
    Ok(prepared)
}

/// A sandbox without a job.
#[derive(Debug)]
pub struct Prepared {
    report: OwnedFd,
    orders: OwnedFd,
    /// Monotonic microseconds.
    began: u64,
    // Last, so that the pipes are closed when it is waited for.
    remains: Remains,
}

impl Prepared {
    /// Runs a script and waits until none of its processes is left. What it wrote is complete then; the kernel still has
    /// namespaces to take down, which is waited for when the second value is dropped.
    ///
    /// # Errors
    /// As [`run`].
    pub fn run(mut self, job: &Job) -> (Result<Outcome, SandboxError>, Remains) {
        let result = self.order_and_listen(job);
        (result, self.remains)
    }

    fn order_and_listen(&mut self, job: &Job) -> Result<Outcome, SandboxError> {
        let plan = Plan::new(job)?;
        let orders = plan.orders();
        let ordered = now_micros();
        // A first process that failed does not read to the end, and has said why.
        let _ = write_whole(&self.orders, &framed(&orders.encode()));
        match conclude(&self.listen()) {
            Some(Message::Finished(finish)) => Ok(self.outcome(&orders, &finish, ordered)),
            Some(Message::Failed(failure)) => Err(explain(job, failure)),
            None => Err(died(self.remains.reap())),
        }
    }

    /// Reads what the processes of the sandbox say until the last word, or until none is left that could say it.
    fn listen(&self) -> Vec<u8> {
        let mut said = Vec::new();
        let mut buffer = [0; report::SIZE * 4];
        while !matches!(last(&said), Some(Message::Finished(_))) {
            match rustix::io::read(&self.report, &mut buffer) {
                Ok(count) if count > 0 => said.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return said,
            }
        }
        said
    }

    fn outcome(&self, orders: &Orders<'_>, finish: &Finish, ordered: u64) -> Outcome {
        let between = |from: u64, to: u64| Duration::from_micros(to.saturating_sub(from));
        let [ready, mounted, ended] = finish.stamps;
        Outcome {
            exit: exit(finish),
            line: if orders.feed { line_of(orders.script, finish.consumed) } else { None },
            max_rss_bytes: finish.max_rss_kib.saturating_mul(1024),
            user_time: Duration::from_micros(finish.user_micros),
            system_time: Duration::from_micros(finish.system_micros),
            phases: Phases {
                preparation: between(self.began, ready),
                mounts: between(ready.max(ordered), mounted),
                script: between(mounted, ended),
                teardown: between(ended, now_micros()),
            },
        }
    }
}

/// What the kernel still has to take down. Dropping it ends what is left and waits for that.
#[derive(Debug)]
pub struct Remains {
    first: ProcessId,
}

impl Remains {
    /// The first process's status, as `wait` gives it.
    fn reap(&mut self) -> i32 {
        loop {
            match raw::wait(self.first, true) {
                Ok(Some(waited)) => {
                    self.first = 0;
                    return waited.status;
                }
                Err(Errno::INTR) => {}
                // A caller that ignores the end of its children has none to wait for, once they have ended.
                Ok(None) | Err(_) => {
                    self.first = 0;
                    return 0;
                }
            }
        }
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if self.first > 0 {
            raw::kill(self.first);
            self.reap();
        }
    }
}

fn write_whole(pipe: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(pipe, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn messages(said: &[u8]) -> impl DoubleEndedIterator<Item = Message> + '_ {
    said.chunks_exact(report::SIZE).filter_map(|bytes| Message::decode(bytes.try_into().ok()?))
}

fn last(said: &[u8]) -> Option<Message> {
    messages(said).next_back()
}

/// The message that matters: a failure of the script's process comes before the first process's report of its end.
fn conclude(said: &[u8]) -> Option<Message> {
    messages(said).reduce(|first, second| if matches!(first, Message::Failed(_)) { first } else { second })
}

fn exit(finish: &Finish) -> Exit {
    if finish.timed_out {
        Exit::TimedOut
    } else if libc::WIFSIGNALED(finish.status) {
        Exit::Signal(libc::WTERMSIG(finish.status))
    } else {
        Exit::Code(libc::WEXITSTATUS(finish.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Failure;

    #[test]
    fn failure_of_the_script_comes_before_its_end() {
        let failed = Message::Failed(Failure { stage: Stage::Workdir, errno: Errno::NOENT, index: 0 });
        let finished = Message::Finished(Finish::default());
        let said = [failed.encode(), finished.encode()].concat();
        assert_eq!(conclude(&said), Some(failed));
        assert_eq!(conclude(&finished.encode()), Some(finished));
        assert_eq!(conclude(&[]), None);
        assert_eq!(conclude(b"half a message"), None);
    }
}
