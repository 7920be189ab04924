//! What a step costs: chains of steps that do almost nothing, all in, and where that time goes.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::Programs;
use crate::figures::{command, duration, row, spread, timed, times};
use crate::sandbox::Sandbox;

/// Steps of the chain.
pub(crate) const STEPS: u32 = 50;

/// How often a chain runs.
const RUNS: usize = 10;

/// What a chain stands on.
#[derive(Clone, Copy)]
pub(crate) enum Base {
    /// dash and what it needs.
    Small,
    /// A Debian system with gcc.
    System,
}

impl Base {
    fn declarations(self) -> &'static str {
        match self {
            Self::Small => "input base = debian(\"bookworm\", [\"dash\"])\nlet s0 = debian.unpack(base)\n",
            Self::System => {
                "input base = debian(\"bookworm\", [\"gcc\", \"libc6-dev\"])\nlet s0 = debian.rootfs(base)\n"
            }
        }
    }
}

/// A chain of steps. Another label means other keys and other layers, so that no step is a hit and each layer is new.
pub(crate) fn project(base: Base, steps: u32, label: &str) -> String {
    let mut text = format!("import std.debian\n{}", base.declarations());
    for step in 1..=steps {
        let below = step - 1;
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "let s{step} = run {{ from = s{below}, script = sh \"\"\"echo {label} > /{step}\"\"\" }}");
    }
    let _ = writeln!(text, "target chain = image {{ from = s{steps} }}");
    text
}

/// Measures both chains in the store that the example's build has filled, and lists where a step's time goes.
pub(crate) fn run(programs: &Programs, sandbox: &Sandbox, place: &Path) {
    let mut fastest = Duration::ZERO;
    for (base, name) in [(Base::System, "a Debian system with gcc"), (Base::Small, "dash alone")] {
        let taken = per_step(&programs.sinter, place, base);
        row(&format!("a trivial step on {name}, all in, in a chain of {STEPS}"), &spread(&taken), "", "");
        fastest = taken[0];
    }
    parts(sandbox, fastest);
}

/// Whole builds divided by their steps: start of the process, evaluation, image and settling are in it.
fn per_step(sinter: &Path, place: &Path, base: Base) -> Vec<Duration> {
    let (directory, store) = (place.join("chain"), place.join("store"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let build = |steps: u32, label: &str| {
        std::fs::write(directory.join("chain.build"), project(base, steps, label)).expect("a project");
        timed(&mut command(sinter, &directory, &store, &["build", "--progress", "quiet"])).0
    };
    build(1, "warm");
    times(RUNS, |run| build(STEPS, &format!("run-{run}")) / STEPS)
}

/// The sandbox's own clock at a depth of 50, and what is left for everything else.
fn parts(sandbox: &Sandbox, step: Duration) {
    let fastest = |part: &str| sandbox.part(50, part)[0];
    let ahead = "- made ahead, while the step before runs: namespaces, ids, /proc, /dev";
    row(ahead, &duration(fastest("preparation")), "", "");
    let mut taken = Duration::ZERO;
    for (part, what) in [
        ("mounts", "overlay of 50 directories, new root"),
        ("script", "fork, privileges, filter, the shell and its script"),
        ("teardown", "until the last process is gone"),
    ] {
        let time = fastest(part);
        taken += time;
        row(&format!("- {what}"), &duration(time), "", "");
    }
    let rest = "- the rest: keys, files and directories, hand-over to the runner, capture, publishing, records";
    row(rest, &duration(step.saturating_sub(taken)), "", "");
}
