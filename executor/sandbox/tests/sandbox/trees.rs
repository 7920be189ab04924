//! What a script sees of its tree, and what its upper directory holds afterwards.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;

use sinter_sandbox::{Exit, MOUNT_POINTS, SandboxError};

use crate::support::{in_child, run, run_into, run_with, skeleton};

/// Every path below `dir` but directories, with what it is.
fn listing(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(current) = waiting.pop() {
        for entry in fs::read_dir(&current).expect("a directory").flatten() {
            let metadata = entry.path().symlink_metadata().expect("metadata");
            let name = entry.path().strip_prefix(dir).expect("a prefix").display().to_string();
            if metadata.is_dir() {
                waiting.push(entry.path());
                continue;
            }
            let kind = metadata.file_type();
            let text = match () {
                () if kind.is_char_device() => format!("device {}", metadata.rdev()),
                () if kind.is_fifo() => "fifo".to_owned(),
                () if kind.is_symlink() => format!("link {}", fs::read_link(entry.path()).expect("a link").display()),
                () => format!(
                    "file {} {:o}",
                    fs::read_to_string(entry.path()).expect("a file").trim(),
                    metadata.mode() & 0o7777
                ),
            };
            found.insert(name, text);
        }
    }
    found
}

fn listed(ran: &crate::support::Ran) -> Vec<String> {
    listing(&ran.upper()).into_iter().map(|(path, what)| format!("{path}: {what}")).collect()
}

#[test]
fn sandbox_upper_holds_what_the_script_wrote() {
    let script = "echo new > /data/new\necho more >> /data/old\nrm /data/gone\nln -s x /data/link\nmkfifo fifo\n\
                  chmod 4755 /data/new\n";
    let ran = run(script);
    let expected = [
        "app/fifo: fifo",
        "data/gone: device 0",
        "data/link: link x",
        "data/new: file new 4755",
        "data/old: file old\nmore 644",
    ];
    assert_eq!(listed(&ran), expected);
    assert_eq!(fs::read_dir(ran.upper()).expect("a directory").count(), 2);
}

#[test]
fn sandbox_mount_points_leave_no_trace() {
    let script = "echo a > /tmp/a\necho b > /dev/b\nmkdir /sinter/c\necho d > /dev/shm/d\nls / | tr '\\n' ' '\n";
    let ran = run(script);
    assert_eq!(listed(&ran), Vec::<String>::new());
    assert_eq!(ran.success(), "app bin data dev etc lib lib64 proc sinter sys tmp usr var ");
    assert_eq!(fs::read_dir(run(script).upper()).expect("a directory").count(), 0);
}

#[test]
fn sandbox_shows_an_empty_tree() {
    let error = run_with("true", |job| {
        job.lowers = vec![skeleton()];
        job.workdir = "/".into();
    });
    assert!(matches!(error.error(), SandboxError::InterpreterMissing { .. }));
}

#[test]
fn sandbox_refuses_a_link_as_mount_point() {
    for path in MOUNT_POINTS {
        let layer = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        symlink("/data", layer.path().join(path.trim_start_matches('/'))).expect("a link");
        let error = run_with("true", |job| job.lowers.insert(0, layer.path().to_owned())).error();
        assert!(matches!(&error, SandboxError::MountPoint { path: found, .. } if found == path), "{error}");
    }
}

#[test]
fn sandbox_upper_layers_hide_lower_ones() {
    let layer = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    for (path, text) in [("data/old", "newer"), ("etc/hosts", "own hosts")] {
        let path = layer.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    let ran = run_with("cat /data/old /etc/hosts /data/gone", |job| job.lowers.insert(0, layer.path().to_owned()));
    assert_eq!(ran.success(), "newerown hostsgone\n");
}

#[test]
fn sandbox_takes_many_layers_and_long_paths() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let long = place.path().join("a,b:c\\d".repeat(30)).join("e".repeat(200)).join(OsStr::from_bytes(b"\xff"));
    let mut layers = vec![];
    for number in 0..450 {
        let layer = long.join(number.to_string());
        fs::create_dir_all(layer.join("many")).expect("a directory");
        fs::write(layer.join("many").join(number.to_string()), "").expect("a file");
        layers.push(layer);
    }
    let ran = run_with("ls /many | wc -l\ngrep -c a,b /proc/self/mountinfo || true\n", |job| {
        layers.append(&mut job.lowers);
        job.lowers = layers;
    });
    assert_eq!(ran.success(), "450\n0\n");
}

/// Directories are opened one after the other, so that their number needs no descriptors.
#[test]
fn sandbox_takes_many_layers_with_few_descriptors() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let layers: Vec<_> = (0..490).map(|number| place.path().join(number.to_string())).collect();
    layers.iter().for_each(|layer| fs::create_dir(layer).expect("a directory"));
    for (limit, expected) in [(64, "Code(0)"), (9, "a sandbox needs more open files than this process may have")] {
        let layers = layers.clone();
        let said = in_child(move || {
            // SAFETY: nothing in this process uses what it has inherited.
            unsafe { nix::libc::syscall(nix::libc::SYS_close_range, 20, nix::libc::c_uint::MAX, 0) };
            let ran = run_with("true", |job| {
                job.lowers.splice(0..0, layers);
                let resource = nix::sys::resource::Resource::RLIMIT_NOFILE;
                nix::sys::resource::setrlimit(resource, limit, limit).expect("a limit");
            });
            ran.result.map_or_else(|error| error.to_string(), |outcome| format!("{:?}", outcome.exit))
        });
        let said = said.answer();
        assert!(said.starts_with(expected), "{limit}: {said}");
    }
}

#[test]
fn sandbox_root_may_change_owners() {
    let ran = run("touch f; chown 1000:65535 f; chown 33:33 /data/old; stat -c %u:%g f /data/old\n");
    let upper = ran.upper();
    assert_eq!(ran.output, "1000:65535\n33:33\n");
    assert_eq!(fs::metadata(upper.join("data/old")).expect("a file").uid(), 33);
}

#[test]
fn sandbox_runs_as_another_user() {
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let script = "id -u; id -g; id -G; echo again > /dev/stderr; touch /tmp/x; touch /data/x 2>/dev/null || echo no\n";
    let ran = run_into(Some(write), script, |job| (job.uid, job.gid, job.groups) = (1000, 1001, vec![44, 1001]));
    assert_eq!(ran.outcome().exit, Exit::Code(0));
    let mut said = String::new();
    read.read_to_string(&mut said).expect("the output");
    assert_eq!(said, "1000\n1001\n1001 44\nagain\nno\n");
}
