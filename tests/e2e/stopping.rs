//! Builds that end early leave nothing behind: no processes, no work directories, and a store that works.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Built, Place, copy_store, run};

/// Far longer than any test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A step that sleeps for `seconds`, a number that no other process here sleeps for, and one that fails if `code` says so.
fn place(seconds: u32, code: u32) -> Place {
    let place = Place::tiny(&format!(
        r#"
let slow = run {{
  from   = tiny
  script = sh """
    echo sleeping
    sleep {seconds}
  """
}}
let other = run {{
  from   = tiny
  script = sh """
    echo other > other
    exit {code}
  """
}}
target it = image {{
  layers = [slow, other]
}}
"#
    ));
    let own = place.root().join("store");
    copy_store(place.store(), &own);
    place.with_store(&own)
}

/// How many processes of this machine sleep for `seconds`.
fn sleepers(seconds: u32) -> usize {
    let wanted = format!("sleep\0{seconds}\0");
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter(|process| std::fs::read(process.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes()))
        .count()
}

/// Waits until no process sleeps any more: the kernel takes a moment to end what it was told to end.
fn expect_no_sleepers(seconds: u32) {
    let start = Instant::now();
    while sleepers(seconds) > 0 {
        assert!(start.elapsed() < PATIENCE, "a process of the sandbox is left");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn work(store: &Path) -> usize {
    std::fs::read_dir(store.join("work")).expect("a store").count()
}

#[test]
fn failure_of_one_step_stops_the_others() {
    let place = place(86_391, 3);
    let start = Instant::now();
    let ran = place.sinter(&["build", "--jobs", "2", "--progress", "plain"]);
    ran.fails(1, &["step `other` exited with 3"]);
    assert!(!ran.stderr.contains("another step failed"), "{}", ran.stderr);
    assert!(start.elapsed() < PATIENCE, "the build waited for the other step");
    expect_no_sleepers(86_391);
    assert_eq!(work(place.store()), 0);
}

/// Starts a build and waits until its slow step sleeps.
fn sleeping(place: &Place) -> Child {
    let mut command = place.command(&["build", "--progress", "plain"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("sinter");
    let lines = BufReader::new(child.stderr.as_mut().expect("a pipe")).lines();
    let begun = lines.map_while(Result::ok).any(|line| line.contains("slow | sleeping"));
    assert!(begun, "the build ended before its step began");
    child
}

/// Sends a signal to the build alone, not to its process group as a terminal would, and gives the exit status.
fn end_with(signal: &str, mut child: Child) -> std::process::ExitStatus {
    let mut kill = Command::new("kill");
    kill.args([signal, &child.id().to_string()]);
    assert_eq!(run(kill).code, Some(0));
    child.wait().expect("a status")
}

#[test]
fn interrupted_builds_leave_no_process_and_a_good_store() {
    use std::os::unix::process::ExitStatusExt as _;
    for (signal, number, seconds) in [("-INT", 2, 86_392), ("-TERM", 15, 86_393), ("-KILL", 9, 86_394)] {
        let place = place(seconds, 0);
        let status = end_with(signal, sleeping(&place));
        // A shell shows this as 128 and the number: 130 for Ctrl-C.
        assert_eq!(status.signal(), Some(number));
        expect_no_sleepers(seconds);
        let text = place.read("main.build").replace(&format!("sleep {seconds}"), "echo awake");
        place.write("main.build", &text);
        Built::of(&place.sinter(&["build"]));
        assert_eq!(work(place.store()), 0, "after {signal}");
    }
}
