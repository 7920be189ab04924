//! What is told about a script that failed: the line, the end of its output, files it looked for and did not declare.

use sinter_graph::derivation::{NodeId, Step};
use sinter_graph::digest::ContentKey;
use sinter_graph::step::StepDocument;

use crate::context::Context;
use crate::error::{BuildError, StepFailure};
use crate::failing_line::failing_line;
use crate::runner::StepResult;
use crate::selection;
use crate::undeclared::{self, Candidates, Scene};

/// How much of a failing step's output is shown, in lines.
const TAIL: usize = 20;

/// A script that failed.
pub(super) struct Failed<'a> {
    pub(super) id: NodeId,
    pub(super) step: &'a Step,
    pub(super) document: &'a StepDocument,
    pub(super) key: &'a ContentKey,
    pub(super) result: StepResult,
    /// The end of what it printed.
    pub(super) output: &'a [u8],
}

/// Everything that is known about one failure.
pub(super) fn explain(context: &Context, failed: &Failed<'_>) -> BuildError {
    let Failed { id, step, document, key, result, output } = failed;
    let output = String::from_utf8_lossy(output);
    let line = result.line.or_else(|| failing_line(&output));
    let lines: Vec<&str> = output.lines().collect();
    BuildError::Step(Box::new(StepFailure {
        node: *id,
        name: context.name(*id),
        ending: result.ending,
        timeout_seconds: step.timeout_seconds,
        line,
        tail: lines[lines.len().saturating_sub(TAIL)..].iter().map(|&line| line.to_owned()).collect(),
        log: context.store.log(key).unwrap_or_default(),
        undeclared: undeclared(context, step, document, &output, line),
        full_disk: result.full_disk.clone(),
    }))
}

fn undeclared(
    context: &Context,
    step: &Step,
    document: &StepDocument,
    output: &str,
    line: Option<u32>,
) -> Vec<crate::error::Undeclared> {
    let declared = selection::declared_sources(context, &step.files);
    let sources = context.sources.all(&context.graph);
    let candidates = sources.iter().map(|(input, source)| Candidates {
        input: *input,
        name: &source.name,
        files: source.files.iter().map(|file| &file.path).collect(),
        declared: declared.get(input).cloned().unwrap_or_default(),
    });
    let candidates: Vec<Candidates<'_>> = candidates.collect();
    let scene = Scene { output, script: &document.script, line, workdir: document.workdir.as_str() };
    undeclared::undeclared(&candidates, &scene)
}
