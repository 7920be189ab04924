//! Turns what a child says about its failure into an error with the cause and the next step.

use std::io;
use std::path::PathBuf;

use nix::libc;
use rustix::io::Errno;

use crate::blocker;
use crate::devices;
use crate::error::SandboxError;
use crate::job::Job;
use crate::mounts::MOUNT_POINTS;
use crate::plan::search_path;
use crate::report::Failure;
use crate::stage::Stage;

/// The first process ended without a word.
pub(crate) fn died(status: i32) -> SandboxError {
    if libc::WIFSIGNALED(status) {
        SandboxError::Killed { signal: libc::WTERMSIG(status) }
    } else {
        SandboxError::NoReport { status: libc::WEXITSTATUS(status) }
    }
}

/// Why the script was not run.
pub(crate) fn explain(job: &Job, failure: Failure) -> SandboxError {
    let source = io::Error::from(failure.errno);
    let index = usize::try_from(failure.index).unwrap_or(usize::MAX);
    match failure.stage {
        _ if matches!(failure.errno, Errno::MFILE) => SandboxError::Descriptors,
        Stage::Devices => devices::missing().map_or(SandboxError::Setup { stage: Stage::Devices, source }, |missing| {
            SandboxError::NoDevice { missing }
        }),
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
