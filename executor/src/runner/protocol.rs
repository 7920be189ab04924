//! The runner: one script in one sandbox, in a process of its own, so that the builder's many threads never fork.
//!
//! The builder starts its own program again as `sinter runner`, writes a [`Request`] to its standard input, gives it
//! one end of a pipe as standard error for what the script prints, and reads a [`Reply`] from its standard output.
//! Killing the runner kills everything in the sandbox, and however the builder ends, the kernel kills its runners.
//!
//! Starting a process costs as much as the rest of a small sandbox, so the next runner is started while a step runs, and
//! waits for its request.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sinter_graph::ErrorClass;
use sinter_sandbox::{Exit, Job, SandboxError};

/// What the runner is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Process id of the builder: the runner does not outlive it.
    pub builder: u32,
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

/// A runner that was started and has no request yet.
#[derive(Debug)]
struct Waiting {
    child: std::process::Child,
    /// What the script will print.
    output: std::io::PipeReader,
}

impl Waiting {
    fn start(program: &RunnerProgram) -> std::io::Result<Self> {
        let (output, writer) = std::io::pipe()?;
        let mut command = Command::new(&program.program);
        command.args(&program.arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(writer);
        // The command holds the pipe's write end and goes with this function: while it lives, the output has no end.
        Ok(Self { child: command.spawn()?, output })
    }
}

/// Starts runners ahead of time, on a thread that lives as long as the build: the kernel kills a runner with the thread
/// that started it.
#[derive(Debug)]
struct Starter {
    ready: Receiver<std::io::Result<Waiting>>,
    thread: std::thread::JoinHandle<()>,
}

impl Starter {
    fn new(program: RunnerProgram) -> std::io::Result<Self> {
        // Nothing fits into the channel: the thread holds one runner and starts the next when that is taken.
        let (give, ready) = sync_channel(0);
        let work = move || while give.send(Waiting::start(&program)).map_err(|unused| end(unused.0)).is_ok() {};
        let thread = std::thread::Builder::new().name("runner-start".to_owned()).spawn(work)?;
        Ok(Self { ready, thread })
    }
}

/// Ends a runner that nobody wanted.
fn end(unused: std::io::Result<Waiting>) {
    if let Ok(Waiting { mut child, .. }) = unused {
        // One that has ended by itself cannot be killed, and need not be.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Starts the runners of a build, and kills them if it is to end early.
#[derive(Debug, Default)]
pub(crate) struct Running {
    starter: Mutex<Option<Starter>>,
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

    /// A runner for one request.
    fn next(&self, program: &RunnerProgram) -> std::io::Result<Waiting> {
        let mut starter = self.starter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if starter.is_none() {
            *starter = Some(Starter::new(program.clone())?);
        }
        match starter.as_ref().map(|starter| starter.ready.recv()) {
            Some(Ok(waiting)) => waiting,
            // A starter that died is replaced by the next step.
            _ => Waiting::start(program).inspect(|_| *starter = None),
        }
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

impl Drop for Running {
    fn drop(&mut self) {
        let starter = self.starter.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(Starter { ready, thread }) = starter {
            drop(ready);
            let _ = thread.join();
        }
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
    let Waiting { mut child, output: mut reader } = running.next(program)?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let id = child.id();
    let child = running.add(child);
    let reply = converse(request, stdin, stdout, &mut reader, output);
    running.remove(id);
    if reply.is_err() {
        // Nobody reads what it writes any more: it would wait for ever. If it has ended already, all is well.
        let _ = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).kill();
    }
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
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => output(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut answer = Vec::new();
    if let Some(mut stdout) = stdout {
        stdout.read_to_end(&mut answer)?;
    }
    Ok(serde_json::from_slice(&answer).ok())
}

/// The body of `sinter runner`: reads a [`Request`] from standard input, runs it, writes a [`Reply`]. Ends silently if
/// there is none.
///
/// # Errors
/// If standard input is no request or the answer cannot be written.
pub fn serve() -> std::io::Result<()> {
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    if text.is_empty() {
        // Started ahead of time, and then the build ended.
        return Ok(());
    }
    let request: Request = serde_json::from_slice(&text)?;
    sinter_sandbox::die_with(request.builder)?;
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
