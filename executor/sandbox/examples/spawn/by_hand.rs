//! The floor: the same namespaces, the same stack and the same shell with nothing around them, made in one process without
//! starting any program but the shell. No hardening, no /dev, no capture, no report.

#![expect(unsafe_code, reason = "a process that does not start a program has to be forked")]

use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, chdir, chroot, execv, fork};

/// Where a run happens.
pub(crate) struct Place<'a> {
    /// Lower directories, top first.
    pub(crate) lowers: &'a [PathBuf],
    /// A directory of this run.
    pub(crate) own: &'a Path,
}

/// From the first fork to the end of the last process.
///
/// # Errors
/// If anything fails, said by a status.
pub(crate) fn run(place: &Place<'_>) -> Result<Duration, Box<dyn std::error::Error>> {
    let directory = |name: &str| place.own.join(name);
    for name in ["upper", "work", "root"] {
        std::fs::create_dir_all(directory(name))?;
    }
    let lowers: Vec<String> = place.lowers.iter().map(|path| path.display().to_string()).collect();
    let upper = directory("upper").display().to_string();
    let work = directory("work").display().to_string();
    let root = directory("root");
    let began = Instant::now();
    in_child(|| {
        let namespaces = CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS;
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        unshare(namespaces)?;
        for (file, text) in
            [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {user} 1")), ("gid_map", format!("0 {group} 1"))]
        {
            std::fs::write(format!("/proc/self/{file}"), text).map_err(|_| nix::Error::EPERM)?;
        }
        // The first process of the new tree of processes.
        in_child(|| {
            overlay(&lowers, &upper, &work, &root)?;
            chdir(&root)?;
            chroot(".")?;
            mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>)?;
            let words = ["/bin/sh", "-c", "true"].map(CString::new);
            let words = words.into_iter().collect::<Result<Vec<_>, _>>().map_err(|_| nix::Error::EINVAL)?;
            execv(&words[0], &words).map(drop)
        })
    })?;
    Ok(began.elapsed())
}

/// Through the mount API that takes one directory after the other: their names are longer than one option may be.
fn overlay(lowers: &[String], upper: &str, work: &str, root: &Path) -> nix::Result<()> {
    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags};
    let failed = |error: rustix::io::Errno| nix::Error::from_raw(error.raw_os_error());
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed)?;
    let set = |key: &str, value: &str| rustix::mount::fsconfig_set_string(context.as_fd(), key, value).map_err(failed);
    lowers.iter().try_for_each(|lower| set("lowerdir+", lower))?;
    set("upperdir", upper)?;
    set("workdir", work)?;
    for flag in ["userxattr", "volatile"] {
        rustix::mount::fsconfig_set_flag(context.as_fd(), flag).map_err(failed)?;
    }
    rustix::mount::fsconfig_create(context.as_fd()).map_err(failed)?;
    let mounted = rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty());
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(mounted.map_err(failed)?, "", rustix::fs::CWD, root, flags).map_err(failed)
}

/// Runs `work` in a child and waits for its end.
fn in_child(work: impl FnOnce() -> nix::Result<()>) -> nix::Result<()> {
    // SAFETY: this program has one thread, so the child may do whatever its parent may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            _ => Err(nix::Error::ECHILD),
        },
        ForkResult::Child => std::process::exit(work().map_or_else(|error| error as i32, |()| 0)),
    }
}
