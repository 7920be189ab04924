//! Edits of large sets, many small files, waiting steps, and what is written to a directory or a layout.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::figures::{command, duration, megabytes, ratio, row, spread, timed, times, watched};

const HEAD: &str = "import std.debian\ninput base = debian(\"bookworm\", [\"dash\", \"coreutils\"])\ninput src = dir(\".\")\nlet s0 = debian.unpack(base)\n";

/// Files that one step writes.
const FILES: u32 = 60_000;

pub(crate) fn run(sinter: &Path, place: &Path) {
    let bench = Bench { sinter, place, store: &place.join("store") };
    edit(&bench);
    small_files(&bench);
    waiting(&bench);
    destinations(&bench);
}

struct Bench<'a> {
    sinter: &'a Path,
    place: &'a Path,
    store: &'a Path,
}

impl Bench<'_> {
    fn build(&self, name: &str, text: &str, arguments: &[&str]) -> (Duration, Vec<(Duration, String)>) {
        let directory = self.place.join(name);
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join("it.build"), format!("{HEAD}{text}")).expect("a project");
        let arguments = [&["build", "--progress", "plain"], arguments].concat();
        watched(&mut command(self.sinter, &directory, self.store, &arguments))
    }

    fn size(&self) -> u64 {
        let output = Command::new("du").args(["-s", "--block-size=1"]).arg(self.store).output().expect("du");
        String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            .unwrap_or(0)
    }
}

/// One byte changed in 200 MB of declared files.
fn edit(bench: &Bench<'_>) {
    let data = bench.place.join("edit/data");
    std::fs::create_dir_all(&data).expect("a directory");
    let mut state = 1_u64;
    for file in 0..200 {
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56).to_le_bytes()[0]
        };
        let bytes: Vec<u8> = std::iter::repeat_with(next).take(1 << 20).collect();
        std::fs::write(data.join(file.to_string()), bytes).expect("a file");
    }
    let text = "target t = run { from = s0, files = src[\"data\"], script = sh \"\"\"echo x > /x\"\"\" }\n";
    bench.build("edit", text, &[]);
    let before = bench.size();
    let taken = times(5, |run| {
        let mut bytes = std::fs::read(data.join("7")).expect("a file");
        bytes[run] ^= 1;
        std::fs::write(data.join("7"), bytes).expect("an edit");
        bench.build("edit", text, &[]).0
    });
    let more = megabytes(bench.size().saturating_sub(before)) / 5.0;
    row("one byte changed in 200 MB of declared files, the whole build", &spread(&taken), "", "");
    row("- more in the store for each edit", &format!("{more:.1} MB"), "", "");
}

/// A step that writes many files, against the same script on an overlay of its own.
fn small_files(bench: &Bench<'_>) {
    let script = format!("mkdir /many; cd /many; seq {FILES} | split -l 1 -a 5 -d - f");
    let ours = times(3, |run| {
        let text =
            format!("target t = run {{ from = s0, env = {{ RUN = \"{run}\" }}, script = sh \"\"\"{script}\"\"\" }}\n");
        let (_, lines) = bench.build("many", &text, &[]);
        let at = |start: &str| lines.iter().find(|(_, line)| line.starts_with(start)).map(|(moment, _)| *moment);
        at("done t").unwrap_or_default().saturating_sub(at("run t").unwrap_or_default())
    });
    bench.build("bare", "target t = s0\n", &["-o", "dir:base"]);
    let theirs = times(3, |run| bare(&bench.place.join("bare"), &script, run));
    let peer = format!("bare script on an overlay {}", spread(&theirs));
    row(&format!("{FILES} small files: run, capture, publish"), &spread(&ours), &peer, &ratio(ours[0], theirs[0]));
}

fn bare(place: &Path, script: &str, run: usize) -> Duration {
    for name in ["upper", "work", "root"] {
        std::fs::create_dir_all(place.join(format!("{name}-{run}"))).expect("a directory");
    }
    let options = format!("userxattr,volatile,lowerdir=base,upperdir=upper-{run},workdir=work-{run}");
    let inside =
        format!("mount -t overlay overlay -o {options} root-{run} && exec chroot root-{run} /bin/dash -euc '{script}'");
    let mut unshare = Command::new("unshare");
    timed(unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", &inside]).current_dir(place)).0
}

/// Four independent steps that compute for some 2 s and sleep for 3 s, against the best that two processors can do.
fn waiting(bench: &Bench<'_>) {
    let work = "i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done";
    let alone = times(3, |_| timed(Command::new("dash").args(["-c", work])).0)[0];
    let mut text = String::new();
    for step in 0..4 {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "let w{step} = run {{ from = s0, script = sh \"\"\"\n    {work}\n    sleep 3\n    echo x > /w{step}\n  \"\"\" }}"
        );
    }
    text.push_str("target t = image { layers = [w0, w1, w2, w3] }\n");
    // Finding and unpacking the packages is no part of the schedule.
    bench.build("wait", "target t = image { from = s0 }\n", &[]);
    let (ours, _) = bench.build("wait", &text, &[]);
    let processors = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    let ideal = alone * 4 / processors.min(4) + Duration::from_secs(3);
    let peer = format!("ideal schedule {}", duration(ideal));
    row("four steps that compute, then sleep 3 s", &duration(ours), &peer, &ratio(ours, ideal));
}

/// A Debian system written to a directory twice, and to a fresh layout.
fn destinations(bench: &Bench<'_>) {
    let system =
        "input gcc = debian(\"bookworm\", [\"gcc\", \"libc6-dev\"])\ntarget t = image { from = debian.rootfs(gcc) }\n";
    bench.build("system", system, &[]);
    row("Debian system to a new `dir:`", &duration(bench.build("system", system, &["-o", "dir:tree"]).0), "", "");
    let again = times(5, |_| bench.build("system", system, &["-o", "dir:tree"]).0);
    row("- again, unchanged", &spread(&again), "", "");
    let layouts = times(3, |run| bench.build("system", system, &["-o", &format!("oci:layout-{run}")]).0);
    let blobs = std::fs::read_dir(bench.place.join("system/layout-0/blobs/sha256")).expect("a layout").flatten();
    let bytes: u64 = blobs.filter_map(|blob| blob.metadata().ok()).map(|found| found.len()).sum();
    let speed = megabytes(bytes) / layouts[0].as_secs_f64() / 1000.0;
    let what = format!("Debian system to a fresh `oci:` directory ({:.0} MB)", megabytes(bytes));
    row(&what, &format!("{}, {speed:.2} GB/s", spread(&layouts)), "", "");
}
