//! The long versions of the tests: the same tests with more rounds, and their figures in `tests/soak.md`.
//!
//! A test with a long version reads its number of rounds from the variable `SINTER_SOAK` and may print a line that
//! starts with `soak: ` and tells what it found.

use std::fs;
use std::time::Instant;

use crate::process::{Failure, Task, root};

/// Tests that share a meaning of one round.
struct Soak {
    what: &'static str,
    rounds: u32,
    /// What cargo runs.
    tests: &'static [&'static str],
    /// Which of these.
    filter: &'static [&'static str],
}

const E2E: &[&str] = &["--package", "sinter", "--test", "e2e"];
const STORE: &[&str] = &["--package", "sinter-store"];

const SOAKS: &[Soak] = &[
    Soak { what: "random edits of sources", rounds: 100_000, tests: &["--package", "sinter-lang"], filter: &[] },
    Soak {
        what: "random trees, layers and records",
        rounds: 2_000,
        tests: STORE,
        filter: &["--skip", "merged_stacks"],
    },
    Soak { what: "merged stacks of layers", rounds: 400, tests: STORE, filter: &["merged_stacks"] },
    Soak { what: "generated graphs under all callers", rounds: 200, tests: E2E, filter: &["generated::"] },
    Soak {
        what: "answers of registries with random bytes changed",
        rounds: 6_000,
        tests: &["--package", "sinter-oci", "--test", "hostile"],
        filter: &["mangled"],
    },
    Soak { what: "builds killed at random moments, three at once", rounds: 1_000, tests: E2E, filter: &["crashes::"] },
    Soak { what: "builds killed at each commit point, once each", rounds: 1, tests: E2E, filter: &["kills::"] },
];

const HEAD: &str = "\
# Long runs

Written by `cargo xtask soak`, newest last. A round is one random input, one graph or one killed build.

| day (UTC) | commit | what | rounds | seconds | found |
| --- | --- | --- | --- | --- | --- |
";

/// Runs everything, or what has one of these words in its name, and appends a row for each kind.
pub(crate) fn soak(words: &[String]) -> Result<(), Failure> {
    let wanted = |soak: &&Soak| words.is_empty() || words.iter().any(|word| soak.what.contains(word));
    SOAKS.iter().filter(wanted).try_for_each(|soak| run(soak).and_then(|row| append(&row)))
}

fn run(soak: &Soak) -> Result<String, Failure> {
    eprintln!("{}: {} rounds", soak.what, soak.rounds);
    let start = Instant::now();
    let printed = Task::cargo(["test", "--locked"])
        .args(soak.tests)
        .args(["--", "--nocapture"])
        .args(soak.filter)
        .env("SINTER_SOAK", soak.rounds.to_string())
        .output()?;
    let found: Vec<&str> = printed.lines().filter_map(|line| line.split_once("soak: ").map(|(_, text)| text)).collect();
    let found = if found.is_empty() { "no failure".to_owned() } else { found.join("; ") };
    let (day, commit) = (line_of("date", &["-u", "+%F"])?, line_of("git", &["rev-parse", "--short", "HEAD"])?);
    let seconds = start.elapsed().as_secs();
    Ok(format!("| {day} | {commit} | {} | {} | {seconds} | {found} |\n", soak.what, soak.rounds))
}

fn line_of(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    Ok(Task::new(program, arguments).output()?.trim().to_owned())
}

fn append(row: &str) -> Result<(), Failure> {
    let path = root().join("tests/soak.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_owned());
    fs::write(&path, text + row).map_err(|source| Failure::File { path, source })
}
