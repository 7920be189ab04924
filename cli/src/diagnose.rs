//! Errors of the executor get their place in the `.build` file.
//!
//! They say which derivation they are about; where that was written is known to the project.

use std::sync::Arc;

use sinter_executor::{BuildError, StepFailure, Undeclared};
use sinter_graph::derivation::NodeId;
use sinter_lang::diagnostic::{Code, Diagnostic};
use sinter_lang::source::{Span, TextRange};

use crate::failure::{Failure, LastLines, Placed, What};
use crate::project::Project;

impl Failure {
    /// A build that did not succeed.
    pub(crate) fn build(error: &BuildError, project: &Project) -> Self {
        let class = error.class();
        if let Some(placed) = placed(error, project) {
            return Self { class, what: What::Placed(placed), help: vec![] };
        }
        let (lines, help) = match error {
            BuildError::LockDrift { diff, .. } => (diff.clone(), vec![LOCK_IT.to_owned()]),
            BuildError::Step(failure) => (failure.tail.clone(), vec![]),
            _ => (vec![], vec![]),
        };
        Self { class, what: What::Message(error.to_string(), lines), help }
    }
}

const LOCK_IT: &str = "run `sinter lock` (or `sinter build` without --locked and CI) and commit sinter.lock";

fn placed(error: &BuildError, project: &Project) -> Option<Placed> {
    let texts = Arc::clone(&project.texts);
    let BuildError::Step(failure) = error else {
        return Some(Placed { diagnostic: Box::new(diagnose(error, project)?), texts, output: None });
    };
    let output = Some(LastLines { step: failure.name.clone(), lines: failure.tail.clone() });
    Some(Placed { diagnostic: Box::new(step_diagnostic(failure, project)?), texts, output })
}

/// The error with its place and the next step, if it has a place in a file.
pub(crate) fn diagnose(error: &BuildError, project: &Project) -> Option<Diagnostic> {
    let (code, span) = place(error, project)?;
    let diagnostic = Diagnostic::error(Code(code), span, error.to_string());
    Some(match error {
        BuildError::NoMatch { suggestion: Some(suggestion), .. } => diagnostic.help(suggestion.clone()),
        BuildError::Placement { source, .. } => match source.help() {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        },
        BuildError::NothingKept { .. } => {
            diagnostic.help("patterns without a leading `/` are relative to the working directory of the step")
        }
        BuildError::NoSuchUser { .. } => {
            diagnostic.help("make the account in a step below (for instance with useradd), or use a number")
        }
        BuildError::Merge { source, .. } => match source.help() {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        },
        _ => diagnostic,
    })
}

fn place(error: &BuildError, project: &Project) -> Option<(&'static str, Span)> {
    let call = |node: &NodeId| project.place_of(*node);
    let (code, span) = match error {
        BuildError::NoMatch { node, pattern, .. } => {
            ("E0430", node.and_then(|node| pattern_span(project, node, pattern)))
        }
        BuildError::BadPattern { node, pattern, .. } => {
            ("E0431", node.and_then(|node| pattern_span(project, node, pattern)))
        }
        BuildError::Debian { input: Some(input), .. }
        | BuildError::Unresolved { input }
        | BuildError::Image { input, .. }
        | BuildError::Unpinnable { input, .. } => ("E0432", input_span(project, input)),
        BuildError::Sandbox { node, .. } => ("E0602", call(node)),
        BuildError::Capture { node, .. } => ("E0603", call(node)),
        BuildError::NothingKept { node, pattern, .. } => ("E0604", pattern_span(project, *node, pattern)),
        BuildError::NoSuchUser { node, .. } | BuildError::UnmappedUser { node, .. } => ("E0605", call(node)),
        BuildError::Merge { node, .. } => ("E0701", call(node)),
        BuildError::Placement { node, .. } => ("E0702", call(node)),
        BuildError::Configuration(clash) => ("E0703", call(&clash.node)),
        BuildError::Assembly { node, .. } => ("E0704", call(node)),
        // `step_diagnostic` knows more about it.
        BuildError::Step(_) => return None,
        // Not about a place of a file: the lock, a destination, the machine, or sinter itself.
        BuildError::LockUnreadable { .. }
        | BuildError::LockUnwritable { .. }
        | BuildError::Lock { .. }
        | BuildError::LockDrift { .. }
        | BuildError::Debian { input: None, .. }
        | BuildError::Directory(_)
        | BuildError::Store(_)
        | BuildError::Fs(_)
        | BuildError::View(_)
        | BuildError::Export(_)
        | BuildError::Output(_)
        | BuildError::Destination { .. }
        | BuildError::Push { .. }
        | BuildError::NotAnImage { .. }
        | BuildError::Runtime { .. }
        | BuildError::FewDescriptors { .. }
        | BuildError::Runner { .. }
        | BuildError::Revoked { .. }
        | BuildError::Stopped
        | BuildError::Panicked { .. } => return None,
    };
    Some((code, span?))
}

fn input_span(project: &Project, name: &str) -> Option<Span> {
    let graph = &project.evaluation.graph;
    let id = graph.input_ids().find(|&id| graph.input(id).name == name)?;
    project.evaluation.origins.input(id)
}

/// The string that is the pattern, within the call that made the node.
fn pattern_span(project: &Project, node: NodeId, pattern: &str) -> Option<Span> {
    let origins = &project.evaluation.origins;
    let whole = project.place_of(node)?;
    let found = [origins.files_field(node), Some(whole)].into_iter().flatten().find_map(|span| {
        let file = project.texts.iter().find(|file| file.id == span.file)?;
        let text = file.text.get(span.range.as_range())?;
        let quoted = format!("\"{pattern}\"");
        let start = span.range.start + u32::try_from(text.find(&quoted)?).ok()?;
        Some(Span { file: span.file, range: TextRange::new(start, start + u32::try_from(quoted.len()).ok()?) })
    });
    found.or(Some(whole))
}

fn step_diagnostic(failure: &StepFailure, project: &Project) -> Option<Diagnostic> {
    let origins = &project.evaluation.origins;
    let line = failure.undeclared.iter().find_map(|file| file.line).or(failure.line);
    let at_line = line.and_then(|line| origins.script_line(failure.node, line as usize));
    let span = at_line.or_else(|| project.place_of(failure.node))?;
    let label = if at_line.is_some() { "this line failed" } else { "this step" };
    let mut diagnostic =
        Diagnostic::error(Code("E0601"), span, format!("step `{}` {}", failure.name, failure.ending)).label(label);
    for file in &failure.undeclared {
        diagnostic = undeclared(diagnostic, file, failure.node, project);
    }
    if let Some(full) = &failure.full_disk {
        diagnostic = diagnostic.help(format!(
            "the likely cause: {full}; make room there, or keep the store on another disk with --store or SINTER_STORE"
        ));
    }
    Some(diagnostic.help(format!("the whole output is in {}", failure.log.display())))
}

fn undeclared(diagnostic: Diagnostic, file: &Undeclared, node: NodeId, project: &Project) -> Diagnostic {
    let Undeclared { input_name, path, .. } = file;
    let diagnostic = diagnostic
        .help(format!("`{path}` exists in `{input_name}`, but the step does not declare it, so it cannot see it"));
    let Some(span) = project.evaluation.origins.files_field(node) else {
        return diagnostic.help(format!("declare it: files = {input_name}[\"{path}\"]"));
    };
    let text =
        project.texts.iter().find(|text| text.id == span.file).and_then(|file| file.text.get(span.range.as_range()));
    let changed = text.and_then(|text| with_pattern(text.trim_end(), input_name, path));
    let diagnostic = diagnostic.with_place(span, "what it declares");
    match changed {
        Some(changed) if !changed.contains('\n') => diagnostic.help(format!("declare it: files = {changed}")),
        _ => diagnostic.help(format!("add {input_name}[\"{path}\"] to its `files`")),
    }
}

/// A selection from `input` with one more pattern; `None` if `text` is no single selection from it.
fn with_pattern(text: &str, input: &str, path: &str) -> Option<String> {
    let patterns = text.strip_prefix(input)?.strip_prefix('[')?.strip_suffix(']')?;
    // Every other piece between quotes is inside of a string, where a bracket means nothing.
    if patterns.split('"').step_by(2).any(|outside| outside.contains(['[', ']'])) {
        return None;
    }
    let patterns = patterns.trim_end().trim_end_matches(',');
    Some(format!("{input}[{patterns}, \"{path}\"]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pattern_is_added_to_the_right_selection() {
        for (text, changed) in [
            (r#"src["a"]"#, Some(r#"src["a", "new"]"#)),
            (r#"src["a[0-9]", ]"#, Some(r#"src["a[0-9]", "new"]"#)),
            (r#"other["a"]"#, None),
            (r#"src2["a"]"#, None),
            (r#"[src["a"], other["b"]]"#, None),
            (r#"src["a"] + other["b"]"#, None),
            ("src", None),
        ] {
            assert_eq!(with_pattern(text, "src", "new").as_deref(), changed, "{text}");
        }
    }
}
