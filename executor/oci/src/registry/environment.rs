//! What the client takes from its surroundings: variables and directories, as values, so that tests can make them up.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Variables and system directories.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    /// Where the machine's own configuration is: `/etc`.
    system: PathBuf,
}

const VARIABLES: [&str; 7] = [
    "HOME",
    "DOCKER_CONFIG",
    "REGISTRY_AUTH_FILE",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "CONTAINERS_REGISTRIES_CONF",
    "PATH",
];

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?)));
        Self { variables: variables.collect(), system: "/etc".into() }
    }

    /// One that is made up.
    #[must_use]
    pub fn made_of(variables: &[(&str, &Path)], system: &Path) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.as_os_str().to_owned()));
        Self { variables: variables.collect(), system: system.to_owned() }
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }

    /// The user's configuration directory.
    pub(super) fn configuration(&self) -> Option<PathBuf> {
        self.path("XDG_CONFIG_HOME").or_else(|| Some(self.home()?.join(".config")))
    }

    pub(super) fn system(&self) -> &Path {
        &self.system
    }
}
