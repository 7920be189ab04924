//! Checks a [`Job`] and makes [`Orders`] of it: every string terminated, every list built, so that the child processes have
//! nothing left to allocate.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::SandboxError;
use crate::job::Job;
use crate::orders::{Orders, StringList};
use crate::overlay::MAX_LOWERS;

/// How many ids a sandbox maps: 0 to 65535.
pub(crate) const ID_COUNT: u32 = 65_536;

/// Where the script stands inside.
pub(crate) const SCRIPT_PATH: &std::ffi::CStr = c"/sinter/script";

/// Interpreters that read a script line by line and run each command before they read on.
const SHELLS: [&str; 5] = ["sh", "dash", "bash", "ash", "busybox"];

/// A job in the form that [`Orders`] borrow.
pub(crate) struct Plan<'a> {
    job: &'a Job,
    directories: StringList,
    candidates: StringList,
    arguments: StringList,
    environment: StringList,
    groups: Vec<u8>,
    workdir: CString,
}

impl<'a> Plan<'a> {
    /// # Errors
    /// [`SandboxError::InvalidJob`] if a field cannot be handed to the kernel, [`SandboxError::TooDeep`].
    pub(crate) fn new(job: &'a Job) -> Result<Self, SandboxError> {
        check_ids(job)?;
        check_lowers(&job.lowers)?;
        if !job.workdir.is_absolute() {
            return Err(invalid("workdir", format!("{} is not absolute", job.workdir.display())));
        }
        let own = [("upper", &job.upper), ("work", &job.work)];
        let directories = job.lowers.iter().map(|path| ("lowers", path)).chain(own);
        let interpreter = job.interpreter.iter().map(|text| terminated("interpreter", text.as_bytes()));
        Ok(Self {
            job,
            directories: directories.map(|(field, path)| absolute(field, path)).collect::<Result<_, _>>()?,
            candidates: candidates(job)?,
            arguments: interpreter.chain([Ok(SCRIPT_PATH.to_owned())]).collect::<Result<_, _>>()?,
            environment: environment(&job.env)?.into_iter().collect(),
            groups: job.groups.iter().flat_map(|group| group.to_ne_bytes()).collect(),
            workdir: terminated("workdir", job.workdir.as_os_str().as_bytes())?,
        })
    }

    pub(crate) fn orders(&self) -> Orders<'_> {
        Orders {
            directories: self.directories.strings(),
            script: &self.job.script,
            feed: reads_line_by_line(&self.job.interpreter),
            candidates: self.candidates.strings(),
            arguments: self.arguments.strings(),
            environment: self.environment.strings(),
            uid: self.job.uid,
            gid: self.job.gid,
            groups: &self.groups,
            workdir: &self.workdir,
            timeout: self.job.timeout,
        }
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
        count if count > MAX_LOWERS => Err(SandboxError::TooDeep { count, most: MAX_LOWERS }),
        _ => Ok(()),
    }
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

fn candidates(job: &Job) -> Result<StringList, SandboxError> {
    let Some(name) = job.interpreter.first() else { return Ok([SCRIPT_PATH.to_owned()].into_iter().collect()) };
    if name.is_empty() {
        return Err(invalid("interpreter", "its name is empty"));
    }
    if name.contains('/') {
        return [terminated("interpreter", name.as_bytes())].into_iter().collect();
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
    fn bad_variables_are_refused() {
        for name in ["", "A=B", "A\0"] {
            let env = BTreeMap::from([(name.to_owned(), String::new())]);
            assert!(environment(&env).is_err(), "{name:?}");
        }
        let env = BTreeMap::from([("A".to_owned(), "x=y".to_owned())]);
        assert_eq!(environment(&env).expect("an environment"), [c"A=x=y".to_owned()]);
    }
}
