//! The file systems of a sandbox. Runs in the first process: [`prepare`] makes all that no job changes, beside the machine's
//! tree, and [`enter`] puts it upon the job's tree and leaves the machine's.
//!
//! ```text
//! workshop (tmpfs)   root      <- the overlay of the job, then the new root
//!                    proc dev sys tmp sinter   -> moved to root/...
//!                    shown hidden              stay behind
//! ```
//!
//! Rules: no allocation; paths are resolved in the machine's tree only before the new root is entered, and in the new
//! root only where no link of the tree can lead elsewhere.
//! Must not know: scripts, users, the caller.

use std::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags};

use crate::devices;
use crate::orders::Strings;
use crate::overlay;
use crate::proc_files;
use crate::report::Failure;
use crate::stage::Stage;

/// Directories that a sandbox mounts its own file systems on. What is below them never reaches the upper directory;
/// the directories themselves are in it if the script changed their mode or owner, and are never to be captured.
pub const MOUNT_POINTS: &[&str] = &["/dev", "/proc", "/sinter", "/sys", "/tmp"];

/// Directories of the workshop and their modes.
const DIRECTORIES: [(&CStr, u32); 5] =
    [(c"root", 0o755), (c"dev", 0o755), (c"sys", 0o555), (c"tmp", 0o1777), (c"sinter", 0o755)];

/// Makes everything that does not depend on the job, and gives the workshop, which is the working directory then.
pub(crate) fn prepare(device_nodes: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Failure> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(c"/", private).map_err(Failure::at(Stage::Private))?;
    let workshop = open_workshop().map_err(Failure::at(Stage::Temporary))?;
    proc_files::mount().map_err(Failure::at(Stage::Proc))?;
    proc_files::cover().map_err(Failure::at(Stage::Mask))?;
    devices::build(device_nodes).map_err(Failure::at(Stage::Devices))?;
    rustix::mount::mount_bind(c"hidden/directory", c"sys").map_err(Failure::at(Stage::Temporary))?;
    for path in [c"tmp", c"sinter"] {
        rustix::mount::mount_bind(path, path).map_err(Failure::at(Stage::Temporary))?;
    }
    Ok(workshop)
}

/// It lies upon the machine's `/proc`, which every machine has and nobody asks any more.
fn open_workshop() -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), c"mode", c"755")?;
    rustix::mount::fsconfig_set_string(context.as_fd(), c"source", c"tmpfs")?;
    rustix::mount::fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let workshop = rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    rustix::mount::move_mount(&workshop, c"", CWD, c"/proc", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    rustix::process::fchdir(&workshop)?;
    for (path, mode) in DIRECTORIES {
        rustix::fs::mkdir(path, Mode::from_raw_mode(mode))?;
        rustix::fs::chmod(path, Mode::from_raw_mode(mode))?;
    }
    Ok(workshop)
}

/// Replaces this mount namespace's tree by the job's directories with the sandbox's own file systems on them.
pub(crate) fn enter(directories: Strings<'_>, workshop: OwnedFd) -> Result<(), Failure> {
    let root = overlay::mount(directories, workshop.as_fd())?;
    drop(workshop);
    for (index, path) in MOUNT_POINTS.iter().enumerate() {
        let fail = |errno| Failure { stage: Stage::MountPoint, errno, index: index as u64 };
        let name = path.trim_start_matches('/');
        check_mount_point(&root, name).map_err(fail)?;
        rustix::mount::move_mount(CWD, name, &root, name, MoveMountFlags::empty())
            .map_err(Failure::at(Stage::Temporary))?;
    }
    rustix::process::fchdir(&root).map_err(Failure::at(Stage::Pivot))?;
    // The machine's root ends up upon the new one at the same place, with the workshop somewhere in it.
    rustix::process::pivot_root(c".", c".").map_err(Failure::at(Stage::Pivot))?;
    leave_machine(&root).map_err(Failure::at(Stage::Detach))
}

/// Takes the machine's root away, and looks whether nothing lies upon the new root any more: `..` would lead there. Each
/// such call waits for all processors, so there is one.
fn leave_machine(root: &OwnedFd) -> Result<(), Errno> {
    rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
    let (own, above) = (rustix::fs::fstat(root)?, rustix::fs::stat(c"/..")?);
    if (own.st_dev, own.st_ino) != (above.st_dev, above.st_ino) {
        return Err(Errno::NOTEMPTY);
    }
    rustix::process::chdir(c"/")
}

/// Nothing of the tree may stand in the place of what a sandbox mounts. One component below the root and not followed,
/// so no link can lead elsewhere; nothing else runs in here yet, so what was checked stays.
fn check_mount_point(root: &OwnedFd, name: &str) -> Result<(), Errno> {
    let stat = rustix::fs::statat(root, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory { Ok(()) } else { Err(Errno::NOTDIR) }
}

/// Gives the pipe to the step's user, who could not open it again by its name (`/dev/stdout`) otherwise.
pub(crate) fn give_pipe(output: BorrowedFd<'_>, uid: u32, gid: u32) {
    let is_pipe = rustix::fs::fstat(output).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
    if uid != 0 && is_pipe {
        let owner = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        let _ = rustix::fs::fchown(output, Some(owner.0), Some(owner.1));
    }
}
