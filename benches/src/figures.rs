//! Running commands and telling what they took.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command in its own directory with a store, without this process's environment.
pub(crate) fn command(program: &Path, directory: &Path, store: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", directory);
    command.env("SINTER_STORE", store);
    command
}

/// Runs a command to its end; its time and what it wrote to standard error.
///
/// # Panics
/// If it cannot be started or fails: a figure of a failed run would be a lie.
pub(crate) fn timed(command: &mut Command) -> (Duration, String) {
    let started = Instant::now();
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {:?}: {error}", command.get_program()));
    let elapsed = started.elapsed();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{:?} failed:\n{stderr}", command.get_program());
    (elapsed, stderr)
}

/// Times of several runs, sorted.
pub(crate) fn times(runs: usize, mut once: impl FnMut() -> Duration) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..runs).map(|_| once()).collect();
    times.sort();
    times
}

/// Minimum and median.
pub(crate) fn spread(times: &[Duration]) -> String {
    format!("{} min, {} median", milliseconds(times[0]), milliseconds(median(times)))
}

/// The middle one of sorted times.
pub(crate) fn median(times: &[Duration]) -> Duration {
    times[times.len() / 2]
}

pub(crate) fn milliseconds(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    if millis < 10_000.0 { format!("{millis:.1} ms") } else { format!("{:.1} s", millis / 1000.0) }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people has three digits")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// `ours` in parts of `theirs`.
pub(crate) fn ratio(ours: Duration, theirs: Duration) -> String {
    format!("{:.2}", ours.as_secs_f64() / theirs.as_secs_f64())
}

/// A line of the table.
pub(crate) fn row(what: &str, figure: &str, peer: &str, ratio: &str) {
    println!("| {what} | {figure} | {peer} | {ratio} |");
}
