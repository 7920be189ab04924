//! Steps in sandboxes of this machine, over the store of the inputs.

use std::path::{Path, PathBuf};

use sinter_graph::digest::LayerDigest;
use sinter_graph::path::TreePath;
use sinter_graph::step::StepDocument;
use sinter_graph::tree::Tree;
use sinter_graph::{ErrorClass, FsError};
use sinter_store::{CapturePolicy, Given, Lease, Origin, StoreError, Workspace, capture, dress_root};

use super::policy::Policy;
use super::pool::{self, End, Running};
use super::{Ending, Inputs, Reply, Request, Runner, RunnerError, RunnerProgram, StepResult};
use crate::disk;
use crate::reload::publish_anew;

/// Runs steps in sandboxes, each in a process of its own.
#[derive(Debug)]
pub struct LocalRunner {
    program: RunnerProgram,
    running: Running,
    reload: bool,
}

impl LocalRunner {
    /// A runner that starts `program` for each step. With `reload` every layer is made anew from its manifest and
    /// contents before anything mounts it, which shows that steps see nothing but what a layer's archive holds.
    #[must_use]
    pub fn new(program: RunnerProgram, reload: bool) -> Self {
        Self { program, running: Running::default(), reload }
    }

    fn captured(
        &self,
        document: &StepDocument,
        inputs: &Inputs<'_>,
        workspace: &Workspace,
        upper: &Path,
    ) -> Result<Option<LayerDigest>, RunnerError> {
        let policy = Policy::of(document);
        let mount_points: Vec<TreePath> =
            sinter_sandbox::MOUNT_POINTS.iter().filter_map(|path| TreePath::normalized(path).ok()).collect();
        let files = inputs.files.map(|(_, manifest)| Tree::single(manifest)).unwrap_or_default();
        let given = Given { from: inputs.tree, files: &files };
        let (keep, drop) = (|path: &TreePath| policy.keeps(path), |path: &TreePath| policy.drops(path));
        let rules = CapturePolicy { mount_points: &mount_points, keep: &keep, drop: &drop };
        let captured = capture(upper, &given, &rules)?;
        policy.check_used()?;
        if captured.manifest().is_empty() {
            return Ok(None);
        }
        if self.reload {
            let manifest = captured.into_manifest();
            return Ok(Some(publish_anew(inputs.store, workspace, upper, manifest, Origin::Captured)?));
        }
        Ok(Some(inputs.store.publish_captured(upper, captured, Origin::Captured)?))
    }

    fn converse(&self, request: &Request, lease: &Lease, output: &mut dyn FnMut(&[u8])) -> Result<Reply, RunnerError> {
        // Whether what is mounted is what was captured is looked at beside the running script, and known before anything
        // it wrote counts. If it is not, the script is ended: what it waits for may never come.
        let end = End::default();
        let (reply, examined) = std::thread::scope(|scope| {
            let examining = scope.spawn(|| lease.examine().inspect_err(|_| end.now()));
            let reply = pool::run(&self.program, request, &self.running, &end, output);
            (reply, examining.join())
        });
        examined.map_err(|_| RunnerError::Process(std::io::Error::other("a thread panicked")))??;
        match reply {
            Err(_) if self.running.is_stopped() => Err(RunnerError::Stopped),
            Ok(Reply::Ran { ending, .. }) if ending != Ending::Code(0) && self.running.is_stopped() => {
                Err(RunnerError::Stopped)
            }
            reply => reply.map_err(RunnerError::Process),
        }
    }
}

impl Runner for LocalRunner {
    fn run(
        &self,
        document: &StepDocument,
        inputs: &Inputs<'_>,
        output: &mut dyn FnMut(&[u8]),
    ) -> Result<StepResult, RunnerError> {
        if self.running.is_stopped() {
            return Err(RunnerError::Stopped);
        }
        let workspace = inputs.store.workspace()?;
        let (upper, work) = (directory(&workspace, "upper")?, directory(&workspace, "work")?);
        let root = inputs.tree.get(&TreePath::root()).map(|shown| &shown.entry);
        dress_root(&upper, root).map_err(StoreError::from)?;
        let top = inputs.files.map(|(digest, _)| digest);
        let layers: Vec<LayerDigest> = document.layers.iter().copied().chain(top).collect();
        let lease = inputs.store.ensure(&layers)?;
        let lowers = lowers(inputs, &lease)?;
        let request = request(document, inputs, lowers, &upper, work);
        match self.converse(&request, &lease, output)? {
            Reply::Ran { ending: Ending::Code(0), line } => {
                let layer = self.captured(document, inputs, &workspace, &upper)?;
                // Another build may have found damage in what this script has read.
                lease.confirm()?;
                Ok(StepResult { ending: Ending::Code(0), line, layer, full_disk: None })
            }
            // Asked before the workspace goes, which may be what fills the disk.
            Reply::Ran { ending, line } => {
                Ok(StepResult { ending, line, layer: None, full_disk: disk::full(inputs.store.root()) })
            }
            Reply::Failed { message, user } => {
                layers.iter().try_for_each(|layer| inputs.store.verify_layer(layer))?;
                let class = if user { ErrorClass::User } else { ErrorClass::Environment };
                Err(RunnerError::Sandbox { message, class })
            }
        }
    }

    fn stop(&self) {
        self.running.stop();
    }

    fn is_stopped(&self) -> bool {
        self.running.is_stopped()
    }
}

fn directory(workspace: &Workspace, name: &str) -> Result<PathBuf, StoreError> {
    let path = workspace.path().join(name);
    std::fs::create_dir(&path).map_err(|error| FsError::new(&path, "create", error))?;
    Ok(path)
}

/// The directories of the tree, top first: declared files, layers, and what every sandbox needs to stand on.
fn lowers(inputs: &Inputs<'_>, lease: &Lease) -> Result<Vec<PathBuf>, StoreError> {
    let skeleton = inputs.store.index_directory().join("skeleton");
    sinter_sandbox::skeleton(&skeleton).map_err(|error| FsError::new(&skeleton, "make", error))?;
    Ok(lease.lowers()?.into_iter().rev().chain([skeleton]).collect())
}

fn request(document: &StepDocument, inputs: &Inputs<'_>, lowers: Vec<PathBuf>, upper: &Path, work: PathBuf) -> Request {
    Request {
        builder: std::process::id(),
        lowers,
        upper: upper.to_owned(),
        work,
        script: document.script.clone(),
        interpreter: document.interpreter.clone(),
        env: document.env.clone(),
        uid: document.uid,
        gid: document.gid,
        groups: document.groups.clone(),
        workdir: document.workdir.as_str().into(),
        timeout_seconds: inputs.timeout_seconds,
    }
}
