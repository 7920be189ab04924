//! The runner processes of a build: started ahead of time, talked to, killed if the build is to end early.
//!
//! Starting a process costs as much as the rest of a small sandbox, so the next runner is started while a step runs, and
//! waits for its request. Killing a runner kills everything in its sandbox, and however the builder ends, the kernel kills
//! its runners.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use serde::Deserialize as _;

use super::protocol::{Reply, Request};

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
        sinter_sandbox::expect_children();
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
pub(super) struct Running {
    starter: Mutex<Option<Starter>>,
    children: Mutex<BTreeMap<u32, Arc<Mutex<std::process::Child>>>>,
    stopped: std::sync::atomic::AtomicBool,
    /// Runners that have answered and wait for the kernel to take their sandboxes down.
    answered: Mutex<Vec<Arc<Mutex<std::process::Child>>>>,
}

impl Running {
    /// Kills every runner, and each that starts later.
    pub(super) fn stop(&self) {
        self.stopped.store(true, std::sync::atomic::Ordering::SeqCst);
        let children = self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for child in children.values() {
            // A child that has just ended cannot be killed, and need not be.
            let _ = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).kill();
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
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

    /// Lets a runner that has answered end by itself, and forgets those that have.
    fn let_end(&self, child: Arc<Mutex<std::process::Child>>) {
        let mut answered = self.answered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        answered.push(child);
        answered.retain(|child| {
            let ended = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).try_wait();
            matches!(ended, Ok(None))
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let starter = self.starter.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(Starter { ready, thread }) = starter {
            drop(ready);
            let _ = thread.join();
        }
        for child in self.answered.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner) {
            let _ = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).wait();
        }
    }
}

/// A way to end one runner, from another thread: what its script sees turned out to be worthless.
#[derive(Debug, Default)]
pub(super) struct End(Mutex<(bool, Option<Arc<Mutex<std::process::Child>>>)>);

impl End {
    /// Kills the runner, now or as soon as there is one.
    pub(super) fn now(&self) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 = true;
        state.1.iter().for_each(kill);
    }

    fn concerns(&self, child: &Arc<Mutex<std::process::Child>>) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.1 = Some(child.clone());
        if state.0 {
            kill(child);
        }
    }
}

/// A child that has just ended cannot be killed, and need not be.
fn kill(child: &Arc<Mutex<std::process::Child>>) {
    let _ = child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).kill();
}

/// Runs `request` in a runner process and feeds what the script prints to `output`, as it comes.
///
/// # Errors
/// If the process cannot be started or ends without an answer.
pub(super) fn run(
    program: &RunnerProgram,
    request: &Request,
    running: &Running,
    end: &End,
    output: &mut dyn FnMut(&[u8]),
) -> std::io::Result<Reply> {
    let Waiting { mut child, output: mut reader } = running.next(program)?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let id = child.id();
    let child = running.add(child);
    end.concerns(&child);
    let reply = converse(request, stdin, stdout, &mut reader, output);
    running.remove(id);
    if let Ok(Some(reply)) = reply {
        running.let_end(child);
        return Ok(reply);
    }
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
    // The runner does not end with its answer, so the answer has no end but its own.
    let read = |stdout| Reply::deserialize(&mut serde_json::Deserializer::from_reader(BufReader::new(stdout))).ok();
    Ok(stdout.and_then(read))
}
