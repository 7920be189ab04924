//! One script under many callers: what they pass on to their children must not reach it.

use std::fs;
use std::os::fd::IntoRawFd;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::stat::Mode;

use crate::support::{in_child, run_with, words};

/// Prints what a process inherits.
const PROBE: &str = r#"
umask
ulimit -a
ulimit -aH
for name in SigQ SigPnd SigBlk SigIgn SigCgt CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs THP_enabled Uid Gid Groups \
    Umask TracerPid; do grep "^$name:" /proc/self/status | sed 's|SigQ:.*/|SigQ /|'; done
cat /proc/self/oom_score_adj /proc/self/personality /proc/self/timerslack_ns /proc/self/coredump_filter
grep -E '^Max' /proc/self/limits
ls /proc/self/fd | wc -l
perl -e 'printf "nice %d policy %d ioprio %d securebits %d slack %d thp %d\n", getpriority(0, 0),
    syscall(145, 0), syscall(252, 1, 0), syscall(157, 27, 0, 0, 0, 0), syscall(157, 30, 0, 0, 0, 0),
    syscall(157, 42, 0, 0, 0, 0)'
perl -e 'open my $tty, "<", "/dev/tty" or print "no terminal: ", $! + 0, "\n"'
env | sort
"#;

type Change = fn();

/// Whether this process may raise what it has lowered; then a sandbox must do so. Containers take it away from root.
fn is_privileged() -> bool {
    let kept = fs::read_to_string("/proc/self/status").expect("a status");
    let kept = kept.lines().find_map(|line| line.strip_prefix("CapEff:\t")).expect("capabilities").to_owned();
    let is_inner =
        fs::read_to_string("/proc/self/uid_map").expect("a map").split_whitespace().nth(2) != Some("4294967295");
    !is_inner && u64::from_str_radix(&kept, 16).expect("a number") & (1 << 24) != 0
}

/// The hard limit too, if it can be given back.
fn limit(resource: Resource, value: u64) {
    let (_, hard) = getrlimit(resource).expect("a limit");
    let hard = if is_privileged() { value } else { hard };
    setrlimit(resource, value.min(hard), hard).expect("a limit");
}

fn control(option: libc::c_int, value: u64) {
    // SAFETY: takes numbers.
    unsafe { libc::prctl(option, value, 0, 0, 0) };
}

fn ignore(number: Signal) {
    // SAFETY: sets no handler.
    unsafe { signal(number, SigHandler::SigIgn) }.expect("a signal");
}

/// Some settings answer with the old one.
fn done<T>(_: T) {}

extern "C" fn handler(_: libc::c_int) {}

fn write(path: &str, text: &str) {
    fs::write(path, text).expect("a setting");
}

const CALLERS: &[(&str, Change)] = &[
    ("an ordinary one", || {}),
    ("umask 077", || done(nix::sys::stat::umask(Mode::from_bits_truncate(0o077)))),
    ("umask 0", || done(nix::sys::stat::umask(Mode::empty()))),
    // SAFETY: takes numbers.
    ("nice 15", || done(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 15) })),
    // SAFETY: takes numbers.
    ("nice -5", || done(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -5) })),
    ("the batch policy", || {
        let parameter = libc::sched_param { sched_priority: 0 };
        // SAFETY: reads a live variable.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &parameter) };
    }),
    ("the idle policy", || {
        let parameter = libc::sched_param { sched_priority: 0 };
        // SAFETY: reads a live variable.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &parameter) };
    }),
    // SAFETY: takes numbers.
    ("a priority for disks", || done(unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, 3 << 13) })),
    ("few processes", || limit(Resource::RLIMIT_NPROC, 50)),
    ("little locked memory", || limit(Resource::RLIMIT_MEMLOCK, 4096)),
    ("small files", || limit(Resource::RLIMIT_FSIZE, 1 << 20)),
    ("64 open files", || limit(Resource::RLIMIT_NOFILE, 64)),
    ("core files", || limit(Resource::RLIMIT_CORE, 1 << 20)),
    ("a small stack", || limit(Resource::RLIMIT_STACK, 1 << 20)),
    ("few signals and queues", || {
        limit(Resource::RLIMIT_SIGPENDING, 10);
        limit(Resource::RLIMIT_MSGQUEUE, 10);
    }),
    ("real-time rights", || {
        limit(Resource::RLIMIT_RTPRIO, 10);
        limit(Resource::RLIMIT_NICE, 30);
        limit(Resource::RLIMIT_RTTIME, 1_000_000);
    }),
    ("limits of memory and time", || {
        limit(Resource::RLIMIT_DATA, 1 << 33);
        limit(Resource::RLIMIT_AS, 1 << 40);
        limit(Resource::RLIMIT_RSS, 1 << 33);
        limit(Resource::RLIMIT_CPU, 100_000);
        limit(Resource::RLIMIT_LOCKS, 9);
    }),
    ("ignored signals", || {
        [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGINT].into_iter().for_each(ignore)
    }),
    ("the end of children ignored", || ignore(Signal::SIGCHLD)),
    ("blocked signals", || {
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), None).expect("a mask");
    }),
    ("handled signals", || {
        // SAFETY: the handler touches nothing.
        unsafe { signal(Signal::SIGUSR1, SigHandler::Handler(handler)) }.expect("a signal");
    }),
    ("a score for running out of memory", || write("/proc/self/oom_score_adj", "500")),
    ("protection from running out of memory", || {
        if is_privileged() {
            write("/proc/self/oom_score_adj", "-500");
        }
    }),
    ("open descriptors", || {
        for _ in 0..20 {
            let file = fs::File::open("/etc/passwd").expect("a file").into_raw_fd();
            // SAFETY: the descriptor was just opened. It is to survive `execve`.
            unsafe { libc::fcntl(file, libc::F_SETFD, 0) };
        }
    }),
    // SAFETY: takes a number.
    ("another personality", || done(unsafe { libc::personality(0x0400_0000) })),
    ("a coarse timer", || control(libc::PR_SET_TIMERSLACK, 5_000_000)),
    ("no huge pages", || control(libc::PR_SET_THP_DISABLE, 1)),
    ("a subreaper", || control(libc::PR_SET_CHILD_SUBREAPER, 1)),
    ("kept capabilities", || control(libc::PR_SET_SECUREBITS, 0b101)),
    ("no new privileges", || control(libc::PR_SET_NO_NEW_PRIVS, 1)),
    ("cores of everything", || write("/proc/self/coredump_filter", "0x7f")),
    ("closed standard streams", || {
        for stream in 0..3 {
            // SAFETY: nothing in this process uses them any more.
            unsafe { libc::close(stream) };
        }
    }),
    ("a session of its own", || done(nix::unistd::setsid())),
    ("variables", || {
        // SAFETY: this process has a single thread.
        unsafe { libc::setenv(c"LC_ALL".as_ptr(), c"C.UTF-8".as_ptr(), 1) };
    }),
];

fn under(change: Change) -> String {
    in_child(move || {
        change();
        let ran = run_with(PROBE, |job| job.interpreter = words("bash -eu"));
        match ran.result {
            Ok(outcome) => format!("{:?}\n{}", outcome.exit, ran.output),
            Err(error) => error.to_string(),
        }
    })
    .answer()
}

#[test]
fn sandbox_is_the_same_under_every_caller() {
    let ordinary = under(|| {});
    assert!(ordinary.starts_with("Code(0)\n"), "{ordinary}");
    assert!(ordinary.contains("nice 0 policy 0 ioprio 0 securebits 0 slack 50000 thp 0"), "{ordinary}");
    for (caller, change) in CALLERS {
        let output = under(*change);
        let differences: Vec<_> = ordinary.lines().zip(output.lines()).filter(|(one, other)| one != other).collect();
        assert!(output == ordinary, "{caller}: {differences:?}\n{output}");
    }
}
