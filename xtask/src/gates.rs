//! Everything that must hold besides the tests, with the time each took.
//!
//! All stages use the dev profile, so that what one compiles the next and the tests find compiled.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::{Failure, Task, root};

type Stage = (&'static str, fn() -> Result<(), Failure>);

const STAGES: [Stage; 4] =
    [("formatting", formatting), ("lints", lints), ("documentation", documentation), ("examples", examples)];

/// Runs all stages and prints their times.
pub(crate) fn gates() -> Result<(), Failure> {
    let times = STAGES.iter().map(timed).collect::<Result<Vec<_>, Failure>>()?;
    for (name, time) in times {
        eprintln!("{name:>14}: {:6.1} s", time.as_secs_f64());
    }
    Ok(())
}

fn timed((name, stage): &Stage) -> Result<(&'static str, Duration), Failure> {
    let start = Instant::now();
    stage()?;
    Ok((name, start.elapsed()))
}

fn formatting() -> Result<(), Failure> {
    Task::cargo(["fmt", "--all", "--check"]).run()
}

fn lints() -> Result<(), Failure> {
    Task::cargo(["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]).run()
}

fn documentation() -> Result<(), Failure> {
    Task::cargo(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "--deny warnings").run()
}

/// Builds every example as a user would, and once more without a network from what the first build pinned and stored.
fn examples() -> Result<(), Failure> {
    let files = example_files()?;
    if files.is_empty() {
        return Err(Failure::Nothing { what: "examples/*/*.build" });
    }
    Task::cargo(["build", "--package", "sinter", "--locked"]).run()?;
    files.iter().try_for_each(|file| {
        build_example(file, &[])?;
        build_example(file, &["--locked", "--offline"])
    })
}

fn example_files() -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for directory in entries(&root().join("examples"))?.iter().filter(|path| path.is_dir()) {
        files.extend(entries(directory)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "build")));
    }
    files.sort();
    Ok(files)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |source| Failure::File { path: directory.to_owned(), source };
    let list = fs::read_dir(directory).map_err(failed)?;
    list.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

fn build_example(file: &Path, options: &[&str]) -> Result<(), Failure> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let place = |kind: &str| root().join("target/examples").join(kind);
    let destination = format!("oci:{}/{{target}}", place(&name).display());
    Task::cargo(["run", "--quiet", "--package", "sinter", "--", "build"])
        .args([file.as_os_str(), "--output".as_ref(), destination.as_ref(), "--progress".as_ref(), "plain".as_ref()])
        .args(options)
        .env("SINTER_STORE", place("store"))
        // CI=true implies --locked, and the locks of the examples are made on the first build.
        .env_remove("CI")
        .run()
}
