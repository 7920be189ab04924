//! Runs one script in a sandbox of namespaces: the only home of `unsafe`, of the `nix` crate and of the mount interface.
//!
//! ```text
//! caller ── clone ──> first process (pid 1) ── fork ──> the script's process, and what it starts
//!   │  maps ids, listens   mounts, loopback, script        privileges, filter, execve
//!   └──────────── report pipe <──────┴───────────────────────┘
//! ```
//!
//! Each sandbox has its own user, mount, pid, network, ipc, uts and cgroup namespace. Its root is an overlay of the
//! job's directories; `/proc`, `/dev`, `/sys` (empty), `/tmp` and `/sinter` are its own; the loopback interface is up and
//! there is no other; the host name is `sinter`; all ids from 0 to 65535 are the caller's. The children allocate nothing, so
//! a caller with threads is safe too (but for [`enter_user_namespace`]).
//!
//! Limitations: programs of another word size than the machine's (32-bit) are killed by the system call filter; memory
//! and processes are not limited (no cgroup); `/tmp` counts as memory.
//!
//! Must not know: layers, stores, keys, the language. What it gives to its caller is a directory and an exit status.

mod blocker;
mod error;
mod feed;
mod identity;
mod init;
mod job;
mod lifetime;
mod mounts;
mod plan;
mod privileges;
mod raw;
mod report;
mod run;
mod seccomp;
mod skeleton;
mod subordinate;

pub use blocker::Blocker;
pub use error::{SandboxError, Stage};
pub use identity::enter_user_namespace;
pub use job::{Exit, Job, Outcome, Phases};
pub use lifetime::die_with;
pub use plan::MAX_LOWERS;
pub use run::{probe, probe_at, run};
pub use skeleton::{MOUNT_POINTS, SKELETON_FILES, skeleton};
