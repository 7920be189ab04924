//! The c-server example: first build with its parts, no-op build, check, start of the process, peak memory.

use std::path::Path;
use std::time::Duration;

use crate::figures::{command, duration, megabytes, row, spread, timed, times, watched};

/// How often short commands run.
const RUNS: usize = 60;

/// Leaves a warm store in `place`.
pub(crate) fn run(sinter: &Path, place: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c-server");
    let project = place.join("c-server");
    let status = std::process::Command::new("cp").arg("-aT").args([&source, &project]).status().expect("cp");
    assert!(status.success(), "the example can be copied");
    // A lock of an earlier build would save the first one some work.
    let _ = std::fs::remove_file(project.join("sinter.lock"));
    let store = place.join("store");
    let build = ["build", "--progress", "plain", "-o", "oci:image"];

    first_build(sinter, &project, &store, &build);
    let measure = |what: &str, arguments: &[&str]| {
        let taken = times(RUNS, |_| timed(&mut command(sinter, &project, &store, arguments)).0);
        row(what, &spread(&taken), "", "");
    };
    measure("build of unchanged c-server, `oci:` directory up to date", &build);
    measure("`sinter check` of c-server", &["check"]);
    measure("start of the process (`sinter --version`)", &["--version"]);
}

/// The first build, under time(1) for its memory, and where its time went by the moments at which its lines came.
fn first_build(sinter: &Path, project: &Path, store: &Path, build: &[&str]) {
    let mut arguments = vec!["-f", "peak %M", sinter.to_str().expect("a path in UTF-8")];
    arguments.extend(build);
    let (elapsed, lines) = watched(&mut command(Path::new("/usr/bin/time"), project, store, &arguments));
    row("first build of c-server, empty store", &duration(elapsed), "", "");
    let at = |begin: &str| lines.iter().rev().find(|(_, line)| line.starts_with(begin)).map(|(moment, _)| *moment);
    let mut before = Duration::ZERO;
    for (what, last_line) in [
        ("package index: fetched, verified, closures resolved, lock written", "unpack toolchain"),
        ("download", "download "),
        ("unpacking and publishing", "done toolchain.unpacked"),
        ("maintainer scripts", "done toolchain in"),
        ("compiling, linking, testing", "done tested"),
        ("image", "wrote c-server"),
    ] {
        let Some(moment) = at(last_line) else { continue };
        row(&format!("- {what}"), &duration(moment.saturating_sub(before)), "", "");
        before = moment;
    }
    if let Some(peak) = lines.iter().find_map(|(_, line)| line.strip_prefix("peak ")?.parse::<u64>().ok()) {
        row("peak memory of that build, largest process", &format!("{:.0} MB", megabytes(peak * 1024)), "", "");
    }
}
