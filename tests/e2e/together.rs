//! Two builds at once: what one of them finds or holds up, the other copes with.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Built, Place, Ran};

/// A build that goes on.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    seen: String,
}

impl Running {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.command(&[&["build", "--progress", "plain"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sinter");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, stderr, seen: String::new() }
    }

    /// Waits for a line that holds `text`.
    fn until(&mut self, text: &str) {
        loop {
            let start = self.seen.len();
            let count = self.stderr.read_line(&mut self.seen).expect("standard error");
            assert!(count > 0, "the build ended without `{text}`\n{}", self.seen);
            if self.seen[start..].contains(text) {
                return;
            }
        }
    }

    fn end(mut self) -> Ran {
        let mut stdout = String::new();
        self.stderr.read_to_string(&mut self.seen).expect("standard error");
        self.child.stdout.take().expect("a pipe").read_to_string(&mut stdout).expect("standard output");
        Ran { code: self.child.wait().expect("a status").code(), stdout, stderr: self.seen }
    }
}

/// `above` reads late what `below` wrote; `beside` stands on the same layer.
const LATE: &str = r#"
let below = run {
  from   = small
  script = sh """
    echo right > /data/file
  """
}
let above = run {
  from   = below
  script = sh """
    echo mounted
    sleep 1.5
    cat /data/file > /data/copy
  """
}
target late = image {
  layers = [above]
  cmd    = ["cat", "/data/copy"]
}
let next = run {
  from   = below
  script = sh """
    cat /data/file > /data/other
  """
}
target beside = image {
  layers = [next]
  cmd    = ["cat", "/data/other"]
}
"#;

/// The files `path` of all layers of a store that have one.
fn files(store: &Path, path: &str) -> Vec<PathBuf> {
    let layers = std::fs::read_dir(store.join("layers")).expect("layers").flatten();
    layers.map(|layer| layer.path().join("fs").join(path)).filter(|file| file.exists()).collect()
}

/// What the builds of [`LATE`] give when nobody interferes.
fn undisturbed() -> [String; 2] {
    let place = Place::small(&LATE.replace("sleep 1.5", "sleep 0"));
    ["late", "beside"].map(|target| place.build(&[target]).digest)
}

#[test]
fn damage_that_one_build_finds_reaches_no_result_of_the_other() {
    let place = Place::small(LATE);
    place.build(&["beside"]);
    let mut late = Running::start(&place, &["late", "-o", "dir:out"]);
    late.until("above | mounted");
    // While it is mounted: the same size, so that only the seal and the content tell.
    let file = files(place.store(), "data/file");
    std::fs::write(&file[0], "wrong\n").expect("a damaged file");
    place.write(
        "main.build",
        &place.read("main.build").replace("data/other", "data/another").replace("/another", "/other"),
    );
    let beside = place.build(&["beside", "-o", "oci:beside"]);
    let late = late.end();
    assert!(late.stderr.contains("starting over: "), "{}", late.stderr);
    assert_eq!([Built::of(&late).digest, beside.digest], undisturbed());
    assert_eq!(place.read("out/data/copy"), "right\n");
}

#[test]
fn equal_steps_of_two_builds_run_once() {
    let place = Place::small(
        r#"
let random = run {
  from   = small
  script = sh """
    sleep 1
    cat /proc/sys/kernel/random/uuid > /random
  """
}
target it = image {
  layers = [random]
  cmd    = ["cat", "/random"]
}
"#,
    );
    // What it stands on is there; the race is for the one step.
    let whole = place.read("main.build");
    place.write("main.build", &format!("{}\ntarget base = small\n", crate::support::SMALL));
    place.build(&[]);
    place.write("main.build", &whole);
    let builds = [0; 2].map(|_| Running::start(&place, &[])).map(|build| Built::of(&build.end()));
    assert_eq!(builds[0].digest, builds[1].digest);
    assert_eq!(builds[0].ran + builds[1].ran, 1);
}

#[test]
fn stopped_holder_of_the_store_is_named() {
    let place = Place::small("target it = small\n");
    std::fs::create_dir(place.store()).expect("a store");
    place.build(&[]);
    place.write("main.build", &place.read("main.build").replace("echo small", "echo else"));
    // Holds the lock as a build does that was stopped: it says who it is, and does not go on.
    let hold = r#"exec 9<> "$1"; flock 9; echo "$$ 0" >&9; echo held; kill -STOP $$; sleep 0.2"#;
    let mut command = place.program("bash", &["-c", hold, "bash"]);
    let mut holder = command.arg(place.store().join("lock")).stdout(Stdio::piped()).spawn().expect("bash");
    let mut held = [0; 5];
    holder.stdout.as_mut().expect("a pipe").read_exact(&mut held).expect("the lock is held");
    let start = Instant::now();
    let mut build = Running::start(&place, &[]);
    build.until(&format!("process {}", holder.id()));
    assert!(start.elapsed() > Duration::from_secs(2), "{}", build.seen);
    let mut proceed = Command::new("kill");
    proceed.args(["-CONT", &holder.id().to_string()]);
    assert!(proceed.status().expect("kill").success());
    Built::of(&build.end());
    holder.wait().expect("its status");
}
