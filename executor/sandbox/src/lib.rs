//! Runs one script in a sandbox of namespaces: the only home of `unsafe`, of the `nix` crate and of the mount interface.
//!
//! ```text
//! caller ── clone ──> first process (pid 1) ───────────────── fork ──> the script's process, and what it starts
//!   │  maps ids, limits    makes what no job changes            privileges, filter, execve
//!   ├──────── orders ─────>│ stacks the job's directories, enters     │
//!   └<─────── report ──────┴────────────────────────────┘
//! ```
//!
//! Each sandbox has its own user, mount, pid, network, ipc, uts and cgroup namespace. Its root is an overlay of the
//! job's directories; `/proc`, `/dev`, `/sys` (empty), `/tmp` and `/sinter` are its own; the loopback interface is up and
//! there is no other; the host name is `sinter`; all ids from 0 to 65535 are the caller's.
//!
//! [`prepare`] makes all that before a job is known, so that who starts sandboxes ahead of time waits for the rest only. The
//! children allocate nothing and take no lock, so a caller with threads is safe too (but for [`enter_user_namespace`]): what
//! they need is made before they are, or comes to them through a pipe into memory of their own.
//!
//! Limitations: programs of another word size than the machine's (32-bit) are killed by the system call filter; memory
//! and processes are not limited (no cgroup); `/tmp`, `/dev/shm` and `/sinter` count as memory.
//!
//! Must not know: layers, stores, keys, the language. What it gives to its caller is a directory and an exit status.

mod blocker;
mod devices;
mod error;
mod explain;
mod feed;
mod identity;
mod ids;
mod init;
mod job;
mod lifetime;
mod mounts;
mod orders;
mod overlay;
mod plan;
mod privileges;
mod probe;
mod proc_files;
mod raw;
mod report;
mod run;
mod script;
mod seccomp;
mod skeleton;
mod stage;
mod subordinate;
mod surroundings;
mod watch;

pub use blocker::Blocker;
pub use error::SandboxError;
pub use identity::enter_user_namespace;
pub use job::{Exit, Job, Outcome, Phases};
pub use lifetime::{die_with, expect_children, give_output};
pub use mounts::MOUNT_POINTS;
pub use overlay::MAX_LOWERS;
pub use probe::{probe, probe_at};
pub use run::{Prepared, Remains, prepare, run};
pub use skeleton::{SKELETON_FILES, skeleton};
pub use stage::Stage;
