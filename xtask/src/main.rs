//! What developers and CI run: `cargo xtask COMMAND`.
//!
//! Rules: the standard library only, so that it builds in a second; every command says what it does before it does it,
//! on stderr; the first failure ends it with exit code 1.
//! Must not know: anything of the other crates but their names.

mod gates;
mod process;
mod setup;
mod soak;

use std::process::ExitCode;

use process::{Failure, Task};

const USAGE: &str = "\
usage: cargo xtask COMMAND
  setup          install the Debian packages that the tests need and that are missing
  test [ARGS]    setup, then all tests (ARGS go to `cargo test`)
  gates          setup, then formatting, lints, documentation and examples, with the time of each
  ci             gates, then test: what .ci/run does
  soak [WORDS]   the long versions of the tests, or those with one of WORDS in their name; figures go to tests/soak.md
  bench [ARGS]   the release binary, then the benchmarks (ARGS go to them)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let (command, rest) = arguments.split_first().map_or(("", arguments), |(first, rest)| (first.as_str(), rest));
    if !rest.is_empty() && !matches!(command, "test" | "soak" | "bench") {
        return Err(Failure::Usage { text: USAGE });
    }
    match command {
        "setup" => setup::setup(),
        "test" => setup::setup().and_then(|()| test(rest)),
        "gates" => setup::setup().and_then(|()| gates::gates()),
        "ci" => setup::setup().and_then(|()| gates::gates()).and_then(|()| test(&[])),
        "soak" => setup::setup().and_then(|()| soak::soak(rest)),
        "bench" => setup::setup().and_then(|()| bench(rest)),
        _ => Err(Failure::Usage { text: USAGE }),
    }
}

/// All tests. Their output is the last thing printed: nothing is added after it. Documentation tests go first, and packages
/// without tests are left out, so that what stands last is not a runner that had nothing to run.
fn test(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Task::cargo(["test", "--workspace"]).args(arguments).run();
    }
    Task::cargo(["test", "--workspace", "--doc"]).run()?;
    let untested = ["--exclude", "xtask", "--exclude", "sinter-benches"];
    Task::cargo(["test", "--workspace", "--lib", "--bins", "--tests"]).args(untested).run()
}

/// The benchmarks measure the release binary and two examples, which they find beside themselves.
fn bench(arguments: &[String]) -> Result<(), Failure> {
    let release = ["build", "--release", "--locked"];
    Task::cargo(release).args(["--package", "sinter", "--package", "sinter-benches"]).run()?;
    Task::cargo(release).args(["--package", "sinter-source", "--example", "unpack"]).run()?;
    Task::cargo(release).args(["--package", "sinter-sandbox", "--example", "spawn"]).run()?;
    Task::cargo(["run", "--release", "--locked", "--package", "sinter-benches", "--"]).args(arguments).run()
}
