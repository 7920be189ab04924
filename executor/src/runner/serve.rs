//! The body of `sinter runner`: one script in one sandbox, in a process of its own, so that the builder's many threads never
//! fork.

use std::io::{Read, Write};
use std::time::Duration;

use sinter_graph::ErrorClass;
use sinter_sandbox::{Exit, Job, SandboxError};

use super::protocol::{Ending, Reply, Request};

/// Makes a sandbox ready, reads a [`Request`] from standard input, runs it, writes a [`Reply`]. Ends silently if there is
/// none. After the answer it stays until the kernel has taken the sandbox down.
///
/// # Errors
/// If standard input is no request or the answer cannot be written.
pub fn serve() -> std::io::Result<()> {
    let prepared = sinter_sandbox::prepare(sinter_sandbox::give_output()?);
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    if text.is_empty() {
        // Started ahead of time, and then the build ended.
        return Ok(());
    }
    let request: Request = serde_json::from_slice(&text)?;
    sinter_sandbox::die_with(request.builder)?;
    let (result, _remains) = match prepared {
        Ok(prepared) => {
            let (result, remains) = prepared.run(&job(request));
            (result, Some(remains))
        }
        Err(error) => (Err(error), None),
    };
    let reply = match result {
        Ok(outcome) => Reply::Ran { ending: outcome.exit.into(), line: outcome.line },
        Err(error) => failed(&error),
    };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&serde_json::to_vec(&reply)?)?;
    stdout.flush()
}

fn failed(error: &SandboxError) -> Reply {
    Reply::Failed { message: error.to_string(), user: error.class() == ErrorClass::User }
}

fn job(request: Request) -> Job {
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
