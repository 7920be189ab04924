//! What a script cannot reach.

use std::net::TcpListener;

use crate::support::{Place, Ran};

/// Runs `script` in the small tree with these declared files.
fn script(lines: &str) -> Ran {
    let body: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let place = Place::tiny(&format!(
        "let it = run {{\n  from = tiny\n  files = src[\"declared\"]\n  script = bash \"\"\"\n{body}  \"\"\"\n}}\ntarget out = it\n"
    ));
    place.write("declared", "yes\n");
    place.write("undeclared", "no\n");
    let mut command = place.command(&["build", "--progress", "plain"]);
    command.env("SECRET_OF_THE_HOST", "hunter2");
    crate::support::run(command)
}

#[test]
fn only_declared_files_exist() {
    let ran = script("ls -A /app\ntest ! -e undeclared\ntest ! -e main.build\ntest ! -e sinter.lock\ntest ! -e .git");
    let listed: Vec<&str> = ran.succeeds().stderr.lines().filter(|line| line.starts_with("it | ")).collect();
    assert_eq!(listed, ["it | declared"]);
}

#[test]
fn host_environment_is_not_seen() {
    script("test -z \"${SECRET_OF_THE_HOST:-}\"\ntest \"$SOURCE_DATE_EPOCH\" = 315619200\ntest \"$TZ\" = UTC\ntest \"$HOME\" = /root").succeeds();
}

#[test]
fn host_processes_are_not_seen() {
    script("for pid in /proc/[0-9]*; do test \"${pid#/proc/}\" -lt 100; done\ntest \"$(ls -d /proc/[0-9]* | wc -l)\" -lt 10").succeeds();
}

#[test]
fn loopback_of_the_host_is_not_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener on loopback");
    let port = listener.local_addr().expect("its address").port();
    script(&format!("if (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; then echo reached; exit 1; fi")).succeeds();
}

#[test]
fn host_files_are_not_seen() {
    let marker = tempfile::NamedTempFile::new().expect("a file of the host");
    script(&format!("test ! -e {}\ntest ! -e /sys/kernel\ntest ! -e /etc/apt", marker.path().display())).succeeds();
}

#[test]
fn tree_of_the_step_is_all_it_can_change() {
    script("if mount -t tmpfs none /mnt 2>/dev/null; then exit 1; fi\nif mknod /dev/kmsg c 1 11 2>/dev/null; then exit 1; fi\necho changed > /etc/mine").succeeds();
}

#[test]
fn standard_input_is_empty() {
    script("test -z \"$(cat)\"").succeeds();
}
