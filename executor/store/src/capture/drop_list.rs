//! The documented list of files that are never captured.
//!
//! Only files, never directories, and nothing a later step or a container reads:
//!
//! * logs whose lines start with the time: apt's `history.log`, `term.log`, `eipp.log.xz`, dpkg's, alternatives';
//! * ldconfig's `aux-cache`, which holds inode numbers and times of libraries;
//! * copies of the state before the last change: dpkg's and debconf's `-old`, `/etc/passwd-` and its like. They differ
//!   by more than time (they hold the previous version, so they depend on how many commands led to one result), nothing
//!   reads them, and in a merge they would conflict where the files themselves merge;
//! * `.ninja_log` and `.ninja_deps` anywhere: they hold absolute times and make ninja take an edited source for built.

use sinter_graph::path::TreePath;

const FILES: [&[u8]; 12] = [
    b"etc/group-",
    b"etc/gshadow-",
    b"etc/passwd-",
    b"etc/shadow-",
    b"etc/subgid-",
    b"etc/subuid-",
    b"var/cache/ldconfig/aux-cache",
    b"var/log/alternatives.log",
    b"var/log/apt/eipp.log.xz",
    b"var/log/apt/history.log",
    b"var/log/apt/term.log",
    b"var/log/dpkg.log",
];

const OLD_COPIES_IN: [&[u8]; 2] = [b"var/lib/dpkg", b"var/cache/debconf"];

const NAMES: [&[u8]; 2] = [b".ninja_deps", b".ninja_log"];

/// Whether a file at this path is never captured.
pub(super) fn is_listed(path: &TreePath) -> bool {
    let bytes = path.as_bytes();
    FILES.contains(&bytes) || path.name().is_some_and(|name| NAMES.contains(&name)) || is_old_copy(bytes)
}

fn is_old_copy(path: &[u8]) -> bool {
    path.ends_with(b"-old")
        && OLD_COPIES_IN.iter().any(|directory| {
            path.strip_prefix(*directory).is_some_and(|rest| rest.starts_with(b"/") && !rest[1..].contains(&b'/'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_documented_files_are_listed() {
        let cases = [
            ("var/log/dpkg.log", true),
            ("var/log/apt/term.log", true),
            ("var/lib/dpkg/status-old", true),
            ("var/cache/debconf/config.dat-old", true),
            ("etc/passwd-", true),
            ("app/build/.ninja_log", true),
            (".ninja_deps", true),
            ("var/lib/dpkg/status", false),
            ("var/lib/dpkg/info/x-old", false),
            ("var/lib/dpkg-old", false),
            ("etc/passwd", false),
            ("etc/hosts-", false),
            ("srv/var/log/dpkg.log", false),
            ("app/.ninja_log/file", false),
        ];
        for (path, expected) in cases {
            assert_eq!(is_listed(&TreePath::new(path).expect("a path")), expected, "{path}");
        }
    }
}
