//! `sinter build`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinter_executor::pins::Locking;
use sinter_executor::runner::{ApartRunner, LocalRunner, Runner, RunnerProgram};
use sinter_executor::{BuildError, Report, Request};
use sinter_graph::platform::Platform;
use sinter_oci::Destination;
use sinter_oci::registry::{Environment, Registries};
use sinter_store::Store;

use crate::arguments::{Build, ProgressStyle};
use crate::commands::{caches, check, environment};
use crate::console;
use crate::failure::Failure;
use crate::project::Project;
use crate::render::progress::Progress;
use crate::render::{live, plain, text};

pub(crate) fn run(arguments: &Build) -> Result<(), Failure> {
    let destinations = destinations(&arguments.outputs)?;
    let options = &arguments.options;
    let store = environment::store(options.resources.store.as_ref())?;
    let mirrors = environment::mirrors(&options.resources)?;
    let caches = caches::settings(&options.caches)?;
    let project = Project::open(&arguments.selection.words, &arguments.selection.parameters)?;
    project.report(&[])?;
    let targets = project.targets()?;
    one_destination_each(&targets, &destinations)?;
    sinter_oci::check_collisions(&targets, &destinations).map_err(|error| Failure::destination(&error))?;
    let program = environment::own_program()?;
    sinter_executor::raise_descriptor_limit().map_err(|error| Failure::build(&error, &project))?;
    // Before the first thread: a process of several threads may not enter a user namespace.
    sinter_sandbox::enter_user_namespace().map_err(|error| Failure::sandbox(&error))?;
    let runner = runner(program, &store)?;
    let request = Request {
        graph: project.evaluation.graph.clone(),
        targets,
        destinations,
        platform: Platform::native(),
        work_tree: project.work_tree.clone(),
        lock: project.lock_path(),
        locking: if options.locked || environment::is_ci() { Locking::Locked } else { Locking::Add },
        offline: options.resources.offline,
        mirrors,
        caches,
        registries: Registries::new(Environment::of_process(), options.resources.offline),
        store,
        jobs: jobs(options.jobs),
        reload: environment::is_reload(),
        runner,
        elsewhere: None,
    };
    let listener = listener(options.progress);
    let result = sinter_executor::build(request, listener.clone());
    listener.close();
    let report = result.map_err(|error| explained(&error, &project))?;
    show(&report, options.progress)
}

/// A pattern that matches nothing is rarely alone: all of them are shown at once.
fn explained(error: &BuildError, project: &Project) -> Failure {
    match error {
        BuildError::NoMatch { .. } | BuildError::BadPattern { .. } => check::source_diagnostics(project)
            .and_then(|diagnostics| project.report(&diagnostics))
            .err()
            .unwrap_or_else(|| Failure::build(error, project)),
        _ => Failure::build(error, project),
    }
}

fn show(report: &Report, style: ProgressStyle) -> Result<(), Failure> {
    for target in &report.targets {
        console::data(&format!("{} {}", target.name, target.digest))?;
    }
    if style != ProgressStyle::Quiet {
        console::say(&format!("{}\n", text::summary(&report.summary)));
    }
    Ok(())
}

/// Steps run in sandboxes of this machine. A test mode gives the runner a store of its own, which shares nothing with ours.
fn runner(program: PathBuf, store: &Path) -> Result<Arc<dyn Runner>, Failure> {
    let program = RunnerProgram { program, arguments: vec!["runner".to_owned()] };
    let local = LocalRunner::new(program, environment::is_reload());
    if !environment::is_runner_apart() {
        return Ok(Arc::new(local));
    }
    let own = Store::open(&store.with_extension("apart")).map_err(|error| Failure::store(&error))?;
    Ok(Arc::new(ApartRunner::new(local, own)))
}

/// Steps that wait leave their processor to others, so more run than there are processors; those that all want one share
/// them evenly, because each is a session of its own (sched(7), autogroups).
const STEPS_PER_PROCESSOR: usize = 4;

fn jobs(said: Option<u16>) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    said.map_or_else(|| processors() * STEPS_PER_PROCESSOR, usize::from)
}

fn destinations(outputs: &[String]) -> Result<Vec<Destination>, Failure> {
    outputs.iter().map(|output| Destination::parse(output).map_err(|error| Failure::destination(&error))).collect()
}

/// Several targets would overwrite each other at one destination.
fn one_destination_each(targets: &[String], destinations: &[Destination]) -> Result<(), Failure> {
    match destinations.iter().find(|destination| !destination.has_target_placeholder()) {
        Some(destination) if targets.len() > 1 => Err(Failure::usage(
            format!("{} targets would be written to one place, {destination}", targets.len()),
            "put {target} into the destination, or name one target",
        )),
        _ => Ok(()),
    }
}

fn listener(style: ProgressStyle) -> Arc<dyn Progress> {
    match style {
        ProgressStyle::Quiet => Arc::new(plain::Quiet),
        ProgressStyle::Auto if console::can_redraw() => Arc::new(live::Live::new()),
        ProgressStyle::Auto | ProgressStyle::Plain => Arc::new(plain::Plain::default()),
    }
}
