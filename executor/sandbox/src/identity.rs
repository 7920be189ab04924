//! Becoming root of a user namespace that owns 65,536 ids, for callers who are not root of the machine.
//! The ids that a user may map stand in files: `subordinate`.

use std::io::{ErrorKind, Read, Write};
use std::process::Command;

use nix::libc;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use crate::blocker;
use crate::error::SandboxError;
use crate::plan::ID_COUNT;
use crate::raw::{self, Disposition};
use crate::stage::Stage;
use crate::subordinate::{self, Owner};

/// A kind of id: who maps it and where the ranges stand.
#[derive(Clone, Copy)]
struct Kind {
    program: &'static str,
    file: &'static str,
}

impl Kind {
    /// No file means no ranges.
    fn text(self) -> String {
        std::fs::read_to_string(self.file).unwrap_or_default()
    }
}

const USERS: Kind = Kind { program: "newuidmap", file: "/etc/subuid" };
const GROUPS: Kind = Kind { program: "newgidmap", file: "/etc/subgid" };

/// Makes this process root of a new user namespace in which the own user is 0 and the user's subordinate ids
/// (`/etc/subuid`, `/etc/subgid`) are 1 to 65535. Does nothing if the process is root already.
///
/// The process must have a single thread: call it first thing in a process of its own.
///
/// # Errors
/// [`SandboxError::NoIdRange`], [`SandboxError::NoIdMapper`], [`SandboxError::IdMapperFailed`],
/// [`SandboxError::Namespaces`], [`SandboxError::Threads`].
pub fn enter_user_namespace() -> Result<(), SandboxError> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    if uid.is_root() {
        return Ok(());
    }
    let owner = Owner::of(uid.as_raw());
    let users = triples(USERS, &owner, uid.as_raw())?;
    let groups = triples(GROUPS, &owner, gid.as_raw())?;
    map_from_outside(&[(USERS, users), (GROUPS, groups)])
}

/// The arguments of `newuidmap` after the process id: inside, outside, count.
fn triples(kind: Kind, owner: &Owner, own: u32) -> Result<Vec<String>, SandboxError> {
    let ranges = subordinate::ranges(&kind.text(), owner);
    let found: u64 = ranges.iter().map(|&(_, count)| u64::from(count)).sum();
    let needed = u64::from(ID_COUNT - 1);
    if found < needed {
        let advice = subordinate::advice(owner, &USERS.text(), &GROUPS.text(), ID_COUNT);
        return Err(SandboxError::NoIdRange { user: owner.display(), file: kind.file, found, needed, advice });
    }
    Ok(arguments(own, &ranges))
}

fn arguments(own: u32, ranges: &[(u32, u32)]) -> Vec<String> {
    let mut arguments = vec!["0".to_owned(), own.to_string(), "1".to_owned()];
    let mut inside = 1;
    for &(first, count) in ranges {
        let count = count.min(ID_COUNT - inside);
        if count > 0 {
            arguments.extend([inside.to_string(), first.to_string(), count.to_string()]);
            inside += count;
        }
    }
    arguments
}

/// A process in the new namespace has no right to map foreign ids; a helper that stays outside asks the privileged
/// programs to do it.
fn map_from_outside(maps: &[(Kind, Vec<String>)]) -> Result<(), SandboxError> {
    let prepare = |errno: Errno| SandboxError::Setup { stage: Stage::Prepare, source: errno.into() };
    let (go, gone) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(prepare)?;
    let (answer, answered) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(prepare)?;
    let process = std::process::id();
    let Some(helper) = raw::fork_child().map_err(prepare)? else {
        drop((gone, answer));
        let _guard = raw::ExitOnUnwind;
        help(process, maps, go, answered)
    };
    drop((go, answered));
    let unshared = unshare_user();
    if unshared.is_ok() {
        // A helper that is dead already gives no answer, which is seen below.
        let _ = std::fs::File::from(gone).write_all(b"g");
    } else {
        drop(gone);
    }
    let mut said = Vec::new();
    let _ = std::fs::File::from(answer).read_to_end(&mut said);
    let _ = raw::wait(helper, true);
    unshared?;
    understand(&said)
}

fn unshare_user() -> Result<(), SandboxError> {
    nix::sched::unshare(nix::sched::CloneFlags::from_bits_truncate(libc::CLONE_NEWUSER)).map_err(|errno| {
        let errno = Errno::from_raw_os_error(errno as i32);
        // The kernel's answer to a process with several threads (unshare(2)).
        if errno == Errno::INVAL && has_threads() {
            return SandboxError::Threads;
        }
        SandboxError::Namespaces { blocker: blocker::of_namespaces(errno), source: errno.into() }
    })
}

fn has_threads() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1)
}

const NOT_FOUND: u8 = b'n';
const FAILED: u8 = b'f';
const DONE: u8 = b'd';

/// The helper: waits, maps, answers with one byte for the outcome, one for the program, and a reason.
fn help(process: u32, maps: &[(Kind, Vec<String>)], go: OwnedFd, answered: OwnedFd) -> ! {
    // Whoever started us may ignore the end of children; then nobody could wait for the programs.
    raw::set_signal(libc::SIGCHLD, Disposition::Default);
    let mut byte = [0];
    if std::fs::File::from(go).read_exact(&mut byte).is_err() {
        raw::exit_now(0);
    }
    let said = maps.iter().zip(0u8..).find_map(|((kind, arguments), index)| {
        let (outcome, reason) = map(kind.program, process, arguments)?;
        Some([&[outcome, index], reason.as_bytes()].concat())
    });
    let _ = std::fs::File::from(answered).write_all(&said.unwrap_or_else(|| vec![DONE]));
    raw::exit_now(0)
}

/// Runs one of the programs; `None` if it did its work. They find the user's ranges by the name in `/etc/passwd`.
fn map(program: &str, process: u32, arguments: &[String]) -> Option<(u8, String)> {
    let output = Command::new(program).arg(process.to_string()).args(arguments).env("LC_ALL", "C").output();
    match output {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some((FAILED, String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        // A directory in PATH that may not be searched makes "permission denied" out of "not found" (execvp(3)).
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            Some((NOT_FOUND, String::new()))
        }
        Err(error) => Some((FAILED, error.to_string())),
    }
}

fn understand(said: &[u8]) -> Result<(), SandboxError> {
    let program = |index: u8| if index == 0 { USERS.program } else { GROUPS.program };
    match said {
        [DONE] => Ok(()),
        [NOT_FOUND, index, ..] => Err(SandboxError::NoIdMapper { program: program(*index) }),
        [FAILED, index, reason @ ..] => {
            let reason = String::from_utf8_lossy(reason).into_owned();
            Err(SandboxError::IdMapperFailed { program: program(*index), reason })
        }
        _ => Err(SandboxError::IdMapperFailed { program: USERS.program, reason: "it gave no answer".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_cover_exactly_all_ids() {
        let join = |own, ranges: &[(u32, u32)]| arguments(own, ranges).join(" ");
        assert_eq!(join(1000, &[(100_000, 65_536)]), "0 1000 1 1 100000 65535");
        assert_eq!(join(1000, &[(5, 10), (0, 0), (100_000, 65_536), (9, 9)]), "0 1000 1 1 5 10 11 100000 65525");
    }

    #[test]
    fn answers_of_the_helper_are_understood() {
        assert!(understand(b"d").is_ok());
        assert!(matches!(understand(b"n\x01"), Err(SandboxError::NoIdMapper { program: "newgidmap" })));
        assert!(
            matches!(understand(b"f\x00no range"), Err(SandboxError::IdMapperFailed { reason, .. }) if reason == "no range")
        );
        assert!(matches!(understand(b""), Err(SandboxError::IdMapperFailed { .. })));
    }
}
