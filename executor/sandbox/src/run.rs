//! Starts a sandbox and waits for its end: the caller's side.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use crate::blocker;
use crate::error::{SandboxError, Stage};
use crate::feed::line_of;
use crate::init::{self, Lines};
use crate::job::{Exit, Job, Outcome, Phases};
use crate::plan::{ID_COUNT, Plan, search_path};
use crate::raw::{self, ProcessId};
use crate::report::{self, Failure, Finish, Message, now_micros};
use crate::skeleton::MOUNT_POINTS;

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
/// no process of the sandbox is left when this returns, nor when the caller is killed while it waits.
///
/// # Errors
/// Whatever kept the script from being started. That it failed is no error: see [`Outcome::exit`].
pub fn run(job: Job) -> Result<Outcome, SandboxError> {
    let plan = Plan::new(&job)?;
    let began = now_micros();
    let mut sandbox = Sandbox::start(&plan, &job.output)?;
    let mapped = map_ids(sandbox.first);
    sandbox.answer(mapped.is_ok());
    let messages = sandbox.listen();
    let status = sandbox.reap();
    mapped.map_err(|source| SandboxError::MapIds { source })?;
    match conclude(&messages) {
        Some(Message::Finished(finish)) => Ok(outcome(&job, &plan, &finish, began)),
        Some(Message::Failed(failure)) => Err(explain(&job, failure)),
        None => Err(died(status)),
    }
}

/// A first process that has not been waited for.
struct Sandbox {
    first: ProcessId,
    report: OwnedFd,
    lifeline: Option<OwnedFd>,
}

impl Sandbox {
    fn start(plan: &Plan, output: &OwnedFd) -> Result<Self, SandboxError> {
        let prepare = |errno: Errno| SandboxError::Setup { stage: Stage::Prepare, source: errno.into() };
        let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(prepare)?;
        let (report, report_in) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(prepare)?;
        let (lifeline_in, lifeline) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(prepare)?;
        let lines = Lines {
            null: null.as_raw_fd(),
            output: output.as_raw_fd(),
            report: report_in.as_raw_fd(),
            lifeline: lifeline_in.as_raw_fd(),
        };
        match raw::clone_child(NAMESPACES) {
            Ok(Some(first)) => Ok(Self { first, report, lifeline: Some(lifeline) }),
            Ok(None) => init::main(plan, &lines),
            Err(errno) => {
                Err(SandboxError::Namespaces { blocker: blocker::of_namespaces(errno), source: errno.into() })
            }
        }
    }

    /// Lets the first process go on, or end.
    fn answer(&mut self, go: bool) {
        match &self.lifeline {
            // If the first process is dead already, its missing report says so.
            Some(lifeline) if go => drop(rustix::io::write(lifeline, b"g")),
            _ => self.lifeline = None,
        }
    }

    /// Reads what the processes of the sandbox say until none is left that could.
    fn listen(&self) -> Vec<u8> {
        let mut said = Vec::new();
        let mut buffer = [0; report::SIZE * 4];
        loop {
            match rustix::io::read(&self.report, &mut buffer) {
                Ok(0) => return said,
                Ok(count) => said.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(_) => return said,
            }
        }
    }

    /// The first process's status, as `wait` gives it.
    fn reap(&mut self) -> i32 {
        self.lifeline = None;
        loop {
            match raw::wait(self.first, true) {
                Ok(Some(waited)) => {
                    self.first = 0;
                    return waited.status;
                }
                Err(Errno::INTR) => {}
                Ok(None) | Err(_) => return 0,
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.first > 0 {
            raw::kill(self.first);
            self.reap();
        }
    }
}

/// Ids mean the same inside and outside, so that files need no shifting.
fn map_ids(first: ProcessId) -> io::Result<()> {
    for file in ["uid_map", "gid_map"] {
        let own = std::fs::read_to_string(format!("/proc/self/{file}"))?;
        std::fs::write(format!("/proc/{first}/{file}"), identity_map(&own)?)?;
    }
    Ok(())
}

/// The map of a new namespace, made from the map of this one (user_namespaces(7): first inside, first outside, count).
/// One extent for each of ours, because the kernel maps no extent through two.
fn identity_map(own: &str) -> io::Result<String> {
    let (mut map, mut covered) = (String::new(), 0);
    for line in own.lines() {
        let mut fields = line.split_whitespace().map(str::parse::<u32>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let count = count.min(ID_COUNT.saturating_sub(first));
        if count > 0 {
            map.push_str(&format!("{first} {first} {count}\n"));
            covered += count;
        }
    }
    if covered < ID_COUNT {
        return Err(io::Error::other(format!("this process owns {covered} ids below {ID_COUNT}")));
    }
    Ok(map)
}

/// The message that matters: a failure of the script's process comes before the first process's report of its end.
fn conclude(said: &[u8]) -> Option<Message> {
    let messages = said.chunks_exact(report::SIZE).filter_map(|bytes| Message::decode(bytes.try_into().ok()?));
    messages.reduce(|first, second| if matches!(first, Message::Failed(_)) { first } else { second })
}

fn outcome(job: &Job, plan: &Plan, finish: &Finish, began: u64) -> Outcome {
    let between = |from: u64, to: u64| Duration::from_micros(to.saturating_sub(from));
    let [ready, mounted, ended] = finish.stamps;
    Outcome {
        exit: exit(finish),
        line: if plan.feed { line_of(&job.script, finish.consumed) } else { None },
        max_rss_bytes: finish.max_rss_kib.saturating_mul(1024),
        user_time: Duration::from_micros(finish.user_micros),
        system_time: Duration::from_micros(finish.system_micros),
        phases: Phases {
            namespaces: between(began, ready),
            mounts: between(ready, mounted),
            script: between(mounted, ended),
            teardown: between(ended, now_micros()),
        },
    }
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

fn died(status: i32) -> SandboxError {
    if libc::WIFSIGNALED(status) {
        SandboxError::Killed { signal: libc::WTERMSIG(status) }
    } else {
        SandboxError::NoReport { status: libc::WEXITSTATUS(status) }
    }
}

fn explain(job: &Job, failure: Failure) -> SandboxError {
    let source = io::Error::from(failure.errno);
    let index = usize::try_from(failure.index).unwrap_or(usize::MAX);
    match failure.stage {
        Stage::Directory => SandboxError::Directory { path: directory(job, index), source },
        Stage::Overlay | Stage::Private => {
            SandboxError::Overlay { blocker: blocker::of_mounting(failure.errno), source }
        }
        Stage::Proc => SandboxError::Proc { source },
        Stage::MountPoint => SandboxError::MountPoint { path: MOUNT_POINTS.get(index).copied().unwrap_or("/"), source },
        Stage::Workdir => SandboxError::Workdir { path: job.workdir.clone(), source },
        Stage::Interpreter => {
            SandboxError::InterpreterMissing { name: interpreter(job), path: search_path(job).to_owned() }
        }
        Stage::Execute => SandboxError::InterpreterBroken {
            name: interpreter(job),
            reason: broken_reason(job, failure.errno),
            source,
        },
        stage => SandboxError::Setup { stage, source },
    }
}

fn directory(job: &Job, index: usize) -> PathBuf {
    let all = job.lowers.iter().chain([&job.upper, &job.work]);
    all.into_iter().nth(index).cloned().unwrap_or_default()
}

/// What is to run the script, in the words of the job or of the script's `#!` line.
fn interpreter(job: &Job) -> String {
    let line = || job.script.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let named = || String::from_utf8_lossy(line().strip_prefix(b"#!").unwrap_or(b"/sinter/script")).trim().to_owned();
    job.interpreter.first().cloned().unwrap_or_else(named)
}

fn broken_reason(job: &Job, errno: Errno) -> &'static str {
    match errno {
        Errno::NOEXEC if job.interpreter.is_empty() => "the script has no `#!` first line",
        Errno::NOEXEC => "it is no program of this machine's architecture",
        Errno::NOENT if job.interpreter.is_empty() => "the program in its `#!` line is not in the tree",
        Errno::NOENT => "it exists, but the loader or the program in its `#!` line is not in the tree",
        Errno::ACCESS => "it is no executable file for the step's user",
        Errno::TOOBIG => "its arguments and environment are too long",
        _ => "the kernel refused",
    }
}

/// [`probe_at`] with the directory for temporary files.
///
/// # Errors
/// The first ability that is missing.
pub fn probe() -> Result<(), SandboxError> {
    probe_at(&std::env::temp_dir())
}

/// Tries everything a sandbox needs of the machine: namespaces, ids, the overlay, a fresh `/proc`, the filter. Takes a
/// few milliseconds; leaves nothing behind. `directory` is where sandboxes will have their upper directories.
///
/// # Errors
/// The first ability that is missing.
pub fn probe_at(directory: &Path) -> Result<(), SandboxError> {
    let place = directory.join(format!("sinter-probe-{}", std::process::id()));
    let result = probe_in(&place);
    let _ = std::fs::remove_dir_all(&place);
    result
}

fn probe_in(place: &Path) -> Result<(), SandboxError> {
    let make = |name: &str| {
        let path = place.join(name);
        let made = std::fs::create_dir_all(&path);
        made.map(|()| path.clone()).map_err(|source| SandboxError::Directory { path, source })
    };
    let lower = make("lower")?;
    crate::skeleton(&lower).map_err(|source| SandboxError::Directory { path: lower.clone(), source })?;
    let output = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| SandboxError::Setup { stage: Stage::Prepare, source: errno.into() })?;
    let job = Job {
        lowers: vec![lower],
        upper: make("upper")?,
        work: make("work")?,
        script: b"#!/sinter/none\n".to_vec(),
        interpreter: vec![],
        env: std::collections::BTreeMap::new(),
        uid: 0,
        gid: 0,
        groups: vec![],
        workdir: PathBuf::from("/"),
        output,
        timeout: Some(Duration::from_secs(10)),
    };
    // There is no program in an empty tree: that this is all that was missed means that everything else was there.
    match run(job) {
        Ok(_) | Err(SandboxError::InterpreterMissing { .. } | SandboxError::InterpreterBroken { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_map_follows_our_own() {
        for (own, expected) in [
            ("         0          0 4294967295\n", Some("0 0 65536\n")),
            ("0 1000 1\n1 100000 65535\n", Some("0 0 1\n1 1 65535\n")),
            ("0 1000 1\n1 100000 70000\n", Some("0 0 1\n1 1 65535\n")),
            ("0 100000 65536\n70000 1 5\n", Some("0 0 65536\n")),
            ("0 1000 1\n", None),
            ("1000 1000 1\n", None),
            ("", None),
        ] {
            assert_eq!(identity_map(own).ok().as_deref(), expected, "{own}");
        }
    }

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
