//! Stacks the directories of a job. Runs in the first process; no allocation.
//!
//! Directories are called by the numbers of their descriptors, relative to `/proc/self/fd`: no limit on the length of a path
//! matters, no character needs escaping, and the machine's paths do not show in the sandbox's `/proc/self/mountinfo`.
//! Kernels from 6.8 on take one directory after the other, each through a descriptor that is closed again, so a stack needs
//! no more of them than its caller may have. Older ones take all in one text, and all descriptors at once.
//! Must not know: what else a sandbox mounts.

use std::ffi::CStr;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags};

use crate::orders::Strings;
use crate::report::Failure;
use crate::stage::Stage;

/// The most directories that one overlay takes (`OVL_MAX_STACK` of the kernel).
pub const MAX_LOWERS: usize = 500;

/// Settings whose defaults differ between kernels and would show in what a script sees of hard links.
const OPTIONS: &str = "index=off,userxattr,volatile";

/// Mounts `directories` (lowers, topmost first, then upper, then work) at `root` in the directory `place`, which is also the
/// working directory, and holds a `/proc` of this process at `proc`. Gives the root of the overlay.
pub(crate) fn mount(directories: Strings<'_>, place: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let fail = Failure::at(Stage::Overlay);
    rustix::process::chdir(c"proc/self/fd").map_err(fail)?;
    let mounted = mount_in_place(directories, place);
    rustix::process::fchdir(place).map_err(fail)?;
    mounted
}

/// From `proc/self/fd`.
fn mount_in_place(directories: Strings<'_>, place: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    match one_by_one(directories, place) {
        // Nothing is wrong with the directories if they can be mounted in the way that older kernels know.
        Err(Failure { stage: Stage::Overlay, errno: Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP, .. }) => {
            all_at_once(directories, place)
        }
        mounted => mounted,
    }
}

fn open(index: usize, path: &CStr) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fail = |errno| Failure { stage: Stage::Directory, errno, index: index as u64 };
    rustix::fs::open(path, flags, Mode::empty()).map_err(fail)
}

fn one_by_one(directories: Strings<'_>, place: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let fail = Failure::at(Stage::Overlay);
    let context = rustix::mount::fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(fail)?;
    let context = context.as_fd();
    let set = |key: &CStr, value: &CStr| rustix::mount::fsconfig_set_string(context, key, value).map_err(fail);
    set(c"source", c"overlay")?;
    set(c"index", c"off")?;
    for flag in [c"userxattr", c"volatile"] {
        rustix::mount::fsconfig_set_flag(context, flag).map_err(fail)?;
    }
    let lowers = directories.count().saturating_sub(2);
    for (index, path) in directories.enumerate() {
        let key = match index.checked_sub(lowers) {
            None => c"lowerdir+",
            Some(0) => c"upperdir",
            Some(_) => c"workdir",
        };
        let directory = open(index, path)?;
        let mut name = Text::<12>::new();
        name.push_number(directory.as_raw_fd());
        set(key, name.terminated().map_err(fail)?)?;
    }
    rustix::mount::fsconfig_create(context).map_err(fail)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let root = rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(fail)?;
    rustix::mount::move_mount(&root, c"", place, c"root", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(fail)?;
    Ok(root)
}

fn all_at_once(directories: Strings<'_>, place: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let fail = Failure::at(Stage::Overlay);
    let lowers = directories.count().saturating_sub(2);
    let mut opened = [const { None::<OwnedFd> }; MAX_LOWERS + 2];
    let mut options = Text::<4096>::new();
    for ((index, path), slot) in directories.enumerate().zip(&mut opened) {
        options.push(match index.checked_sub(lowers) {
            None if index == 0 => "lowerdir=",
            None => ":",
            Some(0) => ",upperdir=",
            Some(_) => ",workdir=",
        });
        let directory = open(index, path)?;
        options.push_number(directory.as_raw_fd());
        *slot = Some(directory);
    }
    options.push(",");
    options.push(OPTIONS);
    let options = options.terminated().map_err(fail)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    // From `proc/self/fd`, which is a directory of a process, back to the place.
    rustix::mount::mount(c"overlay", c"../../../root", c"overlay", flags, options).map_err(fail)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(place, c"root", flags, Mode::empty()).map_err(fail)
}

/// A text on the stack that is too long or terminated.
struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    fn push(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.push_byte(byte));
    }

    fn push_byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
        }
        self.length += 1;
    }

    /// A number that is not negative.
    fn push_number(&mut self, number: i32) {
        if number > 9 {
            self.push_number(number / 10);
        }
        self.push_byte(b'0' + (number % 10).unsigned_abs() as u8);
    }

    fn terminated(&mut self) -> Result<&CStr, Errno> {
        self.push_byte(0);
        let text = self.bytes.get(..self.length).ok_or(Errno::NAMETOOLONG)?;
        CStr::from_bytes_with_nul(text).map_err(|_| Errno::INVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In namespaces of its own: whether a file of the lowest directory is seen through the stack.
    fn stacks(mount: fn(Strings<'_>, BorrowedFd<'_>) -> Result<OwnedFd, Failure>, directories: Strings<'_>) -> bool {
        let (user, mounts) = (nix::libc::CLONE_NEWUSER, nix::libc::CLONE_NEWNS);
        let (go, gone) = rustix::pipe::pipe().expect("a pipe");
        let child = crate::raw::clone_child(user | mounts).expect("a child");
        if let Some(child) = child {
            let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            for (file, text) in
                [("setgroups", "deny"), ("uid_map", &format!("0 {uid} 1")), ("gid_map", &format!("0 {gid} 1"))]
            {
                std::fs::write(format!("/proc/{child}/{file}"), text).expect("a map");
            }
            rustix::io::write(&gone, b"g").expect("a word");
            return crate::raw::wait(child, true).expect("an end").is_some_and(|ended| ended.status == 0);
        }
        let _guard = crate::raw::ExitOnUnwind;
        let stack = || {
            rustix::io::read(&go, &mut [0]).ok()?;
            rustix::mount::mount(c"tmpfs", c"/mnt", c"tmpfs", MountFlags::empty(), None).ok()?;
            rustix::process::chdir(c"/mnt").ok()?;
            for path in [c"root", c"proc"] {
                rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)).ok()?;
            }
            rustix::mount::mount_bind_recursive(c"/proc", c"proc").ok()?;
            let place = rustix::fs::open(c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
            rustix::process::chdir(c"proc/self/fd").ok()?;
            let root = mount(directories, place.as_fd()).ok()?;
            rustix::fs::statat(&root, c"bottom", rustix::fs::AtFlags::empty()).ok()
        };
        crate::raw::exit_now(i32::from(stack().is_none()))
    }

    #[test]
    fn directories_are_stacked_in_both_ways() {
        for mount in [all_at_once, mount_in_place] {
            let place = tempfile::tempdir().expect("a directory");
            let names = (0..60).map(|number| number.to_string()).chain(["upper", "work"].map(str::to_owned));
            let directories: Vec<_> = names.map(|name| place.path().join(name)).collect();
            directories.iter().for_each(|path| std::fs::create_dir(path).expect("a directory"));
            std::fs::write(place.path().join("59/bottom"), "").expect("a file");
            let terminated = |path: &std::path::PathBuf| std::ffi::CString::new(path.to_str()?).ok();
            let list: crate::orders::StringList = directories.iter().filter_map(terminated).collect();
            assert!(stacks(mount, list.strings()));
        }
    }

    #[test]
    fn texts_hold_numbers_or_are_refused() {
        let mut text = Text::<13>::new();
        for number in [0, 7, 10, 1_234] {
            text.push_number(number);
            text.push(":");
        }
        assert_eq!(text.terminated(), Ok(c"0:7:10:1234:"));
        let mut text = Text::<4>::new();
        text.push_number(123);
        assert_eq!(text.terminated(), Ok(c"123"));
        let mut text = Text::<4>::new();
        text.push_number(1_234);
        assert_eq!(text.terminated(), Err(Errno::NAMETOOLONG));
    }
}
