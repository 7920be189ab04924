//! Unpacking alone: packages that are in the store become a tree and its manifest.

use std::path::Path;
use std::process::Command;

use crate::figures::{command, row, timed};

/// How often the same packages are unpacked.
const RUNS: usize = 5;

/// Unpacks the packages of a Debian system with gcc, which the store holds, on one processor and on all.
pub(crate) fn run(unpack: &Path, place: &Path) {
    for (what, bound) in [("one core", true), ("all cores", false)] {
        let best = (0..RUNS).filter_map(|run| once(unpack, place, bound, run)).fold(0.0, f64::max);
        let what = format!("unpacking with decompression and hashing, {what}, bytes of the tree");
        row(&what, &format!("{best:.0} MB/s"), "", "");
    }
}

/// Megabytes of the tree per second, as the example tells.
fn once(unpack: &Path, place: &Path, bound: bool, run: usize) -> Option<f64> {
    let into = place.join(format!("unpacked-{bound}-{run}"));
    let arguments = ["store", into.to_str()?, "bookworm", "system", "gcc", "libc6-dev"];
    let own = command(unpack, place, &place.join("store"), &arguments);
    let mut command = if bound { on_one_processor(&own) } else { own };
    let (_, text) = timed(&mut command);
    // Deleted with everything else in the end: some file systems are slow to make files where many were just deleted.
    let line = text.lines().find(|line| line.starts_with("unpack: "))?;
    line.strip_suffix(" MB/s")?.rsplit(' ').next()?.parse().ok()
}

/// The same command under taskset(1): the unpacker starts as many threads as it may use processors.
fn on_one_processor(command: &Command) -> Command {
    let mut bound = Command::new("taskset");
    bound.args(["--cpu-list", "0"]).arg(command.get_program()).args(command.get_args()).env_clear();
    bound.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = command.get_current_dir() {
        bound.current_dir(directory);
    }
    bound
}
