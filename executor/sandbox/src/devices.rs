//! `/dev` of a sandbox.
//!
//! A step of root is user 0 of the machine when sinter runs as root, and could change mode, owner and locks of any node it is
//! given, for everybody. So the nodes are its own: a caller who may make device nodes makes them, in a file system that is
//! made before the first process and handed to it. Other callers own no node of the machine, so theirs are lent to the
//! sandbox, as mounts that let nobody change what they show.
//! Rules: in the first process nothing allocates.

use std::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

/// Name below `/dev`, major and minor number (Documentation/admin-guide/devices.txt), and whether a sandbox needs it.
const DEVICES: [(&CStr, u32, u32, bool); 6] = [
    (c"null", 1, 3, true),
    (c"zero", 1, 5, true),
    (c"full", 1, 7, true),
    (c"random", 1, 8, true),
    (c"urandom", 1, 9, true),
    // Some containers have none; without a controlling terminal it cannot be opened anyway.
    (c"tty", 5, 0, false),
];

const LINKS: [(&CStr, &CStr); 5] = [
    (c"/proc/self/fd", c"fd"),
    (c"/proc/self/fd/0", c"stdin"),
    (c"/proc/self/fd/1", c"stdout"),
    (c"/proc/self/fd/2", c"stderr"),
    (c"pts/ptmx", c"ptmx"),
];

/// A file system with the nodes, mounted nowhere yet. `None` if this process may not make such nodes.
pub(crate) fn own_nodes() -> Option<OwnedFd> {
    make_nodes().ok()
}

fn make_nodes() -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), c"source", c"dev")?;
    rustix::mount::fsconfig_set_string(context.as_fd(), c"mode", c"755")?;
    rustix::mount::fsconfig_create(context.as_fd())?;
    let nosuid = MountAttrFlags::MOUNT_ATTR_NOSUID;
    let tree = rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, nosuid)?;
    let mode = Mode::from_raw_mode(0o666);
    for (name, major, minor, _) in DEVICES {
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(&tree, name, FileType::CharacterDevice, mode, device)?;
        // The caller's umask has taken something away.
        rustix::fs::chmodat(&tree, name, mode, AtFlags::empty())?;
    }
    Ok(tree)
}

/// Which nodes this machine lacks, if any that a sandbox needs.
pub(crate) fn missing() -> Option<String> {
    let needed =
        DEVICES.into_iter().filter(|&(.., needed)| needed).map(|(name, ..)| name.to_string_lossy().into_owned());
    let missing: Vec<String> = needed.filter(|name| !std::path::Path::new("/dev").join(name).exists()).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// Mounts everything of `/dev` at `dev` in the working directory, an empty directory.
pub(crate) fn build(own: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    match own {
        Some(tree) => rustix::mount::move_mount(tree, c"", CWD, c"dev", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?,
        None => rustix::mount::mount_bind(c"dev", c"dev")?,
    }
    let dev = rustix::fs::open(c"dev", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    if own.is_none() {
        DEVICES.into_iter().try_for_each(|(name, _, _, needed)| lend(&dev, name, needed))?;
    }
    for (target, name) in LINKS {
        rustix::fs::symlinkat(target, &dev, name)?;
    }
    rustix::fs::mkdirat(&dev, c"shm", Mode::from_raw_mode(0o755))?;
    rustix::fs::chmodat(&dev, c"shm", Mode::from_raw_mode(0o1777), AtFlags::empty())?;
    rustix::fs::mkdirat(&dev, c"pts", Mode::from_raw_mode(0o755))?;
    let terminals = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    rustix::mount::mount(c"devpts", c"dev/pts", c"devpts", MountFlags::NOSUID | MountFlags::NOEXEC, terminals)
}

/// Shows a node of the machine. Writing into a device is no change of its node.
fn lend(dev: &OwnedFd, name: &CStr, needed: bool) -> Result<(), Errno> {
    let machine = rustix::fs::open(c"/dev", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = match rustix::mount::open_tree(&machine, name, flags) {
        Err(Errno::NOENT) if !needed => return Ok(()),
        tree => tree?,
    };
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(rustix::fs::openat(dev, name, flags, Mode::from_raw_mode(0o666))?);
    rustix::mount::move_mount(&tree, c"", dev, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    make_unchangeable(dev, name)
}

fn make_unchangeable(dev: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    rustix::process::fchdir(dev)?;
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
    let made = rustix::mount::mount_remount(name, flags, c"");
    rustix::process::chdir(c"..")?;
    // Never shown without it.
    made.or_else(|errno| rustix::mount::unmount(name, UnmountFlags::DETACH).and(Err(errno)))
}
