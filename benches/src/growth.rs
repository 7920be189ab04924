//! How cost grows: chains and independent steps of many sizes, each figure beside its floor, growth as an exponent.
//!
//! An exponent is the slope of time (or size) over the number of steps, both as logarithms, by least squares: 1 is linear.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::Programs;
use crate::chain::{Base, project};
use crate::figures::{command, duration, megabytes, ratio, row, spread, timed, times};
use crate::sandbox::Sandbox;

/// Sizes that are measured.
const SIZES: [u32; 4] = [50, 200, 800, 2000];

/// Depths at which a step is held against a sandbox made by hand.
const DEPTHS: [u32; 2] = [50, 400];

/// How often a small thing is measured.
const RUNS: usize = 20;

pub(crate) fn run(programs: &Programs, sandbox: &Sandbox, place: &Path) {
    let directory = place.join("growth");
    std::fs::create_dir_all(&directory).expect("a directory");
    let bench = Bench { sinter: &programs.sinter, directory: &directory, store: &place.join("store") };
    bench.build(&project(Base::Small, 1, "warm"));
    grow(&bench, "chain", &|steps, label| project(Base::Small, steps, label));
    grow(&bench, "independent, merged", &independent);
    for depth in DEPTHS {
        against_hand(&bench, sandbox, depth);
    }
}

struct Bench<'a> {
    sinter: &'a Path,
    directory: &'a Path,
    store: &'a Path,
}

impl Bench<'_> {
    /// Builds a project; its time and the peak memory of the largest process, in KiB.
    fn build(&self, text: &str) -> (Duration, u64) {
        std::fs::write(self.directory.join("growth.build"), text).expect("a project");
        let sinter = self.sinter.to_str().expect("a path in UTF-8");
        let arguments = ["-f", "peak %M", sinter, "build", "--progress", "quiet"];
        let (elapsed, said) = timed(&mut command(Path::new("/usr/bin/time"), self.directory, self.store, &arguments));
        let peak = said.lines().find_map(|line| line.strip_prefix("peak ")?.parse().ok());
        (elapsed, peak.unwrap_or_default())
    }

    fn records(&self) -> u64 {
        let kinds = std::fs::read_dir(self.store.join("records")).expect("a store").flatten();
        let files = kinds.flat_map(|kind| std::fs::read_dir(kind.path()).into_iter().flatten().flatten());
        files.filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum()
    }
}

/// Steps on one base, all in one image.
fn independent(steps: u32, label: &str) -> String {
    let text = project(Base::Small, 0, label);
    let mut text = text.lines().filter(|line| !line.starts_with("target")).collect::<Vec<_>>().join("\n");
    for step in 1..=steps {
        // Writing to a string cannot fail.
        let _ = write!(text, "\nlet s{step} = run {{ from = s0, script = sh \"\"\"echo {label} > /{step}\"\"\" }}");
    }
    let names: Vec<String> = (1..=steps).map(|step| format!("s{step}")).collect();
    format!("{text}\ntarget all = image {{ layers = [{}] }}\n", names.join(", "))
}

fn grow(bench: &Bench<'_>, what: &str, project: &dyn Fn(u32, &str) -> String) {
    let (mut taken, mut records) = (Vec::new(), Vec::new());
    for steps in SIZES {
        let before = bench.records();
        let text = project(steps, &format!("grow-{steps}"));
        let (elapsed, peak) = bench.build(&text);
        let again = times(5, |_| bench.build(&text).0);
        let figure = format!("{} a step, peak {:.0} MB", duration(elapsed / steps), megabytes(peak * 1024));
        row(&format!("{steps} steps, {what}"), &figure, "", "");
        row(&format!("- again, unchanged, {steps} steps"), &spread(&again), "", "");
        taken.push((f64::from(steps), elapsed.as_secs_f64()));
        records.push((f64::from(steps), megabytes(bench.records() - before)));
    }
    let (from, to) = (SIZES[0], SIZES[SIZES.len() - 1]);
    row(&format!("exponent of time from {from} to {to} steps, {what}"), &format!("{:.2}", exponent(&taken)), "", "");
    row(&format!("exponent of the size of records, {what}"), &format!("{:.2}", exponent(&records)), "", "");
}

/// The slope of the line nearest to the logarithms.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(size, cost)| (size.ln(), cost.ln())).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful of points")]
    let count = logs.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| logs.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    above / logs.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

/// One more step on a chain of `depth`, against namespaces, overlay and shell made by hand in one process.
fn against_hand(bench: &Bench<'_>, sandbox: &Sandbox, depth: u32) {
    let label = format!("depth-{depth}");
    bench.build(&project(Base::Small, depth, &label));
    let chain = |extra: u32, run: usize| {
        let text = project(Base::Small, depth, &label);
        let mut text = text.lines().filter(|line| !line.starts_with("target")).collect::<Vec<_>>().join("\n");
        for step in depth + 1..=depth + extra {
            let below = step - 1;
            let _ =
                write!(text, "\nlet s{step} = run {{ from = s{below}, script = sh \"\"\"echo {run} > /{step}\"\"\" }}");
        }
        format!("{text}\ntarget chain = image {{ from = s{} }}\n", depth + extra)
    };
    // What is not the steps' own (the process, evaluation, the image) is in both, so it is taken away.
    const EXTRA: u32 = 20;
    let ours = times(RUNS, |run| {
        let one = bench.build(&chain(1, 1000 + run)).0;
        bench.build(&chain(1 + EXTRA, run)).0.saturating_sub(one) / EXTRA
    });
    let hand = sandbox.part(depth, "by hand");
    let alone = sandbox.part(depth, "all in");
    let peer = format!("by hand {}", spread(&hand));
    row(&format!("a trivial step at depth {depth}"), &spread(&ours), &peer, &ratio(ours[0], hand[0]));
    row("- its sandbox alone, on as many directories", &spread(&alone), &peer, &ratio(alone[0], hand[0]));
}
