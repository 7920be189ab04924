//! Where things are kept and come from: the store, the mirrors, whether this is CI.

use std::path::{Path, PathBuf};

use sinter_graph::lock::MAIN_ARCHIVE;
use sinter_source::debian::{MirrorConfig, MirrorError, MirrorSettings, SECURITY_ARCHIVE};

use crate::arguments::Resources;
use crate::failure::Failure;

/// The store's directory: `--store`, SINTER_STORE, `sinter` in the XDG cache directory.
pub(crate) fn store(said: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = said.cloned().or_else(|| from("SINTER_STORE")) {
        return Ok(path);
    }
    // XDG Base Directory Specification: a relative XDG_CACHE_HOME is to be ignored.
    from("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("sinter"))
        .ok_or_else(|| Failure::environment("there is no place for the store: set SINTER_STORE, or HOME"))
}

/// The program that runs now, also if its file has been replaced since.
///
/// # Errors
/// If the machine does not show it.
pub(crate) fn own_program() -> Result<PathBuf, Failure> {
    let program = Path::new("/proc/self/exe");
    if program.exists() {
        return Ok(program.to_owned());
    }
    let mount = "steps cannot run without it; mount it with `mount -t proc proc /proc`";
    Err(Failure::environment(format!("/proc is not mounted, and {mount}")))
}

/// The kinds of mirrors that `--mirror` takes.
const MIRROR_KINDS: [&str; 2] = [MAIN_ARCHIVE, SECURITY_ARCHIVE];

/// Where packages come from: `--mirror`, SINTER_MIRROR_*, this machine's apt configuration. That there is none is an
/// error only once one is needed.
///
/// # Errors
/// If `--mirror` names a kind there is not.
pub(crate) fn mirrors(resources: &Resources) -> Result<Result<MirrorConfig, MirrorError>, Failure> {
    if let Some((kind, _)) = resources.mirrors.iter().find(|(kind, _)| !MIRROR_KINDS.contains(&kind.as_str())) {
        let known = format!("there is: {}", MIRROR_KINDS.join(", "));
        return Err(Failure::usage(format!("there is no kind of mirror `{kind}`"), known));
    }
    let flags = resources.mirrors.iter().cloned().collect();
    let settings = MirrorSettings::of_machine(&flags, |name| std::env::var_os(name));
    Ok(MirrorConfig::settle(&settings))
}

/// Whether `CI=true`, which implies `--locked`.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Whether `SINTER_RELOAD=1`: for tests, layers are made anew before they are mounted.
pub(crate) fn is_reload() -> bool {
    std::env::var_os("SINTER_RELOAD").is_some_and(|value| value == "1")
}

/// Whether `SINTER_RUNNER=apart`: for tests, steps run over a store that shares no disk with the builder's.
pub(crate) fn is_runner_apart() -> bool {
    std::env::var_os("SINTER_RUNNER").is_some_and(|value| value == "apart")
}
