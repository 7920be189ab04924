//! `sinter lock` and `sinter update`: the pins, without building.

use sinter_executor::LockRequest;
use sinter_executor::pins::{LockFile, Locking};
use sinter_graph::derivation::Input;
use sinter_graph::lock::{DebianQuestion, Lock};
use sinter_graph::platform::Platform;

use crate::arguments;
use crate::commands::environment;
use crate::failure::Failure;
use crate::project::{self, Project};
use crate::render::plain::Plain;

/// Adds what the lock lacks.
pub(crate) fn lock(arguments: &arguments::Lock) -> Result<(), Failure> {
    let project = Project::open(&arguments.selection.words, &arguments.selection.parameters)?;
    project.report(&[])?;
    let file = LockFile::read(&project.lock_path()).map_err(|error| Failure::build(&error, &project))?;
    let locking = if arguments.check { Locking::Compare } else { Locking::Add };
    let added = settle(&project, &file, locking, &arguments.environment)?;
    if arguments.check && !added.is_empty() {
        return Err(Failure::lock_differs(&added));
    }
    added.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Asks again for what the lock pins already.
pub(crate) fn update(arguments: &arguments::Update) -> Result<(), Failure> {
    let project = Project::open(&arguments.words, &[])?;
    project.report(&[])?;
    let old = LockFile::read(&project.lock_path()).map_err(|error| Failure::build(&error, &project))?;
    let mut kept = old.lock.clone();
    for suite in suites(&project)? {
        // Closures of one suite must fit together, so they are asked for together.
        kept.debian_releases.remove(&suite);
        kept.debian.retain(|question, _| question.suite != suite);
    }
    let fresh = LockFile { path: old.path.clone(), lock: kept };
    let new = resolved(&project, &fresh, Locking::Compare, &arguments.environment)?;
    old.lock.diff(&new).iter().for_each(|line| println!("{line}"));
    if !arguments.dry_run && new != old.lock {
        old.write(&new).map_err(|error| Failure::build(&error, &project))?;
    }
    Ok(())
}

/// The suites of the named inputs, of all inputs if none was named.
fn suites(project: &Project) -> Result<Vec<String>, Failure> {
    let inputs = &project.evaluation.graph.inputs;
    let known: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    if let Some(unknown) = project.words.iter().find(|word| !known.contains(&word.as_str())) {
        return Err(project::unknown_name("input", unknown, &known, &project.file));
    }
    let asked = inputs.iter().filter(|input| project.words.is_empty() || project.words.contains(&input.name));
    Ok(asked
        .filter_map(|input| match &input.input {
            Input::Debian { suite, packages } => Some(DebianQuestion::new(suite, packages).suite),
            Input::Directory { .. } => None,
        })
        .collect())
}

fn settle(
    project: &Project,
    file: &LockFile,
    locking: Locking,
    environment: &arguments::Environment,
) -> Result<Vec<String>, Failure> {
    let new = resolved(project, file, locking, environment)?;
    Ok(file.lock.diff(&new))
}

fn resolved(
    project: &Project,
    file: &LockFile,
    locking: Locking,
    environment: &arguments::Environment,
) -> Result<Lock, Failure> {
    let store = environment::store(environment.store.as_ref())?;
    sinter_sandbox::enter_user_namespace().map_err(|error| Failure::sandbox(&error))?;
    let request = LockRequest {
        graph: &project.evaluation.graph,
        file,
        locking,
        platform: &Platform::native(),
        store: &store,
        mirrors: environment::mirrors(environment)?,
        offline: environment.offline,
    };
    sinter_executor::lock(request, &Plain::default()).map_err(|error| Failure::build(&error, project))
}
