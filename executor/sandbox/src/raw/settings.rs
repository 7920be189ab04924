//! What a process has besides memory and descriptors, and passes on to its children: limits, priorities, rights.

use std::ffi::{c_int, c_long};

use nix::libc;
use rustix::io::Errno;

use super::{ProcessId, check};

/// Sets one resource limit. Unlike the C library's function it takes no part of its state.
pub(crate) fn set_limit(process: ProcessId, resource: c_int, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let none: *mut libc::rlimit64 = std::ptr::null_mut();
    // SAFETY: the kernel reads one `rlimit64`.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, process, resource, &limit, none) }).map(drop)
}

/// The hard limit of a resource.
pub(crate) fn hard_limit(process: ProcessId, resource: c_int) -> Result<u64, Errno> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    let none: *const libc::rlimit64 = std::ptr::null();
    // SAFETY: the kernel writes one `rlimit64`.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, process, resource, none, &mut limit) })?;
    Ok(limit.rlim_max)
}

/// Gives a process the ordinary scheduling policy, no nice value and no priority of its own for disks.
pub(crate) fn set_ordinary_priority(process: ProcessId) {
    const OF_PROCESS: c_int = 1; // IOPRIO_WHO_PROCESS
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: takes numbers and one live `sched_param`. What is refused stays as the caller has it.
    unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, process, libc::SCHED_OTHER, &parameter);
        libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, process, 0);
        libc::syscall(libc::SYS_ioprio_set, OF_PROCESS, process, 0);
    }
}

/// Sets an attribute of this process that takes one number (prctl(2)).
pub(crate) fn control(option: c_int, argument: u64) -> Result<(), Errno> {
    // SAFETY: callers name options whose arguments are numbers.
    check(unsafe { libc::syscall(libc::SYS_prctl, option, argument, 0, 0, 0) }).map(drop)
}

/// Memory comes from the processor's own node again, as by default.
pub(crate) fn forget_memory_policy() {
    const DEFAULT: c_int = 0; // MPOL_DEFAULT
    // SAFETY: takes numbers and no memory; kernels without nodes refuse it.
    unsafe { libc::syscall(libc::SYS_set_mempolicy, DEFAULT, 0, 0) };
}

/// Leaves the caller's session keyring for a new one. May be refused where a user has too many keys.
pub(crate) fn leave_keyring() {
    const JOIN_SESSION_KEYRING: c_int = 1;
    // SAFETY: a null name stands for a new keyring without a name.
    unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, 0, 0, 0, 0) };
}

/// Sets user, group and supplementary groups, in every of their forms. `groups` are numbers in the machine's own form.
pub(crate) fn become_user(uid: u32, gid: u32, groups: &[u8]) -> Result<(), Errno> {
    // The bare system calls: the C library's functions would signal threads that exist in the parent only.
    // SAFETY: `groups` holds that many 32-bit ids.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len() / 4, groups.as_ptr()) })?;
    // SAFETY: these take numbers.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// Takes one capability, by its number, from what this process and its children can ever get. `EINVAL`: the kernel
/// knows no capability of that number.
pub(crate) fn drop_bounding_capability(number: u32) -> Result<(), Errno> {
    control(libc::PR_CAPBSET_DROP, u64::from(number))
}

/// Switches the randomisation of addresses off for programs started from here on, and every other personality too.
pub(crate) fn fix_addresses() -> Result<(), Errno> {
    let wanted = libc::ADDR_NO_RANDOMIZE as libc::c_ulong;
    // SAFETY: takes a number.
    check(c_long::from(unsafe { libc::personality(wanted) })).map(drop)
}

/// Installs a seccomp filter for this thread and all it will start.
pub(crate) fn install_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog { len: program.len() as _, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program; a malformed one is refused.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) }).map(drop)
}
