//! Starts programs in the root of the workspace and tells how they ended.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Why a command of this program failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage {
        /// How it would be right.
        text: &'static str,
    },
    /// A program could not be started.
    Start {
        /// Its command line.
        command: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A program ended without success.
    Status {
        /// Its command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file could not be read or written.
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Packages are missing and this user may not install them.
    Packages {
        /// Their names.
        missing: Vec<&'static str>,
    },
    /// There is nothing to do where there must be something.
    Nothing {
        /// What was looked for.
        what: &'static str,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { text } => f.write_str(text),
            Self::Start { command, source } => write!(f, "cannot start `{command}`: {source}"),
            Self::Status { command, status } => write!(f, "`{command}` failed: {status}"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Packages { missing } => write!(
                f,
                "packages are missing and neither root nor sudo is there to install them; run as root: apt-get install {}",
                missing.join(" ")
            ),
            Self::Nothing { what } => write!(f, "there is no {what}"),
        }
    }
}

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A program with its arguments, started in the root of the workspace without input.
pub(crate) struct Task(Command);

impl Task {
    /// A program with arguments.
    pub(crate) fn new<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(root()).stdin(Stdio::null());
        Self(command)
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")), arguments)
    }

    /// More arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.0.args(arguments);
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Removes a variable.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Says what it does, does it, and fails unless the program succeeds.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        eprintln!("+ {}", self.line());
        let status = self.0.status().map_err(|source| self.not_started(source))?;
        self.check(status)
    }

    /// The same, but gives what the program printed to stdout.
    pub(crate) fn output(mut self) -> Result<String, Failure> {
        let output = self.0.stderr(Stdio::inherit()).output().map_err(|source| self.not_started(source))?;
        self.check(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether the program can be started and succeeds, without showing what it prints.
    pub(crate) fn succeeds(mut self) -> bool {
        self.0.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn check(&self, status: ExitStatus) -> Result<(), Failure> {
        if status.success() { Ok(()) } else { Err(Failure::Status { command: self.line(), status }) }
    }

    fn not_started(&self, source: io::Error) -> Failure {
        Failure::Start { command: self.line(), source }
    }

    fn line(&self) -> String {
        let program = Path::new(self.0.get_program()).file_name().unwrap_or_default();
        let words = std::iter::once(program).chain(self.0.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}
