//! Finds out what keeps a machine from making a sandbox. Asked only after the kernel has refused.

use std::fmt;
use std::fs;

use rustix::io::Errno;

/// What keeps the kernel from giving us namespaces or an overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocker {
    /// `user.max_user_namespaces` is zero or used up.
    NamespaceLimit,
    /// `kernel.unprivileged_userns_clone` is 0 (Debian before 11 and kernels with that patch).
    UnprivilegedClone,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu 23.10 and later).
    AppArmor,
    /// A system call filter around this process, as container engines install it.
    OuterFilter,
    /// The kernel was built without it or is too old.
    Kernel,
    /// The file system of the upper directory.
    UpperFileSystem,
    /// Nothing that is known.
    Unknown,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NamespaceLimit => {
                "user.max_user_namespaces is 0 or used up; as root, run `sysctl -w user.max_user_namespaces=10000`"
            }
            Self::UnprivilegedClone => {
                "this kernel lets only root make user namespaces; run sinter as root, or as root run \
                 `sysctl -w kernel.unprivileged_userns_clone=1`"
            }
            Self::AppArmor => {
                "AppArmor restricts user namespaces; allow them for sinter alone with a profile that holds `userns,` \
                 in /etc/apparmor.d, or run sinter as root; the last resort is \
                 `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
            }
            Self::OuterFilter => {
                "a system call filter around this process forbids it, as container engines do; start the container with \
                 `--security-opt seccomp=unconfined --cap-add SYS_ADMIN`, or with a user namespace of its own \
                 (`hostUsers: false`)"
            }
            Self::Kernel => {
                "this kernel does not offer it; sinter needs Linux 5.11 or newer with user namespaces and overlayfs \
                 (for a module, as root: `modprobe overlay`)"
            }
            Self::UpperFileSystem => {
                "the file system of the store cannot hold an upper directory; put the store on ext4, xfs, btrfs or tmpfs \
                 with extended attributes (SINTER_STORE or --store)"
            }
            Self::Unknown => "no known restriction was found; `sinter` needs user, mount, pid, network, ipc and uts namespaces",
        })
    }
}

/// What the machine says about itself; absent where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Facts {
    max_user_namespaces: Option<u64>,
    unprivileged_clone: Option<u64>,
    apparmor_restricts: Option<u64>,
    seccomp_mode: Option<u64>,
    overlay_known: Option<bool>,
}

impl Facts {
    fn read() -> Self {
        Self {
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            seccomp_mode: fs::read_to_string("/proc/self/status").ok().and_then(|status| seccomp_mode(&status)),
            overlay_known: fs::read_to_string("/proc/filesystems").ok().map(|list| list.contains("\toverlay")),
        }
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn seccomp_mode(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("Seccomp:"))?.trim().parse().ok()
}

/// What kept the kernel from making namespaces.
pub(crate) fn of_namespaces(errno: Errno) -> Blocker {
    namespaces(&Facts::read(), errno)
}

fn namespaces(facts: &Facts, errno: Errno) -> Blocker {
    match errno {
        Errno::NOSPC | Errno::USERS => Blocker::NamespaceLimit,
        Errno::INVAL | Errno::NOSYS => Blocker::Kernel,
        _ if facts.max_user_namespaces == Some(0) => Blocker::NamespaceLimit,
        _ if facts.unprivileged_clone == Some(0) => Blocker::UnprivilegedClone,
        _ if facts.apparmor_restricts == Some(1) => Blocker::AppArmor,
        _ if facts.seccomp_mode == Some(2) => Blocker::OuterFilter,
        _ => Blocker::Unknown,
    }
}

/// What kept the kernel from mounting, once the namespaces were there.
pub(crate) fn of_mounting(errno: Errno) -> Blocker {
    mounting(&Facts::read(), errno)
}

fn mounting(facts: &Facts, errno: Errno) -> Blocker {
    match errno {
        Errno::NODEV | Errno::NOSYS => Blocker::Kernel,
        Errno::PERM | Errno::ACCESS if facts.apparmor_restricts == Some(1) => Blocker::AppArmor,
        Errno::PERM | Errno::ACCESS if facts.seccomp_mode == Some(2) => Blocker::OuterFilter,
        Errno::PERM | Errno::ACCESS if facts.overlay_known == Some(false) => Blocker::Kernel,
        Errno::INVAL | Errno::OPNOTSUPP => Blocker::UpperFileSystem,
        _ => Blocker::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_refusals_name_their_cause() {
        let open = Facts { max_user_namespaces: Some(9000), ..Facts::default() };
        for (facts, errno, expected) in [
            (open, Errno::NOSPC, Blocker::NamespaceLimit),
            (Facts { max_user_namespaces: Some(0), ..open }, Errno::PERM, Blocker::NamespaceLimit),
            (Facts { unprivileged_clone: Some(0), ..open }, Errno::PERM, Blocker::UnprivilegedClone),
            (Facts { unprivileged_clone: Some(1), ..open }, Errno::PERM, Blocker::Unknown),
            (Facts { apparmor_restricts: Some(1), ..open }, Errno::PERM, Blocker::AppArmor),
            (Facts { seccomp_mode: Some(2), ..open }, Errno::PERM, Blocker::OuterFilter),
            (open, Errno::INVAL, Blocker::Kernel),
        ] {
            assert_eq!(namespaces(&facts, errno), expected, "{facts:?} {errno:?}");
        }
    }

    #[test]
    fn mount_refusals_name_their_cause() {
        let open = Facts { overlay_known: Some(true), ..Facts::default() };
        for (facts, errno, expected) in [
            (open, Errno::NODEV, Blocker::Kernel),
            (open, Errno::INVAL, Blocker::UpperFileSystem),
            (Facts { apparmor_restricts: Some(1), ..open }, Errno::ACCESS, Blocker::AppArmor),
            (Facts { overlay_known: Some(false), ..open }, Errno::PERM, Blocker::Kernel),
            (open, Errno::PERM, Blocker::Unknown),
        ] {
            assert_eq!(mounting(&facts, errno), expected, "{facts:?} {errno:?}");
        }
    }

    #[test]
    fn seccomp_mode_is_found_in_status() {
        assert_eq!(seccomp_mode("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"), Some(2));
        assert_eq!(seccomp_mode("Name:\tx\n"), None);
    }
}
