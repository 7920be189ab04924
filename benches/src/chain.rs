//! What a step costs: a chain of steps that do nothing, all in.

use std::fmt::Write as _;
use std::path::Path;

use crate::figures::{command, milliseconds, row, timed, times};

/// Steps of the chain.
const STEPS: u32 = 50;

/// A small tree, and a chain of steps on it. Every run has a label of its own, so that no step is a hit.
pub(crate) fn project(steps: u32, label: &str) -> String {
    let mut text = String::from(
        "import std.debian\ninput base = debian(\"bookworm\", [\"dash\"])\nlet s0 = debian.unpack(base)\n",
    );
    for step in 1..=steps {
        let below = step - 1;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "let s{step} = run {{ from = s{below}, env = {{ LABEL = \"{label}\" }}, script = sh \"\"\"echo {step} > /{step}\"\"\" }}"
        );
    }
    let _ = writeln!(text, "target chain = image {{ from = s{steps} }}");
    text
}

pub(crate) fn run(sinter: &Path) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let store = place.path().join("store");
    let write = |steps, label: &str| {
        std::fs::write(place.path().join("chain.build"), project(steps, label)).expect("a project");
    };
    write(1, "warm");
    timed(&mut command(sinter, place.path(), &store, &["build"]));
    let mut number = 0;
    let taken = times(5, || {
        number += 1;
        write(STEPS, &format!("run-{number}"));
        timed(&mut command(sinter, place.path(), &store, &["build", "--progress", "quiet"])).0
    });
    let each = taken[taken.len() / 2] / STEPS;
    row(&format!("a trivial step in a chain of {STEPS}, all in"), &milliseconds(each), "", "");
}
