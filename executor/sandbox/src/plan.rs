//! A checked [`Job`] in the form the child processes need it: every string terminated, every array built, so that they
//! have nothing left to allocate.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;

use crate::error::SandboxError;
use crate::job::Job;
use crate::raw::{self, StringArray};
use crate::seccomp;

/// The most directories that one overlay takes (`OVL_MAX_STACK` of the kernel).
pub const MAX_LOWERS: usize = 500;

/// How many ids a sandbox maps: 0 to 65535.
pub(crate) const ID_COUNT: u32 = 65_536;

/// Where the script stands inside.
pub(crate) const SCRIPT_PATH: &std::ffi::CStr = c"/sinter/script";

/// The number of the first descriptor that a child opens; standard streams, report and lifeline stand below it.
pub(crate) const FIRST_DESCRIPTOR: i32 = 5;

/// Interpreters that read a script line by line and run each command before they read on.
const SHELLS: [&str; 5] = ["sh", "dash", "bash", "ash", "busybox"];

/// Everything the children need.
pub(crate) struct Plan {
    /// Lower directories, topmost first, then `upper`, then `work`.
    pub(crate) directories: Vec<CString>,
    pub(crate) work: CString,
    /// The overlay's options, in which directories are called by the numbers of their descriptors.
    pub(crate) overlay_options: CString,
    pub(crate) script: Vec<u8>,
    /// Whether the script is fed line by line.
    pub(crate) feed: bool,
    /// Where the interpreter may be, in the order of PATH.
    pub(crate) candidates: Vec<CString>,
    pub(crate) arguments: StringArray,
    pub(crate) environment: StringArray,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) workdir: CString,
    pub(crate) timeout: Option<Duration>,
    pub(crate) filter: Vec<libc::sock_filter>,
    pub(crate) argument_memory: Option<(usize, usize)>,
}

impl Plan {
    /// # Errors
    /// [`SandboxError::InvalidJob`] if a field cannot be handed to the kernel.
    pub(crate) fn new(job: &Job) -> Result<Self, SandboxError> {
        check_ids(job)?;
        check_lowers(&job.lowers)?;
        if !job.workdir.is_absolute() {
            return Err(invalid("workdir", format!("{} is not absolute", job.workdir.display())));
        }
        let mut arguments = job
            .interpreter
            .iter()
            .map(|text| terminated("interpreter", text.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        arguments.push(SCRIPT_PATH.to_owned());
        let mut directories = job.lowers.iter().map(|path| absolute("lowers", path)).collect::<Result<Vec<_>, _>>()?;
        directories.push(absolute("upper", &job.upper)?);
        directories.push(absolute("work", &job.work)?);
        Ok(Self {
            directories,
            work: absolute("work", &job.work)?,
            overlay_options: overlay_options(job.lowers.len())?,
            script: job.script.clone(),
            feed: reads_line_by_line(&job.interpreter),
            candidates: candidates(job)?,
            arguments: StringArray::new(arguments),
            environment: StringArray::new(environment(&job.env)?),
            uid: job.uid,
            gid: job.gid,
            groups: job.groups.clone(),
            workdir: terminated("workdir", job.workdir.as_os_str().as_bytes())?,
            timeout: job.timeout,
            filter: seccomp::program(),
            argument_memory: raw::argument_memory(),
        })
    }
}

fn invalid(field: &'static str, reason: impl Into<String>) -> SandboxError {
    SandboxError::InvalidJob { field, reason: reason.into() }
}

fn terminated(field: &'static str, bytes: &[u8]) -> Result<CString, SandboxError> {
    CString::new(bytes).map_err(|_| invalid(field, "it holds a zero byte"))
}

fn absolute(field: &'static str, path: &Path) -> Result<CString, SandboxError> {
    let path = std::path::absolute(path).map_err(|source| invalid(field, source.to_string()))?;
    CString::new(path.into_os_string().into_vec()).map_err(|_| invalid(field, "it holds a zero byte"))
}

fn check_ids(job: &Job) -> Result<(), SandboxError> {
    let ids = [job.uid, job.gid].into_iter().chain(job.groups.iter().copied());
    match ids.into_iter().find(|&id| id >= ID_COUNT) {
        Some(id) => Err(invalid("uid, gid, groups", format!("{id} is not below {ID_COUNT}"))),
        None => Ok(()),
    }
}

fn check_lowers(lowers: &[PathBuf]) -> Result<(), SandboxError> {
    match lowers.len() {
        0 => Err(invalid("lowers", "there must be at least the skeleton")),
        count if count > MAX_LOWERS => {
            Err(invalid("lowers", format!("{count} directories, the kernel takes {MAX_LOWERS}")))
        }
        _ => Ok(()),
    }
}

/// Directories are called by descriptor number, relative to `/proc/self/fd`: no limit on the length of a path matters,
/// no character needs escaping, and the machine's paths do not show in the sandbox's `/proc/self/mountinfo`. Unlike
/// `lowerdir+`, which needs Linux 6.7, this works wherever overlay works in a user namespace (5.11).
fn overlay_options(lowers: usize) -> Result<CString, SandboxError> {
    let first = FIRST_DESCRIPTOR as usize;
    let names: Vec<String> = (first..first + lowers).map(|number| number.to_string()).collect();
    let (upper, work) = (first + lowers, first + lowers + 1);
    let options = format!("lowerdir={},upperdir={upper},workdir={work},userxattr,volatile", names.join(":"));
    terminated("lowers", options.as_bytes())
}

fn environment(env: &BTreeMap<String, String>) -> Result<Vec<CString>, SandboxError> {
    env.iter()
        .map(|(name, value)| {
            if name.is_empty() || name.contains('=') {
                return Err(invalid("env", format!("`{name}` is no name of a variable")));
            }
            terminated("env", format!("{name}={value}").as_bytes())
        })
        .collect()
}

/// The PATH of the job's environment, or of a tree that does not say.
pub(crate) fn search_path(job: &Job) -> &str {
    job.env.get("PATH").map_or(sinter_graph::config::DEFAULT_PATH, String::as_str)
}

fn candidates(job: &Job) -> Result<Vec<CString>, SandboxError> {
    let Some(name) = job.interpreter.first() else { return Ok(vec![SCRIPT_PATH.to_owned()]) };
    if name.is_empty() {
        return Err(invalid("interpreter", "its name is empty"));
    }
    if name.contains('/') {
        return Ok(vec![terminated("interpreter", name.as_bytes())?]);
    }
    let directories = search_path(job).split(':').filter(|directory| !directory.is_empty());
    directories.map(|directory| terminated("env", format!("{directory}/{name}").as_bytes())).collect()
}

/// Whether an interpreter can be fed a line at a time. A shell told to take the script as a command (`-c`) or to read
/// standard input (`-s`) opens no script.
fn reads_line_by_line(interpreter: &[String]) -> bool {
    let Some((program, arguments)) = interpreter.split_first() else { return false };
    let name = program.rsplit('/').next().unwrap_or(program);
    let diverts = |argument: &String| {
        argument.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.contains(['c', 's']))
    };
    SHELLS.contains(&name) && !arguments.iter().any(diverts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn only_shells_are_fed_by_line() {
        for (interpreter, fed) in [
            ("sh -eu", true),
            ("/bin/dash", true),
            ("bash -euo pipefail", true),
            ("busybox sh -e", true),
            ("bash --norc", true),
            ("sh -ec", false),
            ("bash -s", false),
            ("python3", false),
            ("zsh", false),
            ("", false),
        ] {
            assert_eq!(reads_line_by_line(&strings(interpreter)), fed, "{interpreter}");
        }
    }

    #[test]
    fn overlay_options_fit_one_page() {
        let options = overlay_options(MAX_LOWERS).expect("options");
        assert!(options.as_bytes_with_nul().len() < 4096);
        assert_eq!(
            overlay_options(2).expect("options").as_bytes(),
            b"lowerdir=5:6,upperdir=7,workdir=8,userxattr,volatile"
        );
    }

    #[test]
    fn bad_variables_are_refused() {
        for name in ["", "A=B", "A\0"] {
            let env = BTreeMap::from([(name.to_owned(), String::new())]);
            assert!(environment(&env).is_err(), "{name:?}");
        }
        let env = BTreeMap::from([("A".to_owned(), "x=y".to_owned())]);
        assert_eq!(environment(&env).expect("an environment"), [c"A=x=y".to_owned()]);
    }
}
