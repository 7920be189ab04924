//! Running a step: what it sees, its content key, the runner, the layer.

use std::sync::Arc;
use std::time::Instant;

use sinter_graph::FsError;
use sinter_graph::config::ImageFields;
use sinter_graph::derivation::{NodeId, Step};
use sinter_graph::digest::ContentKey;
use sinter_graph::marks::Marks;
use sinter_graph::stack::Stack;
use sinter_graph::step::{StepDocument, base_environment};
use sinter_graph::tree::Tree;
use sinter_store::Origin;

use crate::cache::{Question, import};
use crate::context::Context;
use crate::error::BuildError;
use crate::events::{Event, Work};
use crate::placement::{Placed, Purpose, place};
use crate::record::{ContentRecord, Known, Outcome, inherited_marks};
use crate::runner::{Ending, Inputs, StepResult};
use crate::selection::{self, Ground};
use crate::shown_files::find_user;
use crate::users::{Identity, LARGEST_ID};
use crate::work::placed;
use crate::work::pull::unpack_again;
use crate::work::remember::{is_known, remember};
use crate::work::step_failure::{Failed, explain};
use crate::work::transcript::Transcript;

/// A step with everything it sees made concrete.
struct Prepared {
    document: StepDocument,
    stack: Stack,
    tree: Arc<Tree>,
    placed: Placed,
}

/// What a step came to, and whether its script ran for that.
pub(crate) struct Made {
    pub(crate) outcome: Outcome,
    pub(crate) ran: bool,
    /// Whether a cache knew it by what the step sees.
    pub(crate) cached: bool,
}

/// Gives the tree that `step` stands on plus the layer its script leaves: remembered, or made.
pub(crate) fn run(context: &Context, id: NodeId, step: &Step, known: &Known) -> Result<Made, BuildError> {
    let prepared = prepare(context, id, step, known)?;
    let key = prepared.document.key();
    let (record, ran, cached) = match hit(context, &key)? {
        Some((record, cached)) => (record, false, cached),
        None => {
            let (record, ran) = in_turn(context, id, step, &prepared, &key)?;
            (record, ran, false)
        }
    };
    if !ran {
        context.listener.on(Event::Hit { node: id, name: context.name(id) });
    }
    let stack = record.layer.map_or_else(|| prepared.stack.clone(), |layer| prepared.stack.with(layer));
    context.records.keep_stack(&stack)?;
    let marks = inherited_marks(known).union(record.marks);
    Ok(Made { outcome: Outcome { stack: stack.digest(), image: None, marks }, ran, cached })
}

/// What is remembered here, or else in a cache; and whether it was there.
fn hit(context: &Context, key: &ContentKey) -> Result<Option<(ContentRecord, bool)>, BuildError> {
    context.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(*key);
    let own = context.records.content(key)?;
    if let Some(record) = own
        && is_known(context, &record)?
    {
        return Ok(Some((record, false)));
    }
    // In doubt about what elsewhere promised, it is not asked again.
    let asked = (!context.is_suspicious()).then(|| context.caches.ask(&Question::Content(*key))).flatten();
    let Some(entry) = asked else { return Ok(None) };
    import(context, &entry)?;
    Ok(context.records.content(key)?.map(|record| (record, true)))
}

/// Two derivations whose scripts see the same run one script, in this process and in others.
fn in_turn(
    context: &Context,
    id: NodeId,
    step: &Step,
    prepared: &Prepared,
    key: &ContentKey,
) -> Result<(ContentRecord, bool), BuildError> {
    let _turn = context.store.turn(key)?;
    let older = context.records.content(key)?;
    if let Some(record) = older
        && is_known(context, &record)?
    {
        return Ok((record, false));
    }
    let result = execute(context, id, step, prepared, key)?;
    let record = ContentRecord { layer: result.layer, from: prepared.stack.digest(), marks: Marks::NONE };
    Ok((remember(context, &context.name(id), key, record, older)?, true))
}

fn prepare(context: &Context, id: NodeId, step: &Step, known: &Known) -> Result<Prepared, BuildError> {
    let stack = step.from.map_or_else(|| Ok(Stack::empty()), |from| context.stack(&known[&from].outcome))?;
    let configuration = context.configurations.inherited(step.from)?;
    let tree = context.tree(&stack)?;
    let who = who(context, id, step, &stack, &tree)?;
    let workdir = step.workdir.clone().unwrap_or_else(|| configuration.workdir().clone());
    let selected = selection::select(context, id, &step.files, known, &Ground { stack: &stack, tree: &tree })?;
    let placed = place(&selected, &workdir.in_tree(), &tree, (who.uid, who.gid), Purpose::Step)
        .map_err(|error| selection::failed(context, id, error))?;
    let mut env = base_environment();
    env.insert("HOME".to_owned(), who.home.clone());
    let fields = ImageFields { env: step.env.clone(), path: step.path.clone(), ..ImageFields::default() };
    env.extend(configuration.with(&fields).env);
    let document = StepDocument {
        platform: step.platform.clone().unwrap_or_else(|| context.platform.clone()),
        layers: stack.layers(),
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
    Ok(Prepared { document, stack, tree, placed })
}

/// Who the script runs as: what the step says, else what the tree carries, else root.
fn who(context: &Context, id: NodeId, step: &Step, stack: &Stack, tree: &Tree) -> Result<Identity, BuildError> {
    let inherited = context.configurations.inherited(step.from)?.user;
    let user = step.user.clone().or(inherited).filter(|user| !user.is_empty()).unwrap_or_else(|| "root".to_owned());
    let Some(known) = find_user(context, &user, stack, tree)? else {
        return Err(BuildError::NoSuchUser { node: id, name: context.name(id), user });
    };
    match known.unmapped() {
        None => Ok(known),
        Some((what, number)) => {
            Err(BuildError::UnmappedUser { node: id, name: context.name(id), user, what, number, largest: LARGEST_ID })
        }
    }
}

fn execute(
    context: &Context,
    id: NodeId,
    step: &Step,
    prepared: &Prepared,
    key: &ContentKey,
) -> Result<StepResult, BuildError> {
    let started = Instant::now();
    let name = context.name(id);
    context.listener.on(Event::Started { node: id, name: name.clone(), work: Work::Run });
    let (result, output) = converse(context, id, step, prepared, key)?;
    if result.ending != Ending::Code(0) {
        let document = &prepared.document;
        return Err(explain(context, &Failed { id, step, document, key, result, output: &output }));
    }
    let layer_bytes = result.layer.map(|layer| context.store.layer_size(&layer)).transpose()?;
    context.listener.on(Event::Finished { node: id, name, work: Work::Run, elapsed: started.elapsed(), layer_bytes });
    Ok(result)
}

/// Runs the step; gives what it came to and the end of what the script printed, and keeps all of that as the step's log.
fn converse(
    context: &Context,
    id: NodeId,
    step: &Step,
    prepared: &Prepared,
    key: &ContentKey,
) -> Result<(StepResult, Vec<u8>), BuildError> {
    let name = context.name(id);
    unpack_again(context, &prepared.document.layers)?;
    let files = placed::layer(context, &prepared.placed, Origin::Placed, &name)?;
    let inputs = Inputs {
        store: &context.store,
        tree: &prepared.tree,
        files: files.map(|layer| (layer, &prepared.placed.manifest)),
        timeout_seconds: step.timeout_seconds,
    };
    let path = context.store.scratch_path()?;
    let failed = |error| FsError::new(&path, "write", error);
    let on_line = |line| context.listener.on(Event::Output { node: id, name: name.clone(), line });
    let mut transcript = Transcript::new(std::fs::File::create_new(&path).map_err(failed)?, &on_line);
    let result = context.runner.run(&prepared.document, &inputs, &mut |bytes| transcript.take(bytes));
    let result = result.map_err(|error| BuildError::of_runner(error, id, &name))?;
    let output = transcript.finish().map_err(failed)?;
    context.store.adopt_log(key, &path)?;
    Ok((result, output))
}
