//! `sinter lock` and `sinter update`: the pins, without building.

use std::collections::BTreeSet;

use sinter_executor::LockRequest;
use sinter_executor::pins::{LockFile, Locking};
use sinter_graph::derivation::{Graph, Input};
use sinter_graph::lock::{DebianQuestion, Lock};
use sinter_graph::platform::Platform;
use sinter_oci::registry::{Environment, Registries};

use crate::arguments;
use crate::commands::environment;
use crate::console;
use crate::failure::Failure;
use crate::project::{self, Project};
use crate::render::plain::Plain;

/// Adds what the lock lacks.
pub(crate) fn lock(arguments: &arguments::Lock) -> Result<(), Failure> {
    let project = Project::open(&arguments.selection.words, &arguments.selection.parameters)?;
    project.report(&[])?;
    let (file, conflicted) =
        LockFile::read_resolving(&project.lock_path()).map_err(|error| Failure::build(&error, &project))?;
    let new = resolved(&project, &project.evaluation.graph, &file, &arguments.resources)?;
    let added = file.lock.diff(&new);
    if conflicted || file.lock != new {
        if arguments.check {
            return Err(Failure::lock_differs(&added));
        }
        file.write(&new).map_err(|error| Failure::build(&error, &project))?;
    }
    added.iter().try_for_each(|line| console::data(line))
}

/// Asks again for what the lock pins already.
pub(crate) fn update(arguments: &arguments::Update) -> Result<(), Failure> {
    let project = Project::open(&arguments.words, &[])?;
    project.report(&[])?;
    let old = LockFile::read(&project.lock_path()).map_err(|error| Failure::build(&error, &project))?;
    let mut kept = old.lock.clone();
    let mut graph = project.evaluation.graph.clone();
    let asked = asked(&project)?;
    for image in asked.iter().filter_map(|input| match input {
        Input::Pull { image } => Some(image),
        _ => None,
    }) {
        kept.pull.remove(&image.to_string());
    }
    for suite in suites(&asked) {
        // Closures of one suite must fit together, also those that other files of the work tree ask for.
        for question in old.lock.debian.questions().filter(|question| question.suite == suite) {
            let input = Input::Debian { suite: suite.clone(), packages: question.packages.clone() };
            graph.intern_input(&question.to_string(), input);
        }
        kept.debian.forget_suite(&suite);
    }
    let fresh = LockFile { path: old.path.clone(), lock: kept };
    let new = resolved(&project, &graph, &fresh, &arguments.resources)?;
    if !arguments.dry_run && new != old.lock {
        old.write(&new).map_err(|error| Failure::build(&error, &project))?;
    }
    old.lock.diff(&new).iter().try_for_each(|line| console::data(line))
}

/// The named inputs, all of them if none was named.
fn asked(project: &Project) -> Result<Vec<Input>, Failure> {
    let inputs = &project.evaluation.graph.inputs;
    let known: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    if let Some(unknown) = project.words.iter().find(|word| !known.contains(&word.as_str())) {
        return Err(project::unknown_name("input", unknown, &known, &project.file));
    }
    let asked = inputs.iter().filter(|input| project.words.is_empty() || project.words.contains(&input.name));
    Ok(asked.map(|input| input.input.clone()).collect())
}

fn suites(inputs: &[Input]) -> BTreeSet<String> {
    let suite = |input: &Input| match input {
        Input::Debian { suite, packages } => Some(DebianQuestion::new(suite, packages).suite),
        Input::Directory { .. } | Input::Pull { .. } => None,
    };
    inputs.iter().filter_map(suite).collect()
}

/// The lock with every pin that `graph` asks for. Writes nothing.
fn resolved(
    project: &Project,
    graph: &Graph,
    file: &LockFile,
    resources: &arguments::Resources,
) -> Result<Lock, Failure> {
    let store = environment::store(resources.store.as_ref())?;
    sinter_sandbox::enter_user_namespace().map_err(|error| Failure::sandbox(&error))?;
    let request = LockRequest {
        graph,
        file,
        locking: Locking::Compare,
        platform: &Platform::native(),
        store: &store,
        mirrors: environment::mirrors(resources)?,
        registries: &Registries::new(Environment::of_process(), resources.offline),
        work_tree: project.work_tree.root(),
        offline: resources.offline,
    };
    sinter_executor::lock(request, &Plain::default()).map_err(|error| Failure::build(&error, project))
}
