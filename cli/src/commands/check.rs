//! `sinter check`: everything that can be known without running anything.

use sinter_executor::check_sources;
use sinter_lang::diagnostic::Diagnostic;

use crate::arguments::Check;
use crate::console;
use crate::diagnose::diagnose;
use crate::failure::Failure;
use crate::project::Project;
use crate::render::text::counted;

pub(crate) fn run(arguments: &Check) -> Result<(), Failure> {
    let project = Project::open(&arguments.selection.words, &arguments.selection.parameters)?;
    let diagnostics = source_diagnostics(&project)?;
    project.report(&diagnostics)?;
    project.targets()?;
    let graph = &project.evaluation.graph;
    let (targets, inputs) = (counted(graph.targets.len(), "target"), counted(graph.inputs.len(), "input"));
    console::data(&format!("{}: {targets}, {inputs}", project.file.display()))
}

/// Patterns that match nothing, if the file is otherwise right.
pub(crate) fn source_diagnostics(project: &Project) -> Result<Vec<Diagnostic>, Failure> {
    if project.evaluation.has_errors() {
        return Ok(vec![]);
    }
    let errors = check_sources(&project.evaluation.graph, &project.work_tree)
        .map_err(|error| Failure::build(&error, project))?;
    let mut found = Vec::new();
    for error in errors {
        match diagnose(&error, project) {
            Some(diagnostic) => found.push(diagnostic),
            None => return Err(Failure::build(&error, project)),
        }
    }
    Ok(found)
}
