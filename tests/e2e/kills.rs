//! Killed at each point where something becomes visible or goes away: the next build completes with the same digest, and
//! nothing is left.
//!
//! strace stops the builder after each call that renames, links, removes, cuts or locks; at the call whose turn it is the
//! builder is killed, at the others it goes on. Counting is done here, because strace counts for each thread.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::crashes::expect_whole;
use crate::generated::{Base, graphs::SMALL, number_of};
use crate::support::{Built, Place, SINTER, TINY};

/// Every how manieth point is tried where no soak asks for all of them.
const STRIDE: usize = 5;

const CALLS: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,ftruncate,flock,syncfs";

const STEPS: &str = r#"
let first = run {
  from   = small
  script = sh """
    mkdir -p deep/er
    echo one > deep/er/file
  """
}
let second = run {
  from   = first
  script = sh """echo two > two"""
}
target it = image { layers = [second, src["data.txt"]], cmd = ["cat", "two"] }
"#;

fn place(base: &Base) -> Place {
    let place = Place::empty();
    place.write("sinter.lock", &base.place.read("sinter.lock"));
    place.write("main.build", &format!("{TINY}\n{SMALL}\n{STEPS}"));
    place.write("data.txt", "data");
    base.store_for(&place);
    place
}

const BUILD: [&str; 5] = ["build", "--locked", "--offline", "-o", "oci:image"];

/// A build under strace, whose every line is a call that the caller stops at.
struct Traced {
    strace: Child,
    /// Sends signals, one a line.
    shell: Child,
    signals: ChildStdin,
}

impl Traced {
    fn start(place: &Place) -> Self {
        let trace =
            format!("exec strace -f -qq -e trace={CALLS} -e inject={CALLS}:signal=STOP -e signal=none -o /dev/fd/3");
        let line = format!("{trace} \"$0\" \"$@\" 3>&1 >/dev/null 2>&1");
        let arguments = [&["-c", &line, SINTER][..], &BUILD].concat();
        let strace = place.program("sh", &arguments).stdout(Stdio::piped()).spawn().expect("strace");
        let mut shell = Command::new("sh").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a shell");
        let signals = shell.stdin.take().expect("a pipe");
        Self { strace, shell, signals }
    }

    fn signal(&mut self, name: &str, process: u32) {
        writeln!(self.signals, "kill -{name} {process}").expect("a shell that listens");
    }

    /// Lets `point` calls pass and kills the builder; `false` if it ended before.
    fn kill_at(mut self, point: usize) -> bool {
        let lines = BufReader::new(self.strace.stdout.take().expect("a pipe")).lines();
        let (mut builder, mut count) = (None, 0);
        // A call is done when its result is printed; one that another thread interrupts takes two lines.
        for line in lines.map_while(Result::ok).filter(|line| line.contains(") = ") || line.contains(")  ")) {
            let thread: u32 = line.split(' ').next().and_then(|id| id.parse().ok()).expect("the id of a thread");
            let builder = *builder.get_or_insert_with(|| process_of(thread));
            count += 1;
            if count == point {
                self.signal("KILL", builder);
                self.end();
                wait_for_the_end_of(builder);
                return true;
            }
            self.signal("CONT", thread);
        }
        self.end();
        false
    }

    /// strace is killed too where it is still there: it may wait for ever for threads that wait for it.
    fn end(mut self) {
        drop(self.signals);
        self.shell.wait().expect("the shell's status");
        let _ = self.strace.kill();
        self.strace.wait().expect("strace's status");
    }
}

/// The process of a thread.
fn process_of(thread: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).expect("a thread that is stopped");
    let id = status.lines().find_map(|line| line.strip_prefix("Tgid:")).expect("the process of a thread");
    id.trim().parse().expect("a number")
}

/// Until then its locks are held.
fn wait_for_the_end_of(process: u32) {
    let directory = Path::new("/proc").join(process.to_string());
    let lives = || {
        let is_dead = |text: String| text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
        let threads = std::fs::read_dir(directory.join("task")).map_or(0, Iterator::count);
        threads > 1 || std::fs::read_to_string(directory.join("stat")).is_ok_and(|text| !is_dead(text))
    };
    while lives() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn temporary_names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        found.extend(entry.file_name().to_str().filter(|name| name.starts_with(".sinter-")).map(str::to_owned));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(temporary_names(&entry.path()));
        }
    }
    found
}

#[test]
fn builds_killed_at_each_commit_point_are_completed_by_the_next() {
    let base = Base::made_by(None);
    let whole = Built::of(&place(&base).sinter(&BUILD));
    let stride = if number_of("SINTER_SOAK").is_some() { 1 } else { STRIDE };
    let (mut point, mut kills) = (1, 0);
    loop {
        let place = place(&base);
        let killed = Traced::start(&place).kill_at(point);
        let again = Built::of(&place.sinter(&BUILD));
        assert_eq!(again.digest, whole.digest, "killed at point {point}");
        let left = temporary_names(&place.project());
        assert!(left.is_empty(), "left in the output, killed at point {point}: {left:?}");
        expect_whole(place.store());
        if !killed {
            break;
        }
        (point, kills) = (point + stride, kills + 1);
    }
    assert!(kills > 10, "the build has {kills} points only: is it traced?");
    println!("soak: a build killed at {kills} points, one each, is completed by the next, and nothing is left");
}
