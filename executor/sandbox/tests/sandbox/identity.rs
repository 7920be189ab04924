//! Becoming root of a user namespace, what happens where that is not allowed, and the death of a caller.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use sinter_sandbox::{Blocker, Exit, Job, Outcome, SandboxError, enter_user_namespace, run};

use crate::support::{in_child, root, run_into, run_with, skeleton, words};

const USER: u32 = 54_321;

/// A directory of the user `USER`, with a copy of the tree in it.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a directory");
    for from in [root(), &skeleton()] {
        assert!(Command::new("cp").arg("-a").arg(from).arg(home.path()).status().expect("cp").success());
    }
    for dir in ["upper", "work", "etc"] {
        fs::create_dir(home.path().join(dir)).expect("a directory");
    }
    assert!(
        Command::new("chown")
            .arg("-R")
            .arg(format!("{USER}:{USER}"))
            .arg(home.path())
            .status()
            .expect("chown")
            .success()
    );
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    home
}

/// In a child: becomes the user, in a world whose `/etc` names it and its ranges, without changing the machine.
fn become_user(home: &Path, ranges: &str) {
    become_user_of(home, &format!("sintertest:x:{USER}:{USER}::/:/bin/sh\n"), ranges);
}

/// The same with another line, or none, in `/etc/passwd`.
fn become_user_of(home: &Path, line: &str, ranges: &str) {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("private mounts");
    let passwd = fs::read_to_string("/etc/passwd").expect("a file") + line;
    for (name, text) in [("passwd", passwd.as_str()), ("subuid", ranges), ("subgid", ranges)] {
        let (from, to) = (home.join("etc").join(name), Path::new("/etc").join(name));
        fs::write(&from, text).expect("a file");
        if !to.exists() {
            fs::write(&to, "").expect("a file");
        }
        mount(Some(&from), &to, none, MsFlags::MS_BIND, none).expect("a mount");
    }
    setgroups(&[]).expect("no groups");
    setresgid(Gid::from_raw(USER), Gid::from_raw(USER), Gid::from_raw(USER)).expect("a group");
    setresuid(Uid::from_raw(USER), Uid::from_raw(USER), Uid::from_raw(USER)).expect("a user");
    // A process that has changed its user is not dumpable, and then not even its own master in /proc.
    nix::sys::prctl::set_dumpable(true).expect("dumpable");
}

fn job(home: &Path, script: &str) -> Job {
    Job {
        lowers: vec![home.join("root"), home.join("skeleton")],
        upper: home.join("upper"),
        work: home.join("work"),
        script: script.as_bytes().to_vec(),
        interpreter: words("sh -eu"),
        env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
        uid: 0,
        gid: 0,
        groups: vec![],
        workdir: PathBuf::from("/app"),
        timeout: Some(Duration::from_secs(60)),
    }
}

/// Runs a script with its output in the file `output`.
fn run_at(home: &Path, script: &str) -> Result<Outcome, SandboxError> {
    run(&job(home, script), fs::File::create(home.join("output")).expect("a file").into())
}

const RANGE: &str = "sintertest:200000:65536\n";

#[test]
fn sandbox_works_for_an_unprivileged_user() {
    let home = home();
    let path = home.path().to_owned();
    let said = in_child(move || {
        become_user(&path, RANGE);
        if let Err(error) = enter_user_namespace() {
            return error.to_string();
        }
        let script = "touch a; chown 33:65535 a; rm /data/gone; id -u; cat /proc/1/cmdline | tr '\\0' ' '\n";
        let outcome = run_at(&path, script).expect("an outcome");
        let output = fs::read_to_string(path.join("output")).expect("the output");
        if outcome.exit != Exit::Code(0) {
            return format!("{outcome:?}: {output}");
        }
        let file = fs::metadata(path.join("upper/app/a")).expect("a file");
        let gone = fs::metadata(path.join("upper/data/gone")).expect("a whiteout");
        // What belongs to foreign ids outside can be removed from in here.
        fs::remove_dir_all(path.join("upper")).expect("removal");
        fs::remove_dir_all(path.join("work")).expect("removal");
        format!("{:?} {}:{} {} {}", outcome.exit, file.uid(), file.gid(), gone.rdev(), output.trim())
    });
    assert_eq!(said.answer(), "Code(0) 33:65535 0 0\nsinter");
}

#[test]
fn sandbox_names_missing_subordinate_ids() {
    for ranges in ["", "sintertest:200000:1000\n", "other:200000:65536\n"] {
        let home = home();
        let path = home.path().to_owned();
        let said = in_child(move || {
            become_user(&path, ranges);
            enter_user_namespace().expect_err("an error").to_string()
        });
        let said = said.answer();
        assert!(said.contains("user sintertest has") && said.contains("usermod --add-subuids"), "{said}");
    }
}

/// A user whom only a directory service knows, or nobody: reading the files must not load the C library's plug-ins.
#[test]
fn sandbox_needs_no_passwd_line() {
    let home = home();
    let path = home.path().to_owned();
    let said = in_child(move || {
        become_user_of(&path, "", &format!("{USER}:200000:65536\n"));
        match enter_user_namespace() {
            Ok(()) => format!("{:?}", run_at(&path, "true").expect("an outcome").exit),
            // The privileged programs of some distributions serve named users only, and say so.
            Err(error @ SandboxError::IdMapperFailed { .. }) => error.to_string(),
            Err(error) => format!("unexpected: {error}"),
        }
    });
    let said = said.answer();
    assert!(said == "Code(0)" || said.contains("/etc/passwd"), "{said}");
}

#[test]
fn sandbox_proposes_a_free_range() {
    for (line, ranges, expected) in [
        ("", "other:100000:65536\n", format!("add the line `{USER}:165536:65536` to /etc/subuid")),
        ("me:x:54321:54321::/:/bin/sh\n", "a:165536:65536\nb:100000:65536\n", "--add-subgids 231072-296607 me".into()),
    ] {
        let home = home();
        let path = home.path().to_owned();
        let said = in_child(move || {
            become_user_of(&path, line, ranges);
            enter_user_namespace().expect_err("an error").to_string()
        });
        let said = said.answer();
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn sandbox_maps_ids_though_the_end_of_children_is_ignored() {
    let home = home();
    let path = home.path().to_owned();
    let said = in_child(move || {
        become_user(&path, RANGE);
        // SAFETY: sets no handler.
        unsafe { nix::sys::signal::signal(nix::sys::signal::SIGCHLD, nix::sys::signal::SigHandler::SigIgn) }
            .expect("a signal");
        enter_user_namespace().map_or_else(|error| error.to_string(), |()| "root".to_owned())
    });
    assert_eq!(said.answer(), "root");
}

#[test]
fn sandbox_names_a_missing_id_mapper() {
    let home = home();
    let path = home.path().to_owned();
    let said = in_child(move || {
        // Not by way of the environment, whose lock another thread may have held when this process was made.
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("private mounts");
        mount(Some(&path.join("etc")), "/usr/bin", none, MsFlags::MS_BIND, none).expect("a mount");
        become_user(&path, RANGE);
        enter_user_namespace().expect_err("an error").to_string()
    });
    let said = said.answer();
    assert!(said.starts_with("newuidmap was not found: as root, install the package uidmap"), "{said}");
}

#[test]
fn sandbox_names_forbidden_user_namespaces() {
    let home = home();
    let path = home.path().to_owned();
    let said = in_child(move || {
        become_user(&path, RANGE);
        enter_user_namespace().expect("a namespace");
        fs::write("/proc/sys/user/max_user_namespaces", "0").expect("a setting");
        match run_at(&path, "true") {
            Err(error @ SandboxError::Namespaces { blocker: Blocker::NamespaceLimit, .. }) => error.to_string(),
            other => format!("{other:?}"),
        }
    });
    let said = said.answer();
    assert!(said.contains("user.max_user_namespaces is 0 or used up"), "{said}");
}

#[test]
fn sandbox_refuses_a_namespace_for_threads() {
    let home = home();
    let path = home.path().to_owned();
    let said = in_child(move || {
        become_user(&path, RANGE);
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || stopped.recv());
        let said = enter_user_namespace().expect_err("an error").to_string();
        drop(stop);
        let _ = thread.join();
        said
    });
    assert_eq!(said.answer(), SandboxError::Threads.to_string());
}

/// In a child: what a sandbox says in a world in which root has mounted something over `place`.
fn without(place: &'static str) -> String {
    in_child(move || {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("private mounts");
        mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), none).expect("a mount");
        match run_with("echo x > /dev/null; echo ran", |_| {}).result {
            Ok(outcome) => format!("{:?}", outcome.exit),
            Err(error) => error.to_string(),
        }
    })
    .answer()
}

#[test]
fn sandbox_needs_no_devices_of_the_machine_or_names_them() {
    let said = without("/dev");
    assert!(said == "Code(0)" || said.starts_with("/dev of this machine lacks null, zero, full"), "{said}");
}

#[test]
fn sandbox_names_a_missing_proc() {
    let said = without("/proc");
    assert!(said.starts_with("/proc is not mounted here"), "{said}");
}

#[test]
fn sandbox_lends_devices_to_a_user_or_names_them() {
    for (hide, expected) in
        [(false, "Code(0)"), (true, "/dev of this machine lacks null, zero, full, random, urandom, and")]
    {
        let home = home();
        let path = home.path().to_owned();
        let said = in_child(move || {
            become_user(&path, RANGE);
            enter_user_namespace().expect("a namespace");
            unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
            let none: Option<&str> = None;
            if hide {
                mount(Some("tmpfs"), "/dev", Some("tmpfs"), MsFlags::empty(), none).expect("a mount");
            }
            match run_at(&path, "echo x > /dev/null; ! chmod 600 /dev/zero 2>/dev/null; ! touch /dev/full 2> /dev/null")
            {
                Ok(outcome) => format!("{:?}", outcome.exit),
                Err(error) => error.to_string(),
            }
        });
        let said = said.answer();
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn sandbox_dies_with_its_caller() {
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let child = in_child(move || {
        let script = "trap '' TERM HUP INT\n(setsid sleep 600) &\necho started\nsleep 600\n";
        run_into(Some(write), script, |_| {});
        String::new()
    });
    let mut started = [0; 8];
    read.read_exact(&mut started).expect("a start");
    nix::sys::signal::kill(child.process, nix::sys::signal::Signal::SIGKILL).expect("a kill");
    // The end of the output comes only when no process of the sandbox is left.
    let mut rest = String::new();
    read.read_to_string(&mut rest).expect("the end");
    assert_eq!((&started, rest.as_str()), (b"started\n", ""));
    child.answer();
}

#[test]
fn sandbox_dies_with_its_caller_at_any_moment() {
    root();
    for step in 0..30u64 {
        let (mut read, write) = std::io::pipe().expect("a pipe");
        let child = in_child(move || {
            run_into(Some(write), "sleep 600", |_| {});
            String::new()
        });
        let until = Instant::now() + Duration::from_micros(step * 300);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        nix::sys::signal::kill(child.process, nix::sys::signal::Signal::SIGKILL).expect("a kill");
        read.read_to_string(&mut String::new()).expect("the end");
        child.answer();
    }
}

#[test]
fn sandbox_leaves_no_child_behind() {
    let said = in_child(|| {
        for script in ["true", "exit 1", "kill -9 $$"] {
            assert_ne!(run_with(script, |_| {}).outcome().exit, Exit::TimedOut);
        }
        run_with("true", |job| job.workdir = PathBuf::from("/none")).error();
        format!("{:?}", nix::sys::wait::waitpid(None, None))
    });
    assert_eq!(said.answer(), "Err(ECHILD)");
}
