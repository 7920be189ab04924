//! Every way to fail, with what is shown and which exit code follows.
//!
//! Errors of the executor say which derivation they are about; here they get their place in the `.build` file.

use sinter_executor::{BuildError, StepFailure, Undeclared};
use sinter_graph::ErrorClass;
use sinter_graph::derivation::NodeId;
use sinter_lang::diagnostic::{Code, Diagnostic};
use sinter_lang::source::{Span, TextRange};
use sinter_oci::DestinationError;
use sinter_sandbox::SandboxError;
use sinter_source::directory::DirectoryError;

use crate::console;
use crate::project::Project;
use crate::render::diagnostics::Renderer;

/// A command that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    class: ErrorClass,
    /// What is still to be shown; `None` if it has been.
    text: Option<String>,
}

impl Failure {
    /// The command line or the file is wrong.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::plain(ErrorClass::User, &message.into(), &[help.into()])
    }

    /// The machine is in the way.
    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Self::plain(ErrorClass::Environment, &message.into(), &[])
    }

    /// A work tree cannot be read.
    pub(crate) fn directory(error: DirectoryError) -> Self {
        Self::plain(error.class(), &error.to_string(), &[])
    }

    /// The machine cannot make sandboxes.
    pub(crate) fn sandbox(error: &SandboxError) -> Self {
        Self::plain(error.class(), &error.to_string(), &[])
    }

    /// A destination that is none.
    pub(crate) fn destination(error: &DestinationError) -> Self {
        Self::plain(error.class(), &error.to_string(), &[])
    }

    /// Diagnostics of the file, which have been shown.
    pub(crate) fn reported() -> Self {
        Self { class: ErrorClass::User, text: None }
    }

    /// The lock would change.
    pub(crate) fn lock_differs(diff: &[String]) -> Self {
        Self::plain(
            ErrorClass::Lock,
            &with_lines("sinter.lock does not match", diff),
            &["run `sinter lock`".to_owned()],
        )
    }

    /// A build that did not succeed.
    pub(crate) fn build(error: &BuildError, project: &Project) -> Self {
        let class = error.class();
        if let BuildError::Step(failure) = error {
            return Self { class, text: Some(step_text(failure, project)) };
        }
        match diagnose(error, project) {
            Some(diagnostic) => Self { class, text: Some(Renderer::for_stderr().render(&project.texts, &diagnostic)) },
            None => Self::plain(class, &message(error), &help(error)),
        }
    }

    /// Whose fault it is.
    pub(crate) fn class(&self) -> ErrorClass {
        self.class
    }

    /// Says what happened on standard error.
    pub(crate) fn show(&self) {
        if let Some(text) = &self.text {
            console::say(text);
        }
    }

    fn plain(class: ErrorClass, message: &str, help: &[String]) -> Self {
        let mut text = format!("error: {message}\n");
        for line in help {
            text.push_str(&format!("  help: {line}\n"));
        }
        if class == ErrorClass::Internal {
            text.push_str("  help: this is a bug in sinter; please report it with the command and the .build file\n");
        }
        Self { class, text: Some(text) }
    }
}

fn with_lines(head: &str, lines: &[String]) -> String {
    lines.iter().fold(format!("{head}:"), |text, line| text + "\n    " + line)
}

fn message(error: &BuildError) -> String {
    match error {
        BuildError::LockDrift { diff, .. } => with_lines(&error.to_string(), diff),
        _ => error.to_string(),
    }
}

fn help(error: &BuildError) -> Vec<String> {
    match error {
        BuildError::LockDrift { .. } => {
            vec!["run `sinter lock` (or `sinter build` without --locked and CI) and commit sinter.lock".to_owned()]
        }
        _ => vec![],
    }
}

/// The error with its place and the next step, if it has a place in a file.
pub(crate) fn diagnose(error: &BuildError, project: &Project) -> Option<Diagnostic> {
    let (code, span) = place(error, project)?;
    let diagnostic = Diagnostic::error(Code(code), span, message(error));
    Some(match error {
        BuildError::NoMatch { suggestion: Some(suggestion), .. } => diagnostic.help(suggestion.clone()),
        BuildError::NothingKept { .. } => {
            diagnostic.help("patterns without a leading `/` are relative to the working directory of the step")
        }
        BuildError::NoSuchUser { .. } => {
            diagnostic.help("make the account in a step below (for instance with useradd), or use a number")
        }
        BuildError::Merge { .. } => {
            diagnostic.help("make one of the steps stand on the other, or narrow what they add with `keep` or `drop`")
        }
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
        BuildError::Debian { input: Some(input), .. } => ("E0432", input_span(project, input)),
        BuildError::Sandbox { node, .. } => ("E0602", call(node)),
        BuildError::Capture { node, .. } => ("E0603", call(node)),
        BuildError::NothingKept { node, pattern, .. } => ("E0604", pattern_span(project, *node, pattern)),
        BuildError::NoSuchUser { node, .. } => ("E0605", call(node)),
        BuildError::Merge { node, .. } => ("E0701", call(node)),
        BuildError::Placement { node, .. } => ("E0702", call(node)),
        BuildError::Configuration(clash) => ("E0703", call(&clash.node)),
        BuildError::Assembly { node, .. } => ("E0704", call(node)),
        _ => return None,
    };
    Some((code, span?))
}

fn input_span(project: &Project, name: &str) -> Option<Span> {
    let index = project.evaluation.graph.inputs.iter().position(|input| input.name == name)?;
    let id = sinter_graph::derivation::InputId(u32::try_from(index).ok()?);
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

/// A failing step: the last lines it wrote, then the line that failed, then what it seems to have missed.
fn step_text(failure: &StepFailure, project: &Project) -> String {
    let mut text = String::new();
    if !failure.tail.is_empty() {
        text.push_str(&format!("the last lines of `{}`:\n", failure.name));
        failure.tail.iter().for_each(|line| text.push_str(&format!("  | {line}\n")));
    }
    match step_diagnostic(failure, project) {
        Some(diagnostic) => text.push_str(&Renderer::for_stderr().render(&project.texts, &diagnostic)),
        None => text.push_str(&format!("error: step `{}` {}\n", failure.name, failure.ending)),
    }
    text
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
