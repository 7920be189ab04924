//! The runner: one script in one sandbox, in a process of its own, so that the builder's many threads never fork.
//!
//! The builder starts its own program again as `sinter runner`, writes a [`Request`] to its standard input, gives it
//! one end of a pipe as standard error for what the script prints, and reads a [`Reply`] from its standard output.
//! Killing the runner kills everything in the sandbox.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sinter_graph::ErrorClass;
use sinter_sandbox::{Exit, Job, SandboxError};

/// What the runner is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Directories of the tree, top first.
    pub lowers: Vec<PathBuf>,
    /// Empty directory that receives what the script writes.
    pub upper: PathBuf,
    /// Empty directory on the same filesystem, for the kernel.
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

/// How the builder starts runners.
#[derive(Debug, Clone)]
pub struct RunnerProgram {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Kills the runners of a build that is to end early.
#[derive(Debug, Default)]
pub(crate) struct Running {
    children: Mutex<BTreeMap<u32, Arc<Mutex<std::process::Child>>>>,
    stopped: std::sync::atomic::AtomicBool,
}

impl Running {
    /// Kills every runner, and each that starts later.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, std::sync::atomic::Ordering::SeqCst);
        let children = self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for child in children.values() {
            // A child that has just ended cannot be killed, and need not be.
            let _ = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).kill();
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn add(&self, child: std::process::Child) -> Arc<Mutex<std::process::Child>> {
        let id = child.id();
        let child = Arc::new(Mutex::new(child));
        self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id, child.clone());
        if self.is_stopped() {
            self.stop();
        }
        child
    }

    fn remove(&self, id: u32) {
        self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&id);
    }
}

/// Runs `request` in a runner process and feeds what the script prints to `output`, as it comes.
///
/// # Errors
/// If the process cannot be started or ends without an answer.
pub(crate) fn run(
    program: &RunnerProgram,
    request: &Request,
    running: &Running,
    output: &mut dyn FnMut(&[u8]),
) -> std::io::Result<Reply> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut command = Command::new(&program.program);
    command.args(&program.arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the pipe's write end; while it lives, the script's output has no end.
    drop(command);
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let id = child.id();
    let child = running.add(child);
    let reply = converse(request, stdin, stdout, &mut reader, output);
    running.remove(id);
    let status = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).wait()?;
    reply?.ok_or_else(|| std::io::Error::other(format!("the runner process ended without an answer ({status})")))
}

fn converse(
    request: &Request,
    stdin: Option<std::process::ChildStdin>,
    stdout: Option<std::process::ChildStdout>,
    reader: &mut std::io::PipeReader,
    output: &mut dyn FnMut(&[u8]),
) -> std::io::Result<Option<Reply>> {
    if let Some(mut stdin) = stdin {
        stdin.write_all(&serde_json::to_vec(request)?)?;
    }
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            length => output(&buffer[..length]),
        }
    }
    let mut answer = Vec::new();
    if let Some(mut stdout) = stdout {
        stdout.read_to_end(&mut answer)?;
    }
    Ok(serde_json::from_slice(&answer).ok())
}

/// The body of `sinter runner`: reads a [`Request`] from standard input, runs it, writes a [`Reply`].
///
/// # Errors
/// If standard input is no request or the answer cannot be written.
pub fn serve() -> std::io::Result<()> {
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    let request: Request = serde_json::from_slice(&text)?;
    let output = std::io::stderr().as_fd().try_clone_to_owned()?;
    let reply = match sinter_sandbox::run(job(request, output)) {
        Ok(outcome) => Reply::Ran { ending: outcome.exit.into(), line: outcome.line },
        Err(error) => failed(&error),
    };
    std::io::stdout().lock().write_all(&serde_json::to_vec(&reply)?)
}

fn failed(error: &SandboxError) -> Reply {
    Reply::Failed { message: error.to_string(), user: error.class() == ErrorClass::User }
}

fn job(request: Request, output: OwnedFd) -> Job {
    Job {
        lowers: request.lowers,
        upper: request.upper,
        work: request.work,
        script: request.script.into_bytes(),
        interpreter: request.interpreter,
        env: request.env,
        uid: request.uid,
        gid: request.gid,
        groups: request.groups,
        workdir: request.workdir,
        output,
        timeout: request.timeout_seconds.map(Duration::from_secs),
    }
}

impl From<Exit> for Ending {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self::Code(code),
            Exit::Signal(signal) => Self::Signal(signal),
            Exit::TimedOut => Self::TimedOut,
        }
    }
}
