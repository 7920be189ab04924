//! What a builder and its runner processes say to each other: one JSON document each way.
//!
//! Must not know: how runners are started, what a sandbox is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the runner is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Process id of the builder: the runner does not outlive it.
    pub builder: u32,
    /// Directories of the tree, top first.
    #[serde(with = "crate::path_text::list")]
    pub lowers: Vec<PathBuf>,
    /// Empty directory that receives what the script writes.
    #[serde(with = "crate::path_text")]
    pub upper: PathBuf,
    /// Empty directory on the same filesystem, for the kernel.
    #[serde(with = "crate::path_text")]
    pub work: PathBuf,
    /// The script.
    pub script: String,
    /// Program and flags; empty: the script itself.
    pub interpreter: Vec<String>,
    /// The complete environment.
    pub env: BTreeMap<String, String>,
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Absolute working directory; exists in the tree.
    #[serde(with = "crate::path_text")]
    pub workdir: PathBuf,
    /// Seconds the script may run.
    pub timeout_seconds: Option<u64>,
}

/// How a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It exited.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
    /// It ran longer than its `timeout` and was killed.
    TimedOut,
}

/// What the runner answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The script ran.
    Ran {
        /// How it ended.
        ending: Ending,
        /// The line the shell had read last, from 1, if the interpreter is a shell.
        line: Option<u32>,
    },
    /// The sandbox could not be made.
    Failed {
        /// Why, and the next step.
        message: String,
        /// Whether the user's `.build` file is at fault rather than the machine.
        user: bool,
    },
}
