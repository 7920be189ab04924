//! What can go wrong with a sandbox, in words that name what the machine lacks and the smallest change that helps.

use std::io;
use std::path::PathBuf;

use sinter_graph::ErrorClass;

use crate::blocker::Blocker;
use crate::stage::Stage;

/// Why a script could not be run. That the script itself failed is not an error but an [`Exit`](crate::Exit).
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A field of the job is unusable.
    #[error("the sandbox job is not valid: {field}: {reason}")]
    InvalidJob {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel refused the namespaces.
    #[error("cannot make the namespaces of a sandbox ({source}): {blocker}")]
    Namespaces {
        /// What stands in the way.
        blocker: Blocker,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The 65,536 ids could not be mapped into the sandbox's user namespace.
    #[error(
        "cannot map 65536 user and group ids into a sandbox ({source}): this process must be root, or own a range of \
             ids; inside a container, start the container with at least 65536 ids"
    )]
    MapIds {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The user has no range of subordinate ids.
    #[error(
        "user {user} has {found} subordinate ids in {file}, a sandbox needs {needed}: as root, {advice} (any range that \
             is nobody else's will do)"
    )]
    NoIdRange {
        /// Name or number of the user.
        user: String,
        /// The file that was read.
        file: &'static str,
        /// How many ids it gives this user.
        found: u64,
        /// How many are needed.
        needed: u64,
        /// What gives the user enough of them.
        advice: String,
    },
    /// `newuidmap` is not there.
    #[error(
        "{program} was not found: as root, install the package uidmap (in some distributions shadow-utils or shadow)"
    )]
    NoIdMapper {
        /// `newuidmap` or `newgidmap`.
        program: &'static str,
    },
    /// `newuidmap` refused.
    #[error(
        "{program} failed: {reason}; check that it is setuid root, that /etc/passwd has a line for this user, and that \
             /etc/subuid and /etc/subgid name it"
    )]
    IdMapperFailed {
        /// `newuidmap` or `newgidmap`.
        program: &'static str,
        /// What it said.
        reason: String,
    },
    /// A new user namespace was asked for in a process with several threads.
    #[error("a user namespace can only be entered by a process with a single thread")]
    Threads,
    /// The root file system could not be stacked.
    #[error("cannot mount the layers of a sandbox with overlayfs ({source}): {blocker}")]
    Overlay {
        /// What stands in the way.
        blocker: Blocker,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A directory that the job names could not be opened.
    #[error("cannot open the directory {} of a sandbox: {source}", path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The tree has more layers than the kernel stacks.
    #[error(
        "a tree of {count} directories is too deep for a sandbox, the kernel stacks {most} (OVL_MAX_STACK): let several of \
             them be one"
    )]
    TooDeep {
        /// How many directories the job has.
        count: usize,
        /// How many it may have.
        most: usize,
    },
    /// This process may open too few files.
    #[error(
        "a sandbox needs more open files than this process may have: raise the limit (`ulimit -n 1024`), and as root the \
             hard one too (`ulimit -Hn`)"
    )]
    Descriptors,
    /// The machine's `/proc` is missing.
    #[error(
        "/proc is not mounted here, but nothing can be run in a sandbox without it: as root, run \
             `mount -t proc proc /proc`"
    )]
    NoProc,
    /// A device that a sandbox shows is missing.
    #[error(
        "/dev of this machine lacks {missing}, and this process may not make device nodes: as root, run \
             `mount -t devtmpfs dev /dev`, or run sinter as root"
    )]
    NoDevice {
        /// Which ones, separated by commas.
        missing: String,
    },
    /// A fresh `/proc` was refused.
    #[error(
        "cannot mount /proc in a sandbox ({source}): a container engine that hides parts of its own /proc forbids it; \
             start the outer container with an unmasked /proc (for instance `--security-opt unmask=ALL`, or \
             `procMount: Unmasked` with `hostUsers: false`)"
    )]
    Proc {
        /// The kernel's answer.
        source: io::Error,
    },
    /// What a sandbox mounts on is no directory in the tree.
    #[error(
        "{path} is not a directory in this tree ({source}), but a sandbox has to mount its own {path} there: make it \
             a directory or delete it in the layer that adds it"
    )]
    MountPoint {
        /// One of [`MOUNT_POINTS`](crate::MOUNT_POINTS).
        path: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The working directory is not there.
    #[error("cannot enter the working directory {}: {source}", path.display())]
    Workdir {
        /// The directory as the job names it.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The program that interprets the script is not in the tree.
    #[error(
        "`{name}`, which is to run the script, was not found in the tree (PATH is {path}): add the package that holds \
             it to what the step stands on, or name another program with `shell`"
    )]
    InterpreterMissing {
        /// The program as the job names it.
        name: String,
        /// Where it was looked for.
        path: String,
    },
    /// The program that interprets the script is there, but the kernel does not start it.
    #[error("`{name}`, which is to run the script, cannot be started ({source}): {reason}")]
    InterpreterBroken {
        /// The program as the job names it.
        name: String,
        /// The usual cause.
        reason: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another part of the set-up was refused.
    #[error("cannot set up a sandbox: {stage}: {source}")]
    Setup {
        /// Which part.
        stage: Stage,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The sandbox's first process was killed from outside, and all others with it.
    #[error(
        "the first process of the sandbox was killed by signal {signal}: if the machine ran out of memory, run fewer \
             steps at a time (--jobs)"
    )]
    Killed {
        /// The signal.
        signal: i32,
    },
    /// The sandbox's first process ended without saying how the script ended.
    #[error("the first process of the sandbox ended with status {status} and no report; please report this as a bug")]
    NoReport {
        /// Its exit status.
        status: i32,
    },
}

impl SandboxError {
    /// Whose fault this is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::InvalidJob { .. } | Self::Threads | Self::NoReport { .. } => ErrorClass::Internal,
            Self::MountPoint { .. }
            | Self::Workdir { .. }
            | Self::InterpreterMissing { .. }
            | Self::InterpreterBroken { .. } => ErrorClass::User,
            Self::Namespaces { .. }
            | Self::MapIds { .. }
            | Self::NoIdRange { .. }
            | Self::NoIdMapper { .. }
            | Self::IdMapperFailed { .. }
            | Self::Overlay { .. }
            | Self::Directory { .. }
            | Self::TooDeep { .. }
            | Self::Descriptors
            | Self::NoProc
            | Self::NoDevice { .. }
            | Self::Proc { .. }
            | Self::Setup { .. }
            | Self::Killed { .. } => ErrorClass::Environment,
        }
    }
}
