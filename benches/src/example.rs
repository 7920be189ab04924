//! The c-server example: first build with its parts, no-op build, check, start of the process, peak memory.

use std::path::Path;
use std::time::Duration;

use crate::figures::{command, milliseconds, row, spread, timed, times};

/// How often short commands run.
const RUNS: usize = 40;

pub(crate) fn run(sinter: &Path) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c-server");
    let project = place.path().join("project");
    let status = std::process::Command::new("cp").arg("-aT").args([&source, &project]).status().expect("cp");
    assert!(status.success(), "the example can be copied");
    let store = place.path().join("store");
    let build = ["build", "--progress", "plain", "-o", "oci:image"];

    first_build(sinter, &project, &store, &build);
    let mut measure = |what: &str, arguments: &[&str]| {
        let taken = times(RUNS, || timed(&mut command(sinter, &project, &store, arguments)).0);
        row(what, &spread(&taken), "", "");
    };
    measure("no-op build with an up to date oci: directory", &build);
    measure("sinter check", &["check"]);
    measure("start of the process (sinter --version)", &["--version"]);
}

/// The first build, under time(1) for its memory, and where its time went, as its own progress tells.
fn first_build(sinter: &Path, project: &Path, store: &Path, build: &[&str]) {
    let mut arguments = vec!["-f", "peak %M", sinter.to_str().expect("a path in UTF-8")];
    arguments.extend(build);
    let (elapsed, stderr) = timed(&mut command(Path::new("/usr/bin/time"), project, store, &arguments));
    row("first build of c-server, empty store", &milliseconds(elapsed), "", "");
    for line in stderr.lines().filter(|line| line.starts_with("done ")) {
        row(&format!("- {}", line.replace("done ", "").replace(':', ",")), "", "", "");
    }
    if let Some(peak) = stderr.lines().find_map(|line| line.strip_prefix("peak ")?.parse::<u64>().ok()) {
        let megabytes = crate::figures::megabytes(peak * 1024);
        row("peak memory of the largest process of that build", &format!("{megabytes:.0} MB"), "", "");
    }
    // The first runs after a build still wait for the disk.
    std::thread::sleep(Duration::from_secs(1));
}
