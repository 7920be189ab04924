//! What can go wrong in a build, and whose fault it is.

use std::path::PathBuf;

use sinter_graph::derivation::{InputId, NodeId};
use sinter_graph::inherit::ConfigurationClash;
use sinter_graph::lock::{InvalidPin, LockError};
use sinter_graph::{ErrorClass, FsError};
use sinter_oci::registry::RegistryError;
use sinter_oci::{DestinationError, LayerError, OciError};
use sinter_source::debian::DebianError;
use sinter_source::directory::DirectoryError;
use sinter_store::{ExportError, StoreError};

use crate::disk::FullDisk;
use crate::images::ImageError;
use crate::runner::{Ending, RunnerError};

/// A build that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The lock file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    LockUnreadable {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The lock file cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    LockUnwritable {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The lock file is broken or from another version.
    #[error("{path}: {source}", path = path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What is wrong with it.
        source: LockError,
    },
    /// The lock lacks pins and may not be written.
    #[error("{path} does not pin everything that is asked for, and --locked forbids adding to it", path = path.display())]
    LockDrift {
        /// The lock file.
        path: PathBuf,
        /// What would change, a line each.
        diff: Vec<String>,
    },
    /// An input was resolved and still has no pin.
    #[error("input `{input}` could not be pinned for this machine's architecture")]
    Unresolved {
        /// The input.
        input: String,
    },
    /// What a mirror answered may not stand in a lock.
    #[error("input `{input}`: the mirror's answer cannot be pinned: {source}; use another mirror")]
    Unpinnable {
        /// The input.
        input: String,
        /// What is wrong with it.
        source: InvalidPin,
    },
    /// Debian packages could not be resolved, fetched or unpacked.
    #[error("{}{source}", input.as_ref().map(|input| format!("input `{input}`: ")).unwrap_or_default())]
    Debian {
        /// The input that asked, if it is one alone.
        input: Option<String>,
        /// What went wrong.
        source: Box<DebianError>,
    },
    /// An image of others could not be had or unpacked.
    #[error("input `{input}`: {source}")]
    Image {
        /// The input.
        input: String,
        /// What went wrong.
        source: Box<ImageError>,
    },
    /// A directory of the work tree could not be listed or read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// A directory or file of a workspace cannot be used.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Files could not be copied into the store.
    #[error(transparent)]
    View(#[from] sinter_store::ViewError),
    /// A tree could not be written to a directory.
    #[error(transparent)]
    Export(ExportError),
    /// A pattern matches no file of a source or tree.
    #[error("the pattern `{pattern}` matches nothing in {place}")]
    NoMatch {
        /// The derivation that selects; `None`: a target that is a selection.
        node: Option<NodeId>,
        /// The pattern.
        pattern: String,
        /// Where it was looked for, for people.
        place: String,
        /// The nearest thing there is.
        suggestion: Option<String>,
    },
    /// A pattern is malformed.
    #[error("the pattern `{pattern}` is malformed: {reason}")]
    BadPattern {
        /// The derivation that selects.
        node: Option<NodeId>,
        /// The pattern.
        pattern: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// Files cannot be placed where they should land.
    #[error("`{name}`: {source}")]
    Placement {
        /// The derivation that places them.
        node: NodeId,
        /// Its name.
        name: String,
        /// What is in the way.
        source: crate::placement::PlacementError,
    },
    /// Trees cannot be merged.
    #[error("`{name}`: {source}")]
    Merge {
        /// The merge.
        node: NodeId,
        /// Its name.
        name: String,
        /// What clashes.
        source: crate::merge::MergeError,
    },
    /// Two trees carry different configurations.
    #[error(transparent)]
    Configuration(#[from] ConfigurationClash),
    /// A user name is not known in the tree.
    #[error("`{name}` runs as user `{user}`, but the tree's /etc/passwd does not know that name")]
    NoSuchUser {
        /// The step or image.
        node: NodeId,
        /// Its name.
        name: String,
        /// The user.
        user: String,
    },
    /// A user or one of its groups has a number that sandboxes do not have.
    #[error(
        "`{name}` runs as user `{user}`, which means {what} {number}, but a step can have ids up to {largest} only: give the \
         step another `user`; an image may name this one"
    )]
    UnmappedUser {
        /// The step.
        node: NodeId,
        /// Its name.
        name: String,
        /// The user.
        user: String,
        /// Whether the number is that of a `user` or a `group`.
        what: &'static str,
        /// The number.
        number: u32,
        /// The largest number there is.
        largest: u32,
    },
    /// The sandbox could not be made.
    #[error("`{name}`: {message}")]
    Sandbox {
        /// The step.
        node: NodeId,
        /// Its name.
        name: String,
        /// Why, and the next step.
        message: String,
        /// Whose fault it is.
        class: ErrorClass,
    },
    /// A script failed.
    #[error("step `{}` {}", .0.name, .0.ending)]
    Step(Box<StepFailure>),
    /// What a script wrote cannot become a layer.
    #[error("`{name}`: {source}")]
    Capture {
        /// The step.
        node: NodeId,
        /// Its name.
        name: String,
        /// Why.
        source: sinter_store::CaptureError,
    },
    /// `keep` names paths the script did not write.
    #[error("`{name}`: `keep` names `{pattern}`, but the script wrote nothing that matches it")]
    NothingKept {
        /// The step.
        node: NodeId,
        /// Its name.
        name: String,
        /// The pattern.
        pattern: String,
    },
    /// An image says something that its tree contradicts.
    #[error("image `{name}`: {problem}")]
    Assembly {
        /// The image.
        node: NodeId,
        /// Its name.
        name: String,
        /// What does not fit, and the next step.
        problem: String,
    },
    /// A result could not be written.
    #[error(transparent)]
    Output(OciError),
    /// A destination names no image.
    #[error(transparent)]
    Destination {
        /// What is wrong with it.
        source: DestinationError,
    },
    /// An image could not be pushed.
    #[error("push to {reference}: {source}")]
    Push {
        /// Where to.
        reference: String,
        /// Why.
        source: Box<RegistryError>,
    },
    /// A destination cannot take what the target is.
    #[error("target `{target}` is no image, and {destination} takes images only: write it with -o dir:DIR")]
    NotAnImage {
        /// The target.
        target: String,
        /// The destination.
        destination: String,
    },
    /// A program or thread could not be started.
    #[error("cannot start threads: {source}")]
    Runtime {
        /// Why.
        source: std::io::Error,
    },
    /// This process may open too few files.
    #[error("only {limit} files may be open at once, and a build needs {least}: raise the limit (ulimit -n)")]
    FewDescriptors {
        /// The limit.
        limit: u64,
        /// What a build needs at least.
        least: u64,
    },
    /// The runner process could not be started or died.
    #[error("`{name}`: cannot run the sandbox process: {source}")]
    Runner {
        /// The step.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// Something that was counted on is gone or contradicts; the build starts over without it.
    #[error("{reason}")]
    Revoked {
        /// Why.
        reason: String,
    },
    /// Another part of the build failed first.
    #[error("stopped because another step failed")]
    Stopped,
    /// A bug: work panicked.
    #[error("sinter itself failed: {reason}")]
    Panicked {
        /// What the panic said.
        reason: String,
    },
}

/// How a script failed, with what helps to mend it.
#[derive(Debug, Clone)]
pub struct StepFailure {
    /// The step.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub ending: Ending,
    /// Seconds it was allowed, if that was the reason.
    pub timeout_seconds: Option<u64>,
    /// The line of the script that failed, from 1, if known.
    pub line: Option<u32>,
    /// The last lines of output.
    pub tail: Vec<String>,
    /// Where the whole output is.
    pub log: PathBuf,
    /// Files that it seems to have looked for, and that it did not declare.
    pub undeclared: Vec<Undeclared>,
    /// The store's disk, if nothing was left on it: then that is the likely cause, and the machine's fault.
    pub full_disk: Option<FullDisk>,
}

/// A file of a source that a failing step asked for without declaring it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undeclared {
    /// The source it is in.
    pub input: InputId,
    /// The name of that source.
    pub input_name: String,
    /// The file, relative to the source.
    pub path: String,
    /// The line of the script that names it, from 1.
    pub line: Option<u32>,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with {code}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}{}", signal_name(*signal)),
            Self::TimedOut => f.write_str("ran longer than its `timeout` and was killed"),
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL; out of memory?)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

impl From<StoreError> for BuildError {
    /// What is gone or damaged is made again; everything else is a failure.
    fn from(error: StoreError) -> Self {
        let reason = match error {
            StoreError::MissingLayer { digest } => format!("layer {digest} is gone from the store"),
            StoreError::MissingBlob { digest } => format!("blob {digest} is gone from the store"),
            StoreError::Damaged { path, reason } => format!("{} was damaged: {reason}", path.display()),
            error => return Self::Store(error),
        };
        Self::Revoked { reason }
    }
}

impl From<ExportError> for BuildError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => error.into(),
            error => Self::Export(error),
        }
    }
}

impl From<OciError> for BuildError {
    fn from(error: OciError) -> Self {
        match error {
            OciError::Layer { layer, source: LayerError { class, source } } => match source.downcast::<StoreError>() {
                Ok(error) => Self::from(*error),
                Err(source) => Self::Output(OciError::Layer { layer, source: LayerError { class, source } }),
            },
            error => Self::Output(error),
        }
    }
}

impl BuildError {
    /// A step that could not be run, in the executor's words.
    pub(crate) fn of_runner(error: RunnerError, node: NodeId, name: &str) -> Self {
        let name = name.to_owned();
        match error {
            RunnerError::Store(error) => error.into(),
            RunnerError::Sandbox { message, class } => Self::Sandbox { node, name, message, class },
            RunnerError::Process(source) => Self::Runner { name, source },
            RunnerError::Capture(source) => Self::Capture { node, name, source },
            RunnerError::NothingKept { pattern } => Self::NothingKept { node, name, pattern },
            RunnerError::Stopped => Self::Stopped,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::LockUnreadable { .. }
            | Self::LockUnwritable { .. }
            | Self::Fs(_)
            | Self::Runtime { .. }
            | Self::FewDescriptors { .. }
            | Self::Runner { .. }
            // It reaches a caller only if something else keeps deleting from the store while a build runs.
            | Self::Revoked { .. } => ErrorClass::Environment,
            Self::Lock { source, .. } => source.class(),
            Self::Unpinnable { source, .. } => source.class(),
            Self::LockDrift { .. } => ErrorClass::Lock,
            Self::Debian { source, .. } => source.class(),
            Self::Image { source, .. } => source.class(),
            Self::Directory(source) => source.class(),
            Self::Store(source) => source.class(),
            Self::View(source) => source.class(),
            Self::Export(source) => source.class(),
            Self::Placement { source, .. } => source.class(),
            Self::Output(source) => source.class(),
            Self::Destination { source } => source.class(),
            Self::Push { source, .. } => source.class(),
            Self::Sandbox { class, .. } => *class,
            Self::Capture { source, .. } => source.class(),
            Self::Step(failure) if failure.full_disk.is_some() => ErrorClass::Environment,
            Self::Step(_) => ErrorClass::Step,
            Self::Unresolved { .. }
            | Self::NoMatch { .. }
            | Self::BadPattern { .. }
            | Self::Merge { .. }
            | Self::Configuration(_)
            | Self::NoSuchUser { .. }
            | Self::UnmappedUser { .. }
            | Self::NothingKept { .. }
            | Self::Assembly { .. }
            | Self::NotAnImage { .. } => ErrorClass::User,
            Self::Stopped => ErrorClass::Step,
            Self::Panicked { .. } => ErrorClass::Internal,
        }
    }
}
