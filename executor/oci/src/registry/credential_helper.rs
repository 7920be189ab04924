//! Programs that know credentials (docker-credential-helpers, "get").
//!
//! Rules: a program that hangs, chatters, or leaves others behind that keep its pipes open costs a bounded time and memory.
//! Must not know: what its answer means.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long its output may stay open after it ended: whatever it said is in the pipe by then.
const GRACE: Duration = Duration::from_secs(1);
/// No answer is longer.
const LONGEST: u64 = 1 << 20;

/// What a program answered.
#[derive(Debug)]
pub(super) struct Said {
    /// Whether it says that it succeeded.
    pub(super) is_success: bool,
    /// What it printed.
    pub(super) text: String,
}

/// Asks a program found in `path` for what it knows about a registry.
///
/// # Errors
/// If it cannot be started or does not end; what is said follows the program's name.
pub(super) fn ask(program: &str, path: Option<&Path>, key: &str) -> Result<Said, String> {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read says so by what it answers.
        let _ = input.write_all(key.as_bytes());
    }
    let (sender, pieces) = channel();
    if let Some(output) = child.stdout.take() {
        // It ends with the pipe, which may be long after us: nobody waits for it.
        std::thread::spawn(move || {
            let mut output = output.take(LONGEST);
            let mut piece = vec![0; 4096];
            while let Ok(count @ 1..) = output.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
    }
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() <= PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not answer for {} seconds", PATIENCE.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    let mut text = Vec::new();
    let last = Instant::now() + GRACE;
    while let Ok(piece) = pieces.recv_timeout(last.saturating_duration_since(Instant::now())) {
        text.extend(piece);
    }
    if text.len() as u64 >= LONGEST {
        return Err("answers without end".to_owned());
    }
    if status.code().is_none() {
        return Err("was ended by a signal".to_owned());
    }
    Ok(Said { is_success: status.success(), text: String::from_utf8_lossy(&text).into_owned() })
}
