//! The root file system of a sandbox: the overlay and what is mounted on it. Runs in the sandbox's first process.
//!
//! Rules: no allocation; paths are resolved in the machine's tree only before the new root is entered, and in the new
//! root only where no link of the tree can lead elsewhere.
//! Must not know: scripts, users, the caller.

use std::ffi::CStr;

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use crate::error::Stage;
use crate::plan::{FIRST_DESCRIPTOR, Plan};
use crate::raw;
use crate::report::Failure;
use crate::skeleton::MOUNT_POINTS;

/// Devices of the machine that a sandbox shows, and where.
const DEVICES: [(&CStr, bool); 6] = [
    (c"/dev/null", true),
    (c"/dev/zero", true),
    (c"/dev/full", true),
    (c"/dev/random", true),
    (c"/dev/urandom", true),
    // Some containers have none; without a controlling terminal it cannot be opened anyway.
    (c"/dev/tty", false),
];

const DEVICE_LINKS: [(&CStr, &CStr); 5] = [
    (c"/proc/self/fd", c"/dev/fd"),
    (c"/proc/self/fd/0", c"/dev/stdin"),
    (c"/proc/self/fd/1", c"/dev/stdout"),
    (c"/proc/self/fd/2", c"/dev/stderr"),
    (c"pts/ptmx", c"/dev/ptmx"),
];

/// Parts of `/proc` that act on or tell about the whole machine. The sandbox's root is user 0 of the machine when
/// sinter runs as root, so their permission bits alone would not protect them.
const READ_ONLY: [&CStr; 6] =
    [c"/proc/sys", c"/proc/sysrq-trigger", c"/proc/irq", c"/proc/bus", c"/proc/fs", c"/proc/driver"];
const HIDDEN_FILES: [&CStr; 12] = [
    c"/proc/kcore",
    c"/proc/keys",
    c"/proc/key-users",
    c"/proc/kmsg",
    c"/proc/kallsyms",
    c"/proc/kpagecount",
    c"/proc/kpageflags",
    c"/proc/kpagecgroup",
    c"/proc/timer_list",
    c"/proc/sched_debug",
    c"/proc/latency_stats",
    c"/proc/vmallocinfo",
];
const HIDDEN_DIRECTORIES: [&CStr; 4] = [c"/proc/acpi", c"/proc/scsi", c"/proc/asound", c"/proc/pressure"];

const QUIET: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);
const PRIVATE_DATA: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Replaces this mount namespace's tree by the sandbox's.
pub(crate) fn enter(plan: &Plan) -> Result<(), Failure> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(c"/", private).map_err(Failure::at(Stage::Private))?;
    mount_overlay(plan)?;
    let devices = take_devices()?;
    rustix::process::chdir(&*plan.work).map_err(Failure::at(Stage::Pivot))?;
    // The old root ends up below the new one at the same place; `detach` takes it away.
    rustix::process::pivot_root(c".", c".").map_err(Failure::at(Stage::Pivot))?;
    check_mount_points()?;
    // A fresh /proc is granted only while a complete one is mounted, so the old root has to be there still.
    mount(c"proc", c"/proc", c"proc", QUIET, None).map_err(Failure::at(Stage::Proc))?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH).map_err(Failure::at(Stage::Detach))?;
    rustix::process::chdir(c"/").map_err(Failure::at(Stage::Detach))?;
    make_devices(devices).map_err(Failure::at(Stage::Devices))?;
    mount_temporary().map_err(Failure::at(Stage::Temporary))?;
    mask_proc().map_err(Failure::at(Stage::Mask))
}

fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: MountFlags, data: Option<&CStr>) -> Result<(), Errno> {
    rustix::mount::mount(source, target, kind, flags, data)
}

fn mount_overlay(plan: &Plan) -> Result<(), Failure> {
    for ((index, path), number) in plan.directories.iter().enumerate().zip(FIRST_DESCRIPTOR..) {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fail = |errno| Failure { stage: Stage::Directory, errno, index: index as u64 };
        let directory = rustix::fs::open(&**path, flags, Mode::empty()).map_err(fail)?;
        if directory.as_raw_fd() != number {
            return Err(fail(Errno::BADF));
        }
        // Closed by number below, when the overlay has its own references.
        std::mem::forget(directory);
    }
    rustix::process::chdir(c"/proc/self/fd").map_err(Failure::at(Stage::Overlay))?;
    mount(c"overlay", &plan.work, c"overlay", PRIVATE_DATA, Some(&plan.overlay_options))
        .map_err(Failure::at(Stage::Overlay))?;
    raw::close_from(FIRST_DESCRIPTOR).map_err(Failure::at(Stage::Overlay))
}

/// Detached copies of the machine's devices, which outlive the way to them.
fn take_devices() -> Result<[Option<OwnedFd>; DEVICES.len()], Failure> {
    let mut taken = [const { None }; DEVICES.len()];
    for (slot, (path, required)) in taken.iter_mut().zip(DEVICES) {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        match rustix::mount::open_tree(CWD, path, flags) {
            Ok(tree) => *slot = Some(tree),
            Err(Errno::NOENT) if !required => {}
            Err(errno) => return Err(Failure::at(Stage::Devices)(errno)),
        }
    }
    Ok(taken)
}

/// Nothing of the tree may stand in the place of what a sandbox mounts. One component below the root and not followed,
/// so no link can lead elsewhere; nothing else runs in here yet, so what was checked stays.
fn check_mount_points() -> Result<(), Failure> {
    for (index, path) in MOUNT_POINTS.iter().enumerate() {
        let fail = |errno| Failure { stage: Stage::MountPoint, errno, index: index as u64 };
        let stat = rustix::fs::statat(CWD, *path, AtFlags::SYMLINK_NOFOLLOW).map_err(fail)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(fail(Errno::NOTDIR));
        }
    }
    Ok(())
}

fn make_devices(devices: [Option<OwnedFd>; DEVICES.len()]) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o755);
    mount(c"tmpfs", c"/dev", c"tmpfs", MountFlags::NOSUID, Some(c"mode=755"))?;
    for (tree, (path, _)) in devices.into_iter().zip(DEVICES) {
        if let Some(tree) = tree {
            place_device(&tree, path)?;
        }
    }
    for (target, path) in DEVICE_LINKS {
        rustix::fs::symlink(target, path)?;
    }
    rustix::fs::mkdir(c"/dev/pts", mode)?;
    let terminals = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    mount(c"devpts", c"/dev/pts", c"devpts", MountFlags::NOSUID | MountFlags::NOEXEC, Some(terminals))?;
    rustix::fs::mkdir(c"/dev/shm", mode)?;
    mount(c"tmpfs", c"/dev/shm", c"tmpfs", PRIVATE_DATA, Some(c"mode=1777"))
}

fn place_device(tree: &OwnedFd, path: &CStr) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?);
    rustix::mount::move_mount(tree, c"", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn mount_temporary() -> Result<(), Errno> {
    mount(c"tmpfs", c"/tmp", c"tmpfs", PRIVATE_DATA, Some(c"mode=1777"))?;
    mount(c"tmpfs", c"/sys", c"tmpfs", QUIET | MountFlags::RDONLY, Some(c"mode=555"))?;
    mount(c"tmpfs", c"/sinter", c"tmpfs", PRIVATE_DATA, Some(c"mode=755"))
}

fn mask_proc() -> Result<(), Errno> {
    for path in READ_ONLY {
        if_there(make_read_only(path))?;
    }
    for path in HIDDEN_FILES {
        if_there(rustix::mount::mount_bind(c"/dev/null", path))?;
    }
    for path in HIDDEN_DIRECTORIES {
        if_there(mount(c"tmpfs", path, c"tmpfs", QUIET | MountFlags::RDONLY, Some(c"mode=555")))?;
    }
    Ok(())
}

/// Kernels differ in what their /proc holds.
fn if_there(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn make_read_only(path: &CStr) -> Result<(), Errno> {
    rustix::mount::mount_bind_recursive(path, path)?;
    // The flags of /proc have to be repeated: a user namespace may add to them but not take away.
    rustix::mount::mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | QUIET, c"")
}

/// Gives the pipe to the step's user, who could not open it again by its name (`/dev/stdout`) otherwise.
pub(crate) fn give_pipe(output: BorrowedFd<'_>, uid: u32, gid: u32) {
    let is_pipe = rustix::fs::fstat(output).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
    if uid != 0 && is_pipe {
        let owner = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        let _ = rustix::fs::fchown(output, Some(owner.0), Some(owner.1));
    }
}
