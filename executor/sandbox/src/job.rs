//! What a sandbox is asked to do, and what comes of it. Plain data; knows no system call.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// One script and the world it is to see.
///
/// Nothing else of the caller's world is visible to the script: no file, variable, process, socket or open descriptor.
#[derive(Debug)]
pub struct Job {
    /// Directories that make up the tree, topmost first, the view of the declared files among them. The last one is a
    /// directory made by [`skeleton`](crate::skeleton). At most [`MAX_LOWERS`](crate::MAX_LOWERS). User and group of
    /// every entry must be below 65536 as this process sees them: the kernel copies nothing up whose owner it cannot map.
    pub lowers: Vec<PathBuf>,
    /// An empty directory. Afterwards it holds what the script wrote, in the form overlayfs gives it: a deleted path is
    /// a character device 0:0, a replaced directory carries `user.overlay.opaque`.
    pub upper: PathBuf,
    /// An empty directory on the file system of `upper`, for the kernel. Afterwards it is rubbish.
    pub work: PathBuf,
    /// The script's bytes. It is seen as `/sinter/script`.
    pub script: Vec<u8>,
    /// Program and arguments to which `/sinter/script` is appended; empty: the script itself is executed.
    pub interpreter: Vec<String>,
    /// The complete environment.
    pub env: BTreeMap<String, String>,
    /// Numeric user, below 65536.
    pub uid: u32,
    /// Numeric group, below 65536.
    pub gid: u32,
    /// Supplementary groups, each below 65536.
    pub groups: Vec<u32>,
    /// Absolute working directory; it exists in the tree.
    pub workdir: PathBuf,
    /// After this time all processes are killed. `None`: never.
    pub timeout: Option<Duration>,
}

/// How the script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status; 0 is success.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was killed because [`Job::timeout`] had passed.
    TimedOut,
}

/// What came of a [`Job`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How the script ended.
    pub exit: Exit,
    /// The last line, counted from 1, that the shell had read when it ended: the line that failed, or the last line of
    /// the compound command that failed. `None` if the interpreter is no shell that reads line by line.
    pub line: Option<u32>,
    /// The largest resident set of any process that was waited for, in bytes. Never less than the caller's own.
    pub max_rss_bytes: u64,
    /// Processor time of all processes that were waited for, in user mode.
    pub user_time: Duration,
    /// The same in kernel mode.
    pub system_time: Duration,
    /// Where the wall-clock time went.
    pub phases: Phases,
}

/// Where the wall-clock time of a sandbox went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases {
    /// Making everything that no job changes: namespaces, ids, `/proc`, `/dev`.
    pub preparation: Duration,
    /// From the job, or the end of the preparation, to the script's start: the overlay and entering it.
    pub mounts: Duration,
    /// From the start of the script's process to its end, its own privileges and `execve` among it.
    pub script: Duration,
    /// Until the kernel has killed what was left.
    pub teardown: Duration,
}
