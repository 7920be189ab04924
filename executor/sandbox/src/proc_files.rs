//! `/proc` of a sandbox: the processes are its own, the rest is the machine's.
//!
//! A step of root is user 0 of the machine when sinter runs as root, and the kernel keeps mode and owner of an entry like
//! `/proc/meminfo` once for all `/proc` there are. So each entry that is no process is covered: by itself, read-only, if
//! builds need it, else by something empty. An entry that a newer kernel adds is hidden until somebody has looked at it.
//! Rules: no allocation; called in a directory that nobody else sees.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use rustix::fs::{FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use rustix::mount::MountFlags;

/// What builds ask about the machine. Tables of processes, of namespaces and of what the kernel can do; nothing that acts.
const SHOWN: [&CStr; 28] = [
    c"buddyinfo",
    c"cgroups",
    c"cmdline",
    c"config.gz",
    c"consoles",
    c"cpuinfo",
    c"crypto",
    c"devices",
    c"diskstats",
    c"execdomains",
    c"filesystems",
    c"interrupts",
    c"loadavg",
    c"locks",
    c"mdstat",
    c"meminfo",
    c"misc",
    c"modules",
    c"partitions",
    c"softirqs",
    c"stat",
    c"swaps",
    c"sys",
    c"sysvipc",
    c"uptime",
    c"version",
    c"vmstat",
    c"zoneinfo",
];

const QUIET: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// Mounts a fresh `/proc` at `proc` in the working directory. Granted only while a complete one of the machine is mounted.
pub(crate) fn mount() -> Result<(), Errno> {
    rustix::fs::mkdir(c"proc", Mode::from_raw_mode(0o755))?;
    rustix::mount::mount(c"proc", c"proc", c"proc", QUIET, None)
}

/// Covers what [`mount`] has mounted. Leaves read-only directories `shown` and `hidden` beside it.
pub(crate) fn cover() -> Result<(), Errno> {
    rustix::fs::mkdir(c"shown", Mode::from_raw_mode(0o755))?;
    make_read_only(c"proc", c"shown")?;
    make_hidden()?;
    let proc = rustix::fs::open(c"proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(&proc, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !is_process(entry.file_name()) {
            cover_entry(entry.file_name(), entry.file_type())?;
        }
    }
    Ok(())
}

/// `hidden` holds an empty file and an empty directory, which belong to the sandbox and cannot be changed.
fn make_hidden() -> Result<(), Errno> {
    rustix::fs::mkdir(c"hidden", Mode::from_raw_mode(0o755))?;
    rustix::fs::mkdir(c"hidden/directory", Mode::from_raw_mode(0o555))?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(rustix::fs::open(c"hidden/file", flags, Mode::from_raw_mode(0o444))?);
    make_read_only(c"hidden", c"hidden")
}

/// What is bound out of a read-only mount is read-only too.
fn make_read_only(from: &CStr, to: &CStr) -> Result<(), Errno> {
    rustix::mount::mount_bind(from, to)?;
    rustix::mount::mount_remount(to, MountFlags::BIND | MountFlags::RDONLY | QUIET, c"")
}

/// Processes, and `.` and `..`.
fn is_process(name: &CStr) -> bool {
    name.to_bytes().first().is_some_and(|first| first.is_ascii_digit() || *first == b'.')
}

fn cover_entry(name: &CStr, kind: FileType) -> Result<(), Errno> {
    let mut target = [0; 300];
    let target = join(c"proc/", name, &mut target)?;
    let mut source = [0; 300];
    let covered = match kind {
        // Links belong to this mount alone: `self`, `thread-self`, and `mounts` and `net`, which lead below `self`.
        FileType::Symlink => return Ok(()),
        _ if SHOWN.contains(&name) => rustix::mount::mount_bind(join(c"shown/", name, &mut source)?, target),
        FileType::Directory => rustix::mount::mount_bind(c"hidden/directory", target),
        _ => rustix::mount::mount_bind(c"hidden/file", target),
    };
    match covered {
        // Modules come and go.
        Err(Errno::NOENT) => Ok(()),
        covered => covered,
    }
}

fn join<'a>(directory: &CStr, name: &CStr, buffer: &'a mut [u8]) -> Result<&'a CStr, Errno> {
    let (head, tail) = (directory.to_bytes(), name.to_bytes_with_nul());
    let length = head.len() + tail.len();
    let place = buffer.get_mut(..length).ok_or(Errno::NAMETOOLONG)?;
    for (to, from) in place.iter_mut().zip(head.iter().chain(tail)) {
        *to = *from;
    }
    CStr::from_bytes_with_nul(place).map_err(|_| Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_entries_are_sorted_and_no_processes() {
        assert!(SHOWN.is_sorted());
        assert!(!SHOWN.into_iter().any(is_process));
        assert!(is_process(c"1") && is_process(c"..") && !is_process(c"self"));
    }

    #[test]
    fn paths_are_joined_or_refused() {
        let mut buffer = [0; 10];
        assert_eq!(join(c"proc/", c"stat", &mut buffer), Ok(c"proc/stat"));
        assert_eq!(join(c"proc/", c"vmstat", &mut buffer), Err(Errno::NAMETOOLONG));
    }
}
