//! What a process inherits from whoever started it, and a step must find the same everywhere.
//!
//! Rights over the machine end at the border of a user namespace, so what only such rights can raise is set by the caller,
//! [from outside](settle_from_outside); the first process does the rest [itself](settle_own). What an unprivileged caller may
//! not raise stays as it is: spec.md 7.11 names it.
//! Rules: the first process allocates nothing; the constants are part of [`sinter_graph::SEMANTICS`].

use nix::libc;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::raw::{self, ProcessId};

const UNLIMITED: u64 = libc::RLIM64_INFINITY;

/// Resource, soft and hard limit. A program that sizes its tables by them must find the same everywhere.
const LIMITS: [(libc::__rlimit_resource_t, u64, u64); 16] = [
    (libc::RLIMIT_NOFILE, 1024, 524_288),
    (libc::RLIMIT_CORE, 0, 0),
    (libc::RLIMIT_STACK, 8 << 20, UNLIMITED),
    (libc::RLIMIT_CPU, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_FSIZE, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_DATA, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_AS, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_RSS, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_NPROC, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_LOCKS, UNLIMITED, UNLIMITED),
    (libc::RLIMIT_MEMLOCK, 8 << 20, 8 << 20),
    (libc::RLIMIT_SIGPENDING, 16_384, 16_384),
    (libc::RLIMIT_MSGQUEUE, 819_200, 819_200),
    (libc::RLIMIT_NICE, 0, 0),
    (libc::RLIMIT_RTPRIO, 0, 0),
    (libc::RLIMIT_RTTIME, UNLIMITED, UNLIMITED),
];

/// Attributes (prctl(2)) that children and programs inherit, and their ordinary values. Kernels know different ones.
const ATTRIBUTES: [(libc::c_int, u64); 5] = [
    (libc::PR_SET_TIMERSLACK, 50_000),
    (libc::PR_SET_THP_DISABLE, 0),
    (libc::PR_SET_MEMORY_MERGE, 0),
    (libc::PR_MCE_KILL, libc::PR_MCE_KILL_CLEAR as u64),
    (libc::PR_SET_CHILD_SUBREAPER, 0),
];

/// Sets limits, priorities and the score for running out of memory of the first process, which its children inherit.
pub(crate) fn settle_from_outside(process: ProcessId) {
    for (resource, soft, hard) in LIMITS {
        let resource = resource as i32;
        if raw::set_limit(process, resource, soft, hard).is_err() {
            // Without privilege a hard limit cannot be raised; then the step gets what there is.
            let hard = raw::hard_limit(process, resource).map_or(0, |own| own.min(hard));
            let _ = raw::set_limit(process, resource, soft.min(hard), hard);
        }
    }
    raw::set_ordinary_priority(process);
    let _ = std::fs::write(format!("/proc/{process}/oom_score_adj"), "0");
}

/// What the first process can do about itself, once it is root of its namespaces.
pub(crate) fn settle_own() -> Result<(), Errno> {
    raw::reset_signals();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    for (attribute, value) in ATTRIBUTES {
        let _ = raw::control(attribute, value);
    }
    raw::forget_memory_policy();
    raw::leave_keyring();
    raw::fix_addresses()
}

/// Which kinds of memory a core holds: a setting of its own that only a file in `/proc` changes, here the one at `proc`.
pub(crate) fn settle_core_filter() {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(c"proc/self/coredump_filter", flags, Mode::empty()) {
        let _ = rustix::io::write(&file, b"0x33");
    }
}
