//! The system call filter of a sandbox.
//!
//! It denies what a build never needs and what has led out of namespaces before: mounting, new namespaces, kernel
//! modules, BPF, io_uring (which other filters cannot see), keyrings, handles of files, socket families that are not
//! separated by the network namespace. Denied calls answer as an old kernel or a lack of privilege would, so that
//! programs fall back. The list is part of [`sinter_graph::SEMANTICS`].

use nix::libc;
use nix::libc::sock_filter;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: u32 = 0xC000_00F3;

/// The last call that was looked at: `file_setattr` of Linux 6.17. What is newer does not exist in a sandbox, on any
/// kernel, until someone has looked at it.
const LAST_KNOWN_CALL: u32 = 469;
/// `open_tree_attr` of Linux 6.15, which the C library's headers do not know yet.
const OPEN_TREE_ATTR: i64 = 467;

/// Answered with "operation not permitted".
const DENIED: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
];

/// Calls of one architecture only.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[i64] = &[libc::SYS_iopl, libc::SYS_ioperm];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[i64] = &[];

/// Socket families that the network namespace separates, or that need none.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Flags of `clone` that make namespaces.
const NEW_NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

// Offsets in `struct seccomp_data` (linux/seccomp.h); arguments are 64 bits wide, the low half first on every
// architecture named above.
const CALL: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
const SECOND_ARGUMENT: u32 = 24;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const fn answer(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn finish(verdict: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: verdict }
}

/// Goes on with the next instruction if the comparison holds, else skips `otherwise` instructions.
fn when(comparison: u32, value: u32, otherwise: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | comparison | libc::BPF_K) as u16, jt: 0, jf: otherwise, k: value }
}

/// A verdict for one call whatever its arguments are.
fn rule(call: i64, verdict: u32) -> [sock_filter; 2] {
    [when(libc::BPF_JEQ, call as u32, 1), finish(verdict)]
}

/// The filter as a classic BPF program.
pub(crate) fn program() -> Vec<sock_filter> {
    let mut program = vec![load(ARCH), when(libc::BPF_JEQ, ARCHITECTURE, 1), load(CALL)];
    // A wrong architecture (32-bit programs) has other call numbers, so no list applies.
    program[1].jt = 1;
    program[1].jf = 0;
    program.insert(2, finish(KILL));
    // Also all calls of the x32 interface, whose numbers have bit 30 set.
    program.extend([when(libc::BPF_JGT, LAST_KNOWN_CALL, 1), finish(answer(libc::ENOSYS))]);
    program.extend(DENIED.iter().chain(DENIED_HERE).flat_map(|&call| rule(call, answer(libc::EPERM))));
    // Its flags are in memory, where a filter cannot look; the C library falls back to `clone`.
    program.extend(rule(libc::SYS_clone3, answer(libc::ENOSYS)));
    program.extend([when(libc::BPF_JEQ, libc::SYS_clone as u32, 4), load(FIRST_ARGUMENT)]);
    program.extend([when(libc::BPF_JSET, NEW_NAMESPACES as u32, 1), finish(answer(libc::EPERM)), finish(ALLOW)]);
    program.extend(socket_rules());
    program.extend(terminal_rules());
    program.push(finish(ALLOW));
    program
}

fn socket_rules() -> Vec<sock_filter> {
    let allowed = FAMILIES.into_iter().flat_map(|family| [when(libc::BPF_JEQ, family as u32, 1), finish(ALLOW)]);
    let mut rules: Vec<sock_filter> = [load(FIRST_ARGUMENT)].into_iter().chain(allowed).collect();
    rules.push(finish(answer(libc::EAFNOSUPPORT)));
    rules.insert(0, when(libc::BPF_JEQ, libc::SYS_socket as u32, rules.len() as u8));
    rules
}

/// Nothing may type into a terminal that the caller gave as output.
fn terminal_rules() -> Vec<sock_filter> {
    let (inject, linux) = (libc::TIOCSTI as u32, libc::TIOCLINUX as u32);
    let mut rules = vec![when(libc::BPF_JEQ, libc::SYS_ioctl as u32, 5), load(SECOND_ARGUMENT)];
    rules.extend([inject, linux].into_iter().flat_map(|request| rule(i64::from(request), answer(libc::EPERM))));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program on a call as the kernel would.
    fn verdict(arch: u32, call: u32, arguments: [u32; 2]) -> u32 {
        let program = program();
        let (mut at, mut accumulator) = (0usize, 0u32);
        loop {
            let step = program[at];
            at += 1;
            match u32::from(step.code) & 0x07 {
                libc::BPF_LD => {
                    accumulator = match step.k {
                        CALL => call,
                        ARCH => arch,
                        FIRST_ARGUMENT => arguments[0],
                        SECOND_ARGUMENT => arguments[1],
                        other => panic!("loads {other}"),
                    };
                }
                libc::BPF_RET => return step.k,
                _ => {
                    let holds = match u32::from(step.code) & 0xf0 {
                        libc::BPF_JEQ => accumulator == step.k,
                        libc::BPF_JGT => accumulator > step.k,
                        libc::BPF_JSET => accumulator & step.k != 0,
                        other => panic!("jumps by {other}"),
                    };
                    at += usize::from(if holds { step.jt } else { step.jf });
                }
            }
        }
    }

    fn native(call: i64, arguments: [u32; 2]) -> u32 {
        verdict(ARCHITECTURE, call as u32, arguments)
    }

    #[test]
    fn ordinary_calls_are_allowed() {
        let calls = [libc::SYS_read, libc::SYS_execve, libc::SYS_ptrace, libc::SYS_chroot, libc::SYS_mknodat];
        for call in calls {
            assert_eq!(native(call, [0, 0]), ALLOW, "{call}");
        }
        assert_eq!(native(libc::SYS_clone, [libc::SIGCHLD as u32, 0]), ALLOW);
        assert_eq!(native(libc::SYS_ioctl, [1, libc::TIOCGWINSZ as u32]), ALLOW);
    }

    #[test]
    fn dangerous_calls_are_denied() {
        for &call in DENIED.iter().chain(DENIED_HERE) {
            assert_eq!(native(call, [0, 0]), answer(libc::EPERM), "{call}");
        }
        assert_eq!(native(libc::SYS_clone, [libc::CLONE_NEWUSER as u32, 0]), answer(libc::EPERM));
        assert_eq!(native(libc::SYS_clone3, [0, 0]), answer(libc::ENOSYS));
        assert_eq!(native(libc::SYS_ioctl, [0, libc::TIOCSTI as u32]), answer(libc::EPERM));
        assert_eq!(native(libc::SYS_ioctl, [0, libc::TIOCLINUX as u32]), answer(libc::EPERM));
    }

    #[test]
    fn only_separated_socket_families_exist() {
        for family in 0..64 {
            let expected = if FAMILIES.contains(&family) { ALLOW } else { answer(libc::EAFNOSUPPORT) };
            assert_eq!(native(libc::SYS_socket, [family as u32, 0]), expected, "{family}");
        }
    }

    #[test]
    fn other_call_tables_are_closed() {
        assert_eq!(verdict(0x4000_0003, 21, [0, 0]), KILL, "mount of i386");
        assert_eq!(verdict(ARCHITECTURE, 0x4000_0000 + 165, [0, 0]), answer(libc::ENOSYS), "mount of x32");
        assert_eq!(verdict(ARCHITECTURE, LAST_KNOWN_CALL + 1, [0, 0]), answer(libc::ENOSYS));
    }
}
