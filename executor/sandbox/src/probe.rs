//! Tries whether this machine can make sandboxes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use crate::error::SandboxError;
use crate::job::Job;
use crate::run::run;
use crate::stage::Stage;

/// [`probe_at`] with the directory for temporary files.
///
/// # Errors
/// The first ability that is missing.
pub fn probe() -> Result<(), SandboxError> {
    probe_at(&std::env::temp_dir())
}

/// Tries everything a sandbox needs of the machine: namespaces, ids, the overlay, a fresh `/proc`, the filter. Takes a
/// few milliseconds; leaves nothing behind. `directory` is where sandboxes will have their upper directories.
///
/// # Errors
/// The first ability that is missing.
pub fn probe_at(directory: &Path) -> Result<(), SandboxError> {
    let place = directory.join(format!("sinter-probe-{}", std::process::id()));
    let result = probe_in(&place);
    let _ = std::fs::remove_dir_all(&place);
    result
}

fn probe_in(place: &Path) -> Result<(), SandboxError> {
    let make = |name: &str| {
        let path = place.join(name);
        let made = std::fs::create_dir_all(&path);
        made.map(|()| path.clone()).map_err(|source| SandboxError::Directory { path, source })
    };
    let lower = make("lower")?;
    crate::skeleton(&lower).map_err(|source| SandboxError::Directory { path: lower.clone(), source })?;
    let prepare = |errno: Errno| SandboxError::Setup { stage: Stage::Prepare, source: errno.into() };
    // Nobody reads it and nothing is written.
    let (_reader, output) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(prepare)?;
    let job = Job {
        lowers: vec![lower],
        upper: make("upper")?,
        work: make("work")?,
        script: b"#!/sinter/none\n".to_vec(),
        interpreter: vec![],
        env: std::collections::BTreeMap::new(),
        uid: 0,
        gid: 0,
        groups: vec![],
        workdir: PathBuf::from("/"),
        timeout: Some(Duration::from_secs(10)),
    };
    // There is no program in an empty tree: that this is all that was missed means that everything else was there.
    match run(&job, output) {
        Ok(_) | Err(SandboxError::InterpreterMissing { .. } | SandboxError::InterpreterBroken { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
