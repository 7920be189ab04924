//! How scripts end, and what keeps them from starting.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use sinter_graph::ErrorClass;
use sinter_sandbox::{Exit, SandboxError};

use crate::support::{run, run_into, run_with, words};

#[test]
fn sandbox_reports_how_scripts_end() {
    for (script, exit) in [
        ("true", Exit::Code(0)),
        ("exit 3", Exit::Code(3)),
        ("false", Exit::Code(1)),
        ("no-such-command", Exit::Code(127)),
        ("kill -9 $$", Exit::Signal(9)),
        ("kill -s SEGV $$", Exit::Signal(11)),
        ("exec sh -c 'exit 4'", Exit::Code(4)),
        ("", Exit::Code(0)),
    ] {
        assert_eq!(run(script).outcome().exit, exit, "{script}");
    }
}

#[test]
fn sandbox_kills_what_outlives_its_time() {
    for interpreter in ["sh -eu", "bash -eu", "perl"] {
        let script = if interpreter == "perl" { "$| = 1; print qq{a\n}; sleep 600" } else { "echo a\nsleep 600\n" };
        let ran = run_with(script, |job| {
            job.interpreter = words(interpreter);
            job.timeout = Some(Duration::from_millis(300));
        });
        assert_eq!(ran.outcome().exit, Exit::TimedOut, "{interpreter}");
        assert_eq!(ran.outcome().line, (interpreter != "perl").then_some(2));
        assert_eq!(ran.output, "a\n");
    }
}

#[test]
fn sandbox_ends_background_processes_with_the_script() {
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let ran = run_into(
        Some(write),
        "setsid sh -c 'trap \"\" TERM HUP; sleep 600; echo late' &\n(sleep 600) &\necho done\n",
        |_| {},
    );
    assert_eq!(ran.outcome().exit, Exit::Code(0));
    // The end of the output comes only when no process holds the pipe any more.
    let mut said = String::new();
    read.read_to_string(&mut said).expect("the output");
    assert_eq!(said, "done\n");
}

#[test]
fn sandbox_reaps_orphans_and_counts_memory() {
    let ran = run("for i in 1 2 3 4 5; do (sh -c 'sleep 0.01 &') ; done\nsleep 0.2\nset -- /proc/[0-9]*\necho $#\n");
    // The first process and the script.
    assert_eq!(ran.output, "2\n");
    let outcome = run_with("$x = 'x' x 100_000_000; print length $x", |job| job.interpreter = words("perl")).outcome();
    assert!(outcome.max_rss_bytes > 90_000_000, "{outcome:?}");
    assert!(outcome.phases.script > Duration::ZERO);
}

#[test]
fn sandbox_names_a_missing_interpreter() {
    for (interpreter, script) in [("no-such-shell -x", ""), ("/opt/none", "")] {
        let error = run_with(script, |job| job.interpreter = words(interpreter)).error();
        let name = interpreter.split(' ').next().expect("a word");
        assert!(matches!(&error, SandboxError::InterpreterMissing { name: found, .. } if found == name), "{error}");
        assert_eq!(error.class(), ErrorClass::User);
    }
}

#[test]
fn sandbox_names_a_broken_interpreter() {
    for (script, interpreter, expected) in [
        ("#!/opt/none\n", "", "the program in its `#!` line is not in the tree"),
        ("echo no line\n", "", "the script has no `#!` first line"),
        ("true\n", "/etc/passwd", "it is no executable file"),
        ("true\n", "/data", "it is no executable file"),
    ] {
        let error = run_with(script, |job| job.interpreter = words(interpreter)).error();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn sandbox_runs_every_kind_of_interpreter() {
    for (interpreter, script) in [
        ("", "#!/bin/sh\necho \"$0\"\n"),
        ("", "#!/usr/bin/perl\nprint \"$0\\n\";\n"),
        ("perl -w", "print \"$0\\n\";\n"),
        ("/usr/bin/dash", "echo \"$0\"\n"),
        ("env sh", "echo \"$0\"\n"),
        ("bash -euo pipefail", "echo \"$0\"\n"),
        ("sh -c", "#!/bin/sh\necho /sinter/script\n"),
    ] {
        let ran = run_with(script, |job| job.interpreter = words(interpreter));
        assert_eq!(ran.success(), "/sinter/script\n", "{interpreter}");
    }
}

#[test]
fn sandbox_refuses_unusable_jobs() {
    let missing = run_with("true", |job| job.workdir = PathBuf::from("/none")).error();
    assert!(matches!(&missing, SandboxError::Workdir { path, .. } if path.as_os_str() == "/none"), "{missing}");
    let relative = run_with("true", |job| job.workdir = PathBuf::from("app")).error();
    assert!(matches!(&relative, SandboxError::InvalidJob { field: "workdir", .. }), "{relative}");
    let empty = run_with("true", |job| job.lowers.clear()).error();
    assert!(matches!(&empty, SandboxError::InvalidJob { field: "lowers", .. }), "{empty}");
    let lower = run_with("true", |job| job.lowers.insert(0, PathBuf::from("/no/such/layer"))).error();
    assert!(matches!(&lower, SandboxError::Directory { path, .. } if path.ends_with("layer")), "{lower}");
    let deep = run_with("true", |job| job.lowers = vec![PathBuf::from("/x"); 501]).error();
    assert!(matches!(&deep, SandboxError::TooDeep { count: 501, most: 500 }), "{deep}");
    let user = run_with("true", |job| job.uid = 65_536).error();
    assert!(matches!(&user, SandboxError::InvalidJob { .. }), "{user}");
    let zero = run_with("true", |job| job.env.extend([("A".to_owned(), "\0".to_owned())])).error();
    assert!(matches!(&zero, SandboxError::InvalidJob { field: "env", .. }), "{zero}");
}

#[test]
fn sandbox_world_is_constant() {
    // Without privilege over the machine no sandbox can have more than its caller may.
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).expect("a limit");
    let script = "uname -n\ncat /etc/hosts /etc/machine-id\numask\nid -u\nid -G\npwd\nulimit -n\nulimit -Hn\nulimit -c\n\
                  ulimit -s\nenv | sort\ncat /proc/sys/kernel/domainname\n";
    let expected = format!(
        "sinter\n127.0.0.1\tlocalhost sinter\n::1\tlocalhost ip6-localhost ip6-loopback\n\
         73696e74657273696e74657273696e74\n0022\n0\n0\n/app\n1024\n{}\n0\n8192\nPATH=/usr/bin:/bin\nPWD=/app\n(none)\n",
        hard.min(524_288)
    );
    assert_eq!(run(script).success(), expected);
}

#[test]
fn sandbox_addresses_are_not_random() {
    let maps = || run("grep -F '[stack]' /proc/self/maps").success();
    assert_eq!(maps(), maps());
}

#[test]
fn sandbox_probe_finds_everything_here() {
    sinter_sandbox::probe().expect("a machine with namespaces");
}
