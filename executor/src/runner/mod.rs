//! Running one step somewhere: the scheduler never knows where.
//!
//! ```text
//! scheduler ── step document, inputs ──> Runner ── layer, ending ──> scheduler
//!                                         ├ LocalRunner   sandboxes on this machine, over the builder's own store
//!                                         └ ApartRunner   the same over a store of its own; layers travel as bytes
//! ```
//!
//! A runner gets the canonical step document, finds the layers it names by digest, runs the script and captures what it
//! wrote. What it gives back is a layer in the store of the inputs. The document says everything that counts; the inputs
//! only lend what the scheduler has at hand anyway.

mod apart;
mod local;
mod policy;
mod pool;
mod protocol;
mod serve;

use std::sync::Arc;

use crate::disk::FullDisk;
use sinter_graph::ErrorClass;
use sinter_graph::digest::LayerDigest;
use sinter_graph::step::StepDocument;
use sinter_graph::tree::{Manifest, Tree};
use sinter_store::{CaptureError, Store, StoreError};

pub use apart::ApartRunner;
pub use local::LocalRunner;
pub use pool::RunnerProgram;
pub use protocol::{Ending, Reply, Request};
pub use serve::serve;

/// What a runner may use of what the scheduler has.
pub struct Inputs<'a> {
    /// Gives the layers that the document names, and takes the one that the step yields.
    pub store: &'a Store,
    /// What the stack of the document shows.
    pub tree: &'a Arc<Tree>,
    /// The layer that shows the declared files, if there are any.
    pub files: Option<(LayerDigest, &'a Manifest)>,
    /// Seconds the script may run. In no key, so not in the document.
    pub timeout_seconds: Option<u64>,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// How the script ended.
    pub ending: Ending,
    /// The line the shell had read last, from 1, if the interpreter is a shell.
    pub line: Option<u32>,
    /// The layer it yields, if it ended well and changed something.
    pub layer: Option<LayerDigest>,
    /// The disk it wrote to, if it failed and nothing was left on that: then this is the likely cause.
    pub full_disk: Option<FullDisk>,
}

/// Why a step could not be run, or its result not be captured.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The store failed, or lost what the step stands on.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sandbox could not be made.
    #[error("{message}")]
    Sandbox {
        /// Why, and the next step.
        message: String,
        /// Whose fault it is.
        class: ErrorClass,
    },
    /// The process of the runner could not be started or died.
    #[error("cannot run the sandbox process: {0}")]
    Process(std::io::Error),
    /// What the script wrote cannot become a layer.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// `keep` names what the script did not write.
    #[error("`keep` names `{pattern}`, but the script wrote nothing that matches it")]
    NothingKept {
        /// The pattern.
        pattern: String,
    },
    /// The build was stopped.
    #[error("stopped")]
    Stopped,
}

/// Something that runs steps.
pub trait Runner: Send + Sync {
    /// Runs one step and hands what its script prints to `output`, as it comes. Called from several threads at once.
    ///
    /// # Errors
    /// If the step could not be run, or its result not be captured. That the script failed is no error.
    fn run(
        &self,
        document: &StepDocument,
        inputs: &Inputs<'_>,
        output: &mut dyn FnMut(&[u8]),
    ) -> Result<StepResult, RunnerError>;

    /// Ends every step that runs, and each that begins later.
    fn stop(&self);

    /// Whether [`Runner::stop`] was called.
    fn is_stopped(&self) -> bool;
}
