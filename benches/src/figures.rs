//! Running commands and telling what they took.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command in its own directory with a store, without this process's environment.
pub(crate) fn command(program: &Path, directory: &Path, store: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).env_clear().stdin(Stdio::null());
    command.env("HOME", directory).env("SINTER_STORE", store);
    for name in ["PATH", "SINTER_MIRROR_DEBIAN"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}

/// Runs a command to its end; its time and what it wrote to standard error.
///
/// # Panics
/// If it cannot be started or fails: a figure of a failed run would be a lie.
pub(crate) fn timed(command: &mut Command) -> (Duration, String) {
    let (elapsed, lines) = watched(command);
    (elapsed, lines.into_iter().map(|(_, line)| line + "\n").collect())
}

/// Runs a command to its end; its time and each line of its standard error with the moment it came.
///
/// # Panics
/// As [`timed`].
pub(crate) fn watched(command: &mut Command) -> (Duration, Vec<(Duration, String)>) {
    let started = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("cannot run {:?}: {error}", command.get_program()));
    let stderr = child.stderr.take().expect("standard error is a pipe");
    let lines: Vec<(Duration, String)> = BufReader::new(stderr)
        .split(b'\n')
        .map_while(Result::ok)
        .map(|line| (started.elapsed(), String::from_utf8_lossy(&line).into_owned()))
        .collect();
    let status = child.wait().expect("a child can be waited for");
    let elapsed = started.elapsed();
    assert!(status.success(), "{:?} failed:\n{lines:#?}", command.get_program());
    (elapsed, lines)
}

/// Times of several runs, sorted.
pub(crate) fn times(runs: usize, once: impl FnMut(usize) -> Duration) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..runs).map(once).collect();
    times.sort();
    times
}

/// Minimum and median.
pub(crate) fn spread(times: &[Duration]) -> String {
    format!("{} ({} median)", duration(times[0]), duration(median(times)))
}

/// The middle one of sorted times.
pub(crate) fn median(times: &[Duration]) -> Duration {
    times[times.len() / 2]
}

pub(crate) fn duration(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    if millis < 1000.0 { format!("{millis:.1} ms") } else { format!("{:.1} s", millis / 1000.0) }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people has three digits")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// `ours` in parts of `theirs`.
pub(crate) fn ratio(ours: Duration, theirs: Duration) -> String {
    format!("{:.3}", ours.as_secs_f64() / theirs.as_secs_f64())
}

/// Whether a program can be started.
pub(crate) fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A line of the table.
pub(crate) fn row(what: &str, figure: &str, peer: &str, ratio: &str) {
    println!("| {what} | {figure} | {peer} | {ratio} |");
}

/// The machine, in words, with how busy it was: figures of a busy machine are upper bounds.
pub(crate) fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let load = load.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    format!("Linux {}, {processors} processors; load average at the end (1, 5, 15 minutes): {load}.", kernel.trim())
}
