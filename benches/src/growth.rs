//! How cost grows: chains and independent steps of many sizes, each figure beside its floor, growth as an exponent.
//!
//! An exponent is the slope of time (or size) over the number of steps, both as logarithms, by least squares: 1 is linear.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Programs;
use crate::chain::{Base, project};
use crate::figures::{command, duration, megabytes, ratio, row, spread, timed, times};

/// Sizes that are measured.
const SIZES: [u32; 4] = [50, 200, 800, 2000];

/// Depths at which a step is held against a sandbox made by hand.
const DEPTHS: [u32; 2] = [50, 400];

/// How often a small thing is measured.
const RUNS: usize = 20;

pub(crate) fn run(programs: &Programs, place: &Path) {
    let directory = place.join("growth");
    std::fs::create_dir_all(&directory).expect("a directory");
    let bench = Bench { sinter: &programs.sinter, directory: &directory, store: &place.join("store") };
    bench.build(&project(Base::Small, 1, "warm"));
    grow(&bench, "chain", &|steps, label| project(Base::Small, steps, label));
    grow(&bench, "independent, merged", &independent);
    for depth in DEPTHS {
        against_hand(&bench, depth);
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
        let _ = write!(
            text,
            "\nlet s{step} = run {{ from = s0, env = {{ LABEL = \"{label}\" }}, script = sh \"\"\"echo {step} > /{step}\"\"\" }}"
        );
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

/// One more step on a chain of `depth`, against namespaces, overlay and /proc made by the machine's own programs.
fn against_hand(bench: &Bench<'_>, depth: u32) {
    let label = format!("depth-{depth}");
    bench.build(&project(Base::Small, depth, &label));
    let chain = |extra: u32, run: usize| {
        let text = project(Base::Small, depth, &label);
        let mut text = text.lines().filter(|line| !line.starts_with("target")).collect::<Vec<_>>().join("\n");
        for step in depth + 1..=depth + extra {
            let below = step - 1;
            let _ = write!(
                text,
                "\nlet s{step} = run {{ from = s{below}, env = {{ RUN = \"{run}\" }}, script = sh \"\"\"echo {step} > /{step}\"\"\" }}"
            );
        }
        format!("{text}\ntarget chain = image {{ from = s{} }}\n", depth + extra)
    };
    // What is not the steps' own (the process, evaluation, the image) is in both, so it is taken away.
    const EXTRA: u32 = 20;
    let ours = times(RUNS, |run| {
        let one = bench.build(&chain(1, 1000 + run)).0;
        bench.build(&chain(1 + EXTRA, run)).0.saturating_sub(one) / EXTRA
    });
    let base = format!("dir:hand-{depth}/base");
    std::fs::create_dir_all(bench.directory.join(format!("hand-{depth}"))).expect("a directory");
    let arguments = ["build", "--progress", "quiet", "-o", &base];
    std::fs::write(bench.directory.join("growth.build"), project(Base::Small, 0, "hand")).expect("a project");
    timed(&mut command(bench.sinter, bench.directory, bench.store, &arguments));
    let hand = Hand::new(bench.directory, depth);
    let theirs = times(RUNS, |_| hand.run());
    let peer = format!("by hand {}", spread(&theirs));
    row(&format!("a trivial step at depth {depth}"), &spread(&ours), &peer, &ratio(ours[0], theirs[0]));
}

/// A stack of directories and the programs that make a sandbox of it.
struct Hand {
    directory: std::path::PathBuf,
    depth: u32,
}

impl Hand {
    fn new(place: &Path, depth: u32) -> Self {
        let directory = place.join(format!("hand-{depth}"));
        for layer in 0..depth {
            let lower = directory.join(layer.to_string());
            std::fs::create_dir_all(&lower).expect("a layer");
            std::fs::write(lower.join(format!("f{layer}")), "x").expect("a file");
        }
        for name in ["upper", "work", "root", "base/proc"] {
            std::fs::create_dir_all(directory.join(name)).expect("a directory");
        }
        Self { directory, depth }
    }

    fn run(&self) -> Duration {
        let lowers: Vec<String> = (0..self.depth).rev().map(|layer| layer.to_string()).collect();
        let script = format!(
            "mount -t overlay overlay -o userxattr,volatile,lowerdir={}:base,upperdir=upper,workdir=work root && \
             mount -t proc proc root/proc && exec chroot root /bin/dash -eu -c 'echo x > /x'",
            lowers.join(":")
        );
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--net",
            "--ipc",
            "--uts",
            "sh",
            "-c",
        ]);
        let (elapsed, _) = timed(unshare.arg(script).current_dir(&self.directory));
        // A volatile overlay is not mounted again over what the last one left.
        let _ = std::fs::remove_dir_all(self.directory.join("work/work"));
        elapsed
    }
}
