//! Running a step: what it sees, its content key, the sandbox, the layer.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use sinter_graph::config::ImageFields;
use sinter_graph::derivation::{NodeId, Step};
use sinter_graph::digest::{ContentKey, LayerDigest};
use sinter_graph::path::TreePath;
use sinter_graph::pattern::{Matcher, Patterns};
use sinter_graph::step::{StepDocument, base_environment};
use sinter_graph::tree::{Manifest, Tree};
use sinter_graph::{ErrorClass, FsError};
use sinter_store::{CapturePolicy, Given, Workspace, capture};

use crate::context::Context;
use crate::error::{BuildError, StepFailure};
use crate::events::{Event, Work};
use crate::failing_line::failing_line;
use crate::placement::{Placed, Purpose, place};
use crate::record::Outcome;
use crate::runner::{self, Ending, Reply, Request};
use crate::schedule::Counters;
use crate::selection::{self, Ground};
use crate::undeclared::{self, Candidates, Scene};
use crate::users::Identity;
use crate::work::placed::{self, directory};
use crate::work::remember::remember;
use crate::work::transcript::Transcript;

/// How much of a failing step's output is shown, in lines.
const TAIL: usize = 20;

/// A step with everything it sees made concrete.
struct Prepared {
    document: StepDocument,
    from: Arc<Tree>,
    placed: Placed,
}

/// Gives the tree that `step` stands on plus the layer its script leaves: remembered, or made.
pub(crate) fn run(
    context: &Context,
    id: NodeId,
    step: &Step,
    known: &BTreeMap<NodeId, Arc<Outcome>>,
    counters: &Counters,
) -> Result<Outcome, BuildError> {
    let mut layers = step.from.map_or_else(Vec::new, |from| known[&from].layers.clone());
    let prepared = prepare(context, id, step, known, &layers)?;
    let key = prepared.document.key();
    let turn = context.turns.of(&key);
    let turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    let layer = match context.records.content(&key) {
        Some(record) => {
            context.listener.on(Event::Hit { node: id, name: context.name(id) });
            record.layer
        }
        None => {
            let layer = execute(context, id, step, &prepared, &key)?;
            counters.ran.fetch_add(1, Ordering::SeqCst);
            remember(context, &context.name(id), &key, layer)?
        }
    };
    drop(turn);
    layers.extend(layer);
    Ok(Outcome { layers, image: None })
}

fn prepare(
    context: &Context,
    id: NodeId,
    step: &Step,
    known: &BTreeMap<NodeId, Arc<Outcome>>,
    layers: &[LayerDigest],
) -> Result<Prepared, BuildError> {
    let configuration = context.configurations.inherited(step.from)?;
    let from = context.tree(layers)?;
    let who = who(context, id, step, layers, &from)?;
    let workdir = step.workdir.clone().unwrap_or_else(|| configuration.workdir().to_owned());
    let selected = selection::select(context, id, &step.files, known, &Ground { layers, tree: &from })?;
    let landing = TreePath::normalized(&workdir).unwrap_or_else(|_| TreePath::root());
    let placed = place(&selected, &landing, &from, (who.uid, who.gid), Purpose::Step)
        .map_err(|error| selection::failed(context, id, error))?;
    let mut env = base_environment();
    env.insert("HOME".to_owned(), who.home.clone());
    let fields = ImageFields { env: step.env.clone(), path: step.path.clone(), ..ImageFields::default() };
    env.extend(configuration.with(&fields).env);
    let document = StepDocument {
        platform: step.platform.clone().unwrap_or_else(|| context.platform.clone()),
        layers: layers.to_vec(),
        files: (!placed.manifest.is_empty()).then_some(placed.digest),
        script: step.script.text.clone(),
        interpreter: step.script.interpreter.clone(),
        env,
        uid: who.uid,
        gid: who.gid,
        groups: who.groups,
        workdir,
        keep: step.keep.clone(),
        drop: step.drop.clone(),
    };
    Ok(Prepared { document, from, placed })
}

/// Who the script runs as: what the step says, else what the tree carries, else root.
fn who(
    context: &Context,
    id: NodeId,
    step: &Step,
    layers: &[LayerDigest],
    from: &Tree,
) -> Result<Identity, BuildError> {
    let inherited = context.configurations.inherited(step.from)?.user;
    let user = step.user.clone().or(inherited).filter(|user| !user.is_empty()).unwrap_or_else(|| "root".to_owned());
    if let Some(known) = context.identity(&user, layers, from) {
        return Ok(known);
    }
    // A file that cannot be read looks like one that is not there.
    context.verify(layers)?;
    Err(BuildError::NoSuchUser { node: id, name: context.name(id), user })
}

fn execute(
    context: &Context,
    id: NodeId,
    step: &Step,
    prepared: &Prepared,
    key: &ContentKey,
) -> Result<Option<LayerDigest>, BuildError> {
    if context.running.is_stopped() {
        return Err(BuildError::Stopped);
    }
    let started = Instant::now();
    let name = context.name(id);
    context.listener.on(Event::Started { node: id, name: name.clone(), work: Work::Run });
    let workspace = context.store.workspace()?;
    let upper = directory(&workspace, "upper")?;
    let request = Request {
        builder: std::process::id(),
        lowers: lowers(context, prepared)?,
        upper: upper.clone(),
        work: directory(&workspace, "work")?,
        script: prepared.document.script.clone(),
        interpreter: prepared.document.interpreter.clone(),
        env: prepared.document.env.clone(),
        uid: prepared.document.uid,
        gid: prepared.document.gid,
        groups: prepared.document.groups.clone(),
        workdir: prepared.document.workdir.clone().into(),
        timeout_seconds: step.timeout_seconds,
    };
    let (reply, output) = converse(context, id, key, &request, &workspace)?;
    match reply {
        Reply::Ran { ending: Ending::Code(0), .. } => {}
        Reply::Ran { .. } if context.running.is_stopped() => return Err(BuildError::Stopped),
        Reply::Ran { ending, line } => {
            return Err(failure(context, id, step, prepared, key, ending, line, &output));
        }
        Reply::Failed { message, user } => {
            context.verify(&prepared.document.layers)?;
            let class = if user { ErrorClass::User } else { ErrorClass::Environment };
            return Err(BuildError::Sandbox { node: id, name, message, class });
        }
    }
    let manifest = captured(context, id, prepared, &upper)?;
    let layer = if manifest.is_empty() { None } else { Some(placed::publish(context, &workspace, &upper, manifest)?) };
    let layer_bytes = layer.map(|layer| context.store.layer_size(&layer)).transpose()?;
    context.listener.on(Event::Finished { node: id, name, work: Work::Run, elapsed: started.elapsed(), layer_bytes });
    Ok(layer)
}

/// The directories of the tree, top first: declared files, layers, and what every sandbox needs to stand on.
fn lowers(context: &Context, prepared: &Prepared) -> Result<Vec<PathBuf>, BuildError> {
    let skeleton = context.store.index_directory().join("skeleton");
    sinter_sandbox::skeleton(&skeleton).map_err(|error| FsError::new(&skeleton, "make", error))?;
    let view = placed::view(context, &prepared.placed)?;
    let layers = prepared.document.layers.iter().rev().map(|layer| context.store.layer_directory(layer));
    Ok(view.into_iter().chain(layers).chain([skeleton]).collect())
}

/// Runs the request; gives the answer and the end of what the script printed, and keeps all of that as the step's log.
fn converse(
    context: &Context,
    id: NodeId,
    key: &ContentKey,
    request: &Request,
    workspace: &Workspace,
) -> Result<(Reply, Vec<u8>), BuildError> {
    let name = context.name(id);
    let path = workspace.path().join("log");
    let failed = |error| FsError::new(&path, "write", error);
    let on_line = |line| context.listener.on(Event::Output { node: id, name: name.clone(), line });
    let mut transcript = Transcript::new(std::fs::File::create_new(&path).map_err(failed)?, &on_line);
    let reply = runner::run(&context.runner, request, &context.running, &mut |bytes| transcript.take(bytes));
    let reply = match reply {
        Err(_) if context.running.is_stopped() => return Err(BuildError::Stopped),
        Err(source) => return Err(BuildError::Runner { name: context.name(id), source }),
        Ok(reply) => reply,
    };
    let output = transcript.finish().map_err(failed)?;
    context.store.adopt_log(key, &path)?;
    Ok((reply, output))
}

/// Turns what the script left into a layer's directory and manifest.
fn captured(context: &Context, id: NodeId, prepared: &Prepared, upper: &Path) -> Result<Manifest, BuildError> {
    let document = &prepared.document;
    let keep = Filter::new(document.keep.as_ref(), &document.workdir, id)?;
    let drop = Filter::new((document.drop != Patterns::default()).then_some(&document.drop), &document.workdir, id)?;
    let mount_points: Vec<TreePath> =
        sinter_sandbox::MOUNT_POINTS.iter().filter_map(|path| TreePath::normalized(path).ok()).collect();
    let policy = CapturePolicy {
        mount_points: &mount_points,
        keep: &|path| keep.admits(path),
        drop: &|path| drop.is_said() && drop.admits(path),
    };
    let files = Tree::single(&prepared.placed.manifest);
    let given = Given { from: &prepared.from, files: &files };
    let manifest = capture(upper, &given, &policy).map_err(|source| BuildError::Capture {
        node: id,
        name: context.name(id),
        source,
    })?;
    match keep.unused() {
        Some(pattern) => Err(BuildError::NothingKept { node: id, name: context.name(id), pattern }),
        None => Ok(manifest),
    }
}

/// `keep` or `drop`, and which of its patterns matched something.
struct Filter {
    patterns: Vec<(String, Matcher)>,
    exclude: Option<Matcher>,
    used: RefCell<BTreeSet<usize>>,
}

impl Filter {
    fn new(patterns: Option<&Patterns>, workdir: &str, node: NodeId) -> Result<Self, BuildError> {
        let base = TreePath::normalized(workdir).unwrap_or_else(|_| TreePath::root());
        let compile = |patterns: &Patterns| {
            patterns.compile(&base).map_err(|invalid| BuildError::BadPattern {
                node: Some(node),
                pattern: invalid.pattern,
                reason: invalid.reason.to_owned(),
            })
        };
        let mut filter = Self { patterns: vec![], exclude: None, used: RefCell::default() };
        let Some(said) = patterns else { return Ok(filter) };
        for pattern in &said.include {
            let one = Patterns::new([pattern.clone()], []);
            filter.patterns.push((pattern.clone(), compile(&one)?));
        }
        if !said.exclude.is_empty() {
            filter.exclude = Some(compile(&Patterns::new(said.exclude.clone(), []))?);
        }
        Ok(filter)
    }

    fn is_said(&self) -> bool {
        !self.patterns.is_empty() || self.exclude.is_some()
    }

    fn admits(&self, path: &TreePath) -> bool {
        let mut wanted = self.patterns.is_empty();
        for (index, (_, matcher)) in self.patterns.iter().enumerate() {
            if matcher.matches(path) {
                self.used.borrow_mut().insert(index);
                wanted = true;
            }
        }
        wanted && !self.exclude.as_ref().is_some_and(|exclude| exclude.matches(path))
    }

    /// A pattern that matched nothing the script wrote.
    fn unused(&self) -> Option<String> {
        let used = self.used.borrow();
        self.patterns.iter().enumerate().find(|(index, _)| !used.contains(index)).map(|(_, (text, _))| text.clone())
    }
}

#[expect(clippy::too_many_arguments, reason = "everything that is known about one failure, gathered once")]
fn failure(
    context: &Context,
    id: NodeId,
    step: &Step,
    prepared: &Prepared,
    key: &ContentKey,
    ending: Ending,
    line: Option<u32>,
    output: &[u8],
) -> BuildError {
    let output = String::from_utf8_lossy(output);
    let line = line.or_else(|| failing_line(&output));
    let declared = selection::declared_sources(context, &step.files);
    let sources = context.sources.all(&context.graph);
    let candidates = sources.iter().map(|(input, source)| Candidates {
        input: *input,
        name: &source.name,
        files: source.files.iter().map(|file| &file.path).collect(),
        declared: declared.get(input).cloned().unwrap_or_default(),
    });
    let candidates: Vec<Candidates<'_>> = candidates.collect();
    let document = &prepared.document;
    let scene = Scene { output: &output, script: &document.script, line, workdir: &document.workdir };
    let undeclared = undeclared::undeclared(&candidates, &scene);
    let lines: Vec<&str> = output.lines().collect();
    BuildError::Step(Box::new(StepFailure {
        node: id,
        name: context.name(id),
        ending,
        timeout_seconds: step.timeout_seconds,
        line,
        tail: lines[lines.len().saturating_sub(TAIL)..].iter().map(|&line| line.to_owned()).collect(),
        log: context.store.log(key).unwrap_or_default(),
        undeclared,
    }))
}
