//! The system calls that no crate offers as safe functions, and the only `unsafe` of the repository.
//!
//! Rules: each function is safe to call from anywhere; each `unsafe` block says why it is sound. What runs between
//! [`clone_child`] and `execve` must neither allocate nor take a lock, because another thread of the parent may have
//! held it: that is why these functions take prepared data and return plain error numbers.
//! Must not know: jobs, mounts, what a sandbox is.

#![allow(unsafe_code)]

mod memory;
mod settings;

use std::ffi::{CStr, c_char, c_int, c_long};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::libc;
use rustix::io::Errno;

pub(crate) use memory::{StringArray, memory};
pub(crate) use settings::{
    become_user, control, drop_bounding_capability, fix_addresses, forget_memory_policy, hard_limit, install_filter,
    leave_keyring, set_limit, set_ordinary_priority,
};

/// Turns the result of a C function into a result; -1 means that `errno` says why.
fn check(result: c_long) -> Result<c_long, Errno> {
    if result == -1 { Err(last_errno()) } else { Ok(result) }
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(nix::errno::Errno::last_raw())
}

/// A process id, always positive.
pub(crate) type ProcessId = i32;

/// Forks with `flags` (`CLONE_NEW*`); the parent gets the child's id, the child gets `None`.
///
/// The bare system call and not `fork` of the C library: no handler runs and no lock is taken, so the child of a
/// process with threads can rely on nothing but its own memory and the kernel.
pub(crate) fn clone_child(flags: c_int) -> Result<Option<ProcessId>, Errno> {
    let flags = c_long::from(flags | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child has its own copy of the memory, and a null stack means "the same address".
    let id = check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    Ok((id != 0).then_some(id as ProcessId))
}

/// Forks through the C library, so that the child may allocate. For processes without threads.
pub(crate) fn fork_child() -> Result<Option<ProcessId>, Errno> {
    // SAFETY: the callers are documented to have no other thread; the child ends in `exit_now`.
    let id = check(c_long::from(unsafe { libc::fork() }))?;
    Ok((id != 0).then_some(id as ProcessId))
}

/// Ends this process at once: no destructor, no handler, no flush.
pub(crate) fn exit_now(status: c_int) -> ! {
    // SAFETY: `_exit` has no precondition.
    unsafe { libc::_exit(status) }
}

/// Ends the process when dropped by a panic, so that a child never unwinds into frames that belong to its parent.
pub(crate) struct ExitOnUnwind;

impl Drop for ExitOnUnwind {
    fn drop(&mut self) {
        exit_now(70);
    }
}

/// Replaces this process by the program at `path`; returns only if that failed.
pub(crate) fn exec(path: &CStr, arguments: &StringArray<'_>, environment: &StringArray<'_>) -> Errno {
    // SAFETY: both arrays end with a null pointer and point to strings that live as long as they do.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_errno()
}

/// A child that was waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    pub(crate) id: ProcessId,
    /// As `wait` gives it.
    pub(crate) status: c_int,
    pub(crate) max_rss_kib: u64,
    pub(crate) user_micros: u64,
    pub(crate) system_micros: u64,
}

/// Waits for the child `id`, or any child if it is -1. `None`: children exist, but none has ended (only with
/// `block == false`).
pub(crate) fn wait(id: ProcessId, block: bool) -> Result<Option<Waited>, Errno> {
    let mut status = 0;
    // SAFETY: an all-zero `rusage` is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let options = if block { 0 } else { libc::WNOHANG };
    // SAFETY: both pointers are to live variables.
    let ended = check(c_long::from(unsafe { libc::wait4(id, &mut status, options, &mut usage) }))?;
    let micros =
        |time: libc::timeval| (time.tv_sec as u64).saturating_mul(1_000_000).saturating_add(time.tv_usec as u64);
    Ok((ended != 0).then_some(Waited {
        id: ended as ProcessId,
        status,
        max_rss_kib: usage.ru_maxrss as u64,
        user_micros: micros(usage.ru_utime),
        system_micros: micros(usage.ru_stime),
    }))
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: RawFd) -> Result<(), Errno> {
    // SAFETY: callers are children that own all their descriptors and use none of those again.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) }).map(drop)
}

/// Puts copies of `wanted` at 0, 1, 2, ... and closes all other descriptors. Copies from 3 on do not survive `execve`.
pub(crate) fn arrange_descriptors<const N: usize>(wanted: [RawFd; N]) -> Result<(), Errno> {
    let mut high = wanted;
    for fd in &mut high {
        // SAFETY: duplicating a number has no precondition; a bad one is an error.
        *fd = check(c_long::from(unsafe { libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, N as c_int) }))? as RawFd;
    }
    for (from, to) in high.into_iter().zip(0..) {
        let flags = if to < 3 { 0 } else { libc::O_CLOEXEC };
        // SAFETY: what stood at `to` belongs to this child and is not used again.
        check(c_long::from(unsafe { libc::dup3(from, to, flags) }))?;
    }
    close_from(N as RawFd)
}

/// The descriptor with this number as an owned one.
pub(crate) fn adopt(number: RawFd) -> OwnedFd {
    // SAFETY: only called for descriptors that were made just before and that nobody else owns, each once.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// What a signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// What the system does by default.
    Default,
    /// Nothing.
    Ignore,
    /// Nothing, but a blocking call ends with `EINTR`.
    Interrupt,
}

extern "C" fn interrupt(_signal: c_int) {}

/// Says what `signal` does. Errors (signals that cannot be changed) do not matter to any caller.
pub(crate) fn set_signal(signal: c_int, disposition: Disposition) {
    // SAFETY: an all-zero `sigaction` is valid; the handler touches nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = match disposition {
            Disposition::Default => libc::SIG_DFL,
            Disposition::Ignore => libc::SIG_IGN,
            Disposition::Interrupt => interrupt as extern "C" fn(c_int) as libc::sighandler_t,
        };
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

/// Gives every signal its default meaning and unblocks all.
pub(crate) fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        set_signal(signal, Disposition::Default);
    }
    unblock_signals();
}

/// Lets all signals in.
pub(crate) fn unblock_signals() {
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
}

/// Sends `SIGALRM` again and again with this distance; zero: no more.
pub(crate) fn set_alarm(distance: Duration) {
    let time = libc::timeval { tv_sec: distance.as_secs() as _, tv_usec: distance.subsec_micros() as _ };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: the pointer is to a live variable.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
}

/// Brings the loopback interface of this network namespace up.
pub(crate) fn loopback_up() -> Result<(), Errno> {
    // SAFETY: a socket of one family and type; the result is checked.
    let socket = check(c_long::from(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }))?;
    let socket = adopt(socket as RawFd);
    // SAFETY: an all-zero `ifreq` is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = from as c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as _;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`.
    check(c_long::from(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) })).map(drop)
}

/// How many bytes wait in a pipe.
pub(crate) fn bytes_waiting(pipe: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut count: c_int = 0;
    // SAFETY: FIONREAD writes one `int`.
    check(c_long::from(unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD as _, &mut count) }))?;
    Ok(count as u64)
}

/// Makes a pipe hold as little as the kernel allows: one page, and with it one write at a time.
pub(crate) fn shrink_pipe(pipe: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: F_SETPIPE_SZ takes a number.
    check(c_long::from(unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 1) })).map(drop)
}

/// Where the kernel finds this process's arguments and environment: start and end address (proc_pid_stat(5), fields
/// 48 to 51).
pub(crate) fn argument_memory() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field may hold spaces and brackets; the last bracket ends it, and field 3 follows.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<usize>().ok();
    let (start, end) = (field(48)?.min(field(50)?), field(49)?.max(field(51)?));
    (start != 0 && start < end).then_some((start, end))
}

/// Overwrites this process's arguments and environment, which any process of its namespace could read in `/proc`.
///
/// Only for children that will neither look at their arguments nor their environment again.
pub(crate) fn wipe_arguments(memory: Option<(usize, usize)>, name: &CStr) {
    let Some((start, end)) = memory else { return };
    let name = name.to_bytes_with_nul();
    // SAFETY: the kernel reported this range as mapped and writable stack of this process, the memory is a private
    // copy, and nothing reads it any more.
    unsafe {
        let start = start as *mut u8;
        let length = end.saturating_sub(start as usize);
        std::ptr::write_bytes(start, 0, length);
        std::ptr::copy_nonoverlapping(name.as_ptr(), start, name.len().min(length));
    }
}

/// Kills every process of this pid namespace but the first one, which is the caller. None can escape by forking: the kernel
/// starts no child of a process that a signal is about to kill.
pub(crate) fn kill_all_others() {
    // SAFETY: takes numbers. A process that is not the first of a namespace of its own would kill strangers.
    if unsafe { libc::getpid() } == 1 {
        unsafe { libc::kill(-1, libc::SIGKILL) };
    }
}

/// Kills a child that has not been waited for yet.
pub(crate) fn kill(id: ProcessId) {
    if id > 0 {
        // SAFETY: takes numbers; the id cannot have been reused, because the caller has not waited for it.
        unsafe { libc::kill(id, libc::SIGKILL) };
    }
}
