//! What a script must not be able to see or do.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use sinter_sandbox::Exit;

use crate::support::{run, run_into, run_with, words};

#[test]
fn sandbox_hides_the_machine_from_scripts() {
    let secret = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a file");
    fs::write(secret.path(), "secret").expect("a file");
    let path = secret.path().display();
    for script in [
        format!("cat {path}"),
        format!("cat /proc/1/root{path}"),
        format!("cat /proc/self/root{path}"),
        format!("cat /proc/$$/cwd/../../../..{path}"),
        format!("cd /; for i in 1 2 3 4 5 6 7 8 9; do cd ..; done; cat .{path}"),
        "readlink /proc/1/fd/3".to_owned(),
        "cat /proc/1/fd/4".to_owned(),
        "echo x > /proc/1/fd/3".to_owned(),
        "cat /proc/1/environ".to_owned(),
        "readlink /proc/1/exe".to_owned(),
        "cat /proc/1/maps".to_owned(),
    ] {
        let ran = run(&script);
        assert_ne!(ran.outcome().exit, sinter_sandbox::Exit::Code(0), "{script}: {}", ran.output);
        assert!(!ran.output.contains("secret"), "{script}: {}", ran.output);
    }
}

/// What is mounted, but for the single entries of `/proc`, which kernels differ in.
#[test]
fn sandbox_mounts_are_the_documented_ones() {
    let output = run("while read -r _ _ _ _ at _; do echo $at; done < /proc/self/mountinfo\n").success();
    let mut mounts: Vec<&str> = output.lines().filter(|at| !at.starts_with("/proc/")).collect();
    mounts.sort_unstable();
    // Only root of the machine may make device nodes; others are lent theirs.
    mounts.retain(|at| {
        !["null", "zero", "full", "random", "urandom", "tty"]
            .map(|name| format!("/dev/{name}"))
            .contains(&(*at).to_owned())
    });
    assert_eq!(mounts, ["/", "/dev", "/dev/pts", "/proc", "/sinter", "/sys", "/tmp"]);
}

#[test]
fn sandbox_shows_no_foreign_process() {
    let output =
        run("cd /proc; echo [0-9]*; tr '\\0' ' ' < /proc/1/cmdline; cat /proc/1/comm; cat /proc/self/cgroup\n")
            .success();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], "1 2");
    assert_eq!(lines[1].replace(' ', ""), "sintersinter", "{output}");
    assert!(lines[2..].iter().all(|line| line.ends_with(":/")), "{output}");
}

#[test]
fn sandbox_inherits_no_descriptor_or_variable() {
    let _open = fs::File::open("/etc/passwd").expect("a file");
    let script = "opendir D, '/proc/self/fd'; print join(' ', sort grep { readlink(\"/proc/self/fd/$_\") !~ m{^/proc/} } grep /\\d/, readdir D), qq{\\n};\
                  print readlink('/proc/self/fd/0'), qq{\\n}; print join(',', sort keys %ENV)";
    let output = run_with(script, |job| job.interpreter = words("perl")).success();
    assert_eq!(output, "0 1 2\n/dev/null\nPATH");
}

#[test]
fn sandbox_cannot_reach_the_machines_loopback() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo reached || echo refused\n");
    let output = run_with(script, |job| job.interpreter = words("bash")).success();
    assert!(output.ends_with("refused\n") && !output.contains("reached"), "{output}");
    assert_eq!(run("wc -l < /proc/net/dev; grep -c lo: /proc/net/dev\n").success(), "3\n1\n");
}

#[test]
fn sandbox_loopback_is_up() {
    let script = "use IO::Socket::INET; my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die \"$@\";\
                  if (!fork) { my $c = IO::Socket::INET->new(PeerAddr => 'localhost', PeerPort => $s->sockport) or die \"$@\"; print $c qq{hello\\n}; exit }\
                  my $c = $s->accept; print scalar <$c>;";
    assert_eq!(run_with(script, |job| job.interpreter = words("perl")).success(), "hello\n");
}

#[test]
fn sandbox_denies_mounts_and_namespaces() {
    for script in [
        "mount -t tmpfs none /data",
        "mount --bind /data /app",
        "mount -o remount,rw /proc/sys",
        "unshare -U true",
        "unshare -m true",
        "unshare -n true",
        "mknod /app/disk b 8 0 && cat /app/disk",
        "mknod /app/null c 1 3 && echo x > /app/null",
        "echo b > /proc/sysrq-trigger",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo 1 > /proc/sys/vm/drop_caches",
        "touch /sys/x",
        "kill -9 1; kill -STOP 1; sleep 0.05; exit 7",
    ] {
        let ran = run(script);
        assert_ne!(ran.outcome().exit, sinter_sandbox::Exit::Code(0), "{script}: {}", ran.output);
    }
}

/// Mode, owner and times of the machine's nodes, and of the entries of `/proc` that are no processes.
fn machine() -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let nodes = ["null", "zero", "full", "random", "urandom", "tty", "."].map(|name| Path::new("/dev").join(name));
    let listed = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    let entries =
        listed.filter(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit()));
    let mut found: Vec<String> = nodes
        .into_iter()
        .chain(entries)
        .map(|path| {
            let metadata = path.symlink_metadata().expect("metadata");
            // The time of a node moves with what other programs write to it.
            format!("{} {:o} {}:{}", path.display(), metadata.mode(), metadata.uid(), metadata.gid())
        })
        .collect();
    found.sort();
    found
}

const TAMPER: &str = r#"
use Fcntl qw(:flock);
for my $path (glob('/dev/* /dev/shm /dev/pts/ptmx'), grep { !m{/\d+$} } glob('/proc/* /proc/fs/* /proc/tty/* /proc/sys/*')) {
    chmod 0640, $path; chown 7, 7, $path; utime 1, 1, $path; truncate $path, 0; rename $path, "$path.x"; unlink $path;
    syscall(188, $path, my $n = 'user.x', my $v = 'y', 1, 0);
    open my $file, '<', $path or next;
    flock $file, LOCK_EX | LOCK_NB;
    push @kept, $file;
}
$| = 1; print "tampered\n"; sleep 600;
"#;

/// As root of the machine, where this test runs as root: mode, owner and locks of what the machine shares with everybody.
#[test]
fn sandbox_cannot_tamper_with_the_machine() {
    let before = machine();
    let (read, write) = std::io::pipe().expect("a pipe");
    let tampering = std::thread::spawn(move || {
        run_into(Some(write), TAMPER, |job| {
            job.interpreter = words("perl");
            job.timeout = Some(std::time::Duration::from_secs(3));
        })
    });
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(read), &mut line).expect("a line");
    for path in ["/dev/null", "/dev/full", "/dev/urandom", "/proc/meminfo", "/proc/uptime"] {
        let file = fs::File::open(path).expect("a file");
        file.try_lock().unwrap_or_else(|error| panic!("{path} is locked: {error}"));
    }
    assert_eq!(machine(), before);
    assert_eq!((line.as_str(), tampering.join().expect("no panic").outcome().exit), ("tampered\n", Exit::TimedOut));
}

/// What a step changes in its own devices is there for it alone.
#[test]
fn sandbox_devices_work_and_are_its_own() {
    let script = "echo x > /dev/null\n[ -c /dev/tty ]\nhead -c 3 /dev/zero | wc -c\nhead -c 5 /dev/urandom | wc -c\n\
                  echo x > /dev/full 2>/dev/null || echo full\necho a > /dev/shm/a\n(rm /dev/null && echo x > /dev/null) 2>&1 || true\n\
                  stat -c %a /dev/zero /dev/shm\n";
    assert_eq!(run(script).success(), "3\n5\nfull\n666\n1777\n");
    assert!(!fs::metadata("/dev/null").expect("a node").permissions().readonly());
}

/// Nothing of `/proc` that is no process can be written, and what only the machine is told by is not there.
#[test]
fn sandbox_proc_is_read_only_but_for_processes() {
    let script = r#"
for my $path (grep { !m{/\d+$} } glob('/proc/* /proc/sys/kernel/* /proc/sys/vm/* /proc/sysvipc/*')) {
    next if -l $path or -d $path;
    print "$path is writable\n" if open my $file, '+<', $path;
    print "$path has another mode\n" if chmod 0600, $path;
}
for my $path (qw(kcore keys kmsg kallsyms timer_list sysrq-trigger iomem slabinfo acpi irq bus fs)) {
    print "$path is shown\n" if -s "/proc/$path" && !-d _ or glob("/proc/$path/*") or `cat /proc/$path 2>/dev/null`;
}
for my $path (qw(oom_score_adj comm coredump_filter)) {
    open my $file, '>', "/proc/self/$path" or print "$path of the own process: $!\n";
}
for my $path (qw(cpuinfo meminfo stat uptime loadavg version filesystems mounts sys/kernel/osrelease self/status net/dev)) {
    open my $file, '<', "/proc/$path" or print "$path: $!\n"; print "$path is empty\n" if !length join '', <$file>;
}"#;
    assert_eq!(run_with(script, |job| job.interpreter = words("perl")).success(), "");
}

/// Calls a system call by number and prints its error.
fn call(number: i64, arguments: &str) -> String {
    let script = format!("$! = 0; syscall({number}, {arguments}); print $!+0");
    run_with(script, |job| job.interpreter = words("perl")).success()
}

#[cfg(target_arch = "x86_64")]
#[test]
fn sandbox_filter_is_in_force() {
    for (what, number, arguments, errno) in [
        ("bpf", 321, "0, 0, 0", 1),
        ("keyctl", 250, "0, 0, 0", 1),
        ("io_uring_setup", 425, "1, 0", 1),
        ("userfaultfd", 323, "0", 1),
        ("clone3", 435, "0, 0", 38),
        ("a call that is not known yet", 600, "0", 38),
        ("socket of AF_VSOCK", 41, "40, 1, 0", 97),
        ("ptrace of the first process", 101, "16, 1, 0, 0", 1),
    ] {
        assert_eq!(call(number, arguments), errno.to_string(), "{what}");
    }
}

#[test]
fn sandbox_capabilities_are_the_documented_ones() {
    let status = |uid| {
        let ran = run_with("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -s '\\t\\n' ' '\n", |job| {
            job.uid = uid
        });
        ran.success()
    };
    // chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot mknod audit_write setfcap
    let kept = "00000000a80405fb";
    let none = "0000000000000000";
    assert_eq!(
        status(0),
        format!("CapInh: {none} CapPrm: {kept} CapEff: {kept} CapBnd: {kept} CapAmb: {none} NoNewPrivs: 1 Seccomp: 2 ")
    );
    assert_eq!(
        status(1000),
        format!("CapInh: {none} CapPrm: {none} CapEff: {none} CapBnd: {kept} CapAmb: {none} NoNewPrivs: 1 Seccomp: 2 ")
    );
}
