//! A world of texts, and graphs as text.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sinter_eval::{Evaluation, Settings, World, evaluate};
use sinter_graph::derivation::{Derivation, Files, Graph, Input, Item, TargetValue};
use sinter_graph::pattern::Patterns;
use sinter_lang::diagnostic::Diagnostic;
use sinter_lang::source::{LineIndex, Span};

/// Files by path.
#[derive(Default)]
pub(crate) struct Texts(pub(crate) BTreeMap<String, String>);

impl World for Texts {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }
}

/// Evaluates `main.build` of some texts on linux/amd64.
pub(crate) fn run(texts: &Texts, parameters: BTreeMap<String, String>) -> Evaluation {
    let platform = "linux/amd64".parse().expect("a platform");
    evaluate(texts, "main.build", &Settings { parameters, platform })
}

/// Evaluates one text.
pub(crate) fn run_text(text: &str) -> Evaluation {
    run(&Texts(BTreeMap::from([("main.build".to_owned(), text.to_owned())])), BTreeMap::new())
}

/// `3:5`, or `lib.build:3:5` in another file than the root.
pub(crate) fn place(evaluation: &Evaluation, span: Span) -> String {
    let Some(file) = evaluation.file(span.file) else { return "nowhere".to_owned() };
    let (line, column) = LineIndex::new(&file.text).line_column(span.range.start);
    let position = format!("{}:{}", line + 1, column + 1);
    if span.file.0 == 0 { position } else { format!("{}:{position}", file.path) }
}

/// One line per diagnostic, and one per fix.
pub(crate) fn diagnostics(evaluation: &Evaluation) -> Vec<String> {
    evaluation.diagnostics.iter().flat_map(|report| diagnostic(evaluation, report)).collect()
}

fn diagnostic(evaluation: &Evaluation, report: &Diagnostic) -> Vec<String> {
    let mut lines = vec![format!("{} {} {}", report.code.0, place(evaluation, report.primary.span), report.message)];
    for label in &report.secondary {
        let file = evaluation.file(label.span.file).expect("a known file");
        let at = if file.is_std { file.path.clone() } else { place(evaluation, label.span) };
        lines.push(format!("  at {at} {}", label.text));
    }
    lines.extend(report.help.iter().map(|help| format!("  help {help}")));
    lines.extend(report.fixes.iter().flat_map(|fix| &fix.edits).map(|(span, text)| {
        let file = evaluation.file(span.file).expect("a known file");
        format!("  fix {:?} -> {text:?}", &file.text[span.range.as_range()])
    }));
    lines
}

/// The graph as text, one line per input, node and target, and more lines for what they hold.
pub(crate) fn graph(graph: &Graph) -> Vec<String> {
    let mut lines = Vec::new();
    for input in &graph.inputs {
        lines.push(match &input.input {
            Input::Directory { path } => format!("input {} = dir {path:?}", input.name),
            Input::Debian { suite, packages } => format!("input {} = debian {suite} {packages:?}", input.name),
            Input::Pull { image } => format!("input {} = pull {image}", input.name),
        });
    }
    for node in &graph.nodes {
        lines.push(format!("{} = {}", node.name, derivation(graph, &node.derivation)));
    }
    for target in &graph.targets {
        let value = match &target.value {
            TargetValue::Node(id) => graph.node(*id).name.clone(),
            TargetValue::Files(value) => files(graph, value),
        };
        lines.push(format!("target {} = {value}", target.name));
    }
    lines
}

fn derivation(graph: &Graph, derivation: &Derivation) -> String {
    match derivation {
        Derivation::Pull(input) => format!("pull {}", graph.input(*input).name),
        Derivation::Unpack(unpack) => format!("unpack {} system={}", graph.input(unpack.packages).name, unpack.system),
        Derivation::Merge(merge) => {
            let items: Vec<String> = merge
                .items
                .iter()
                .map(|item| match item {
                    Item::Tree(id) => graph.node(*id).name.clone(),
                    Item::Files(value) => files(graph, value),
                })
                .collect();
            format!("merge [{}]{}", items.join(", "), optional("workdir", merge.workdir.as_ref()))
        }
        Derivation::Image(image) => {
            let mut text = "image".to_owned();
            text += &optional("tree", image.tree.map(|id| &graph.node(id).name));
            text += &optional("from", image.configuration_from.map(|id| &graph.node(id).name));
            let fields = format!("{:?}", image.fields);
            let default = format!("{:?}", sinter_graph::config::ImageFields::default());
            if fields != default {
                write!(text, " {}", said(&fields)).expect("writing to a string");
            }
            text
        }
        Derivation::Step(step) => {
            let mut text = "run".to_owned();
            text += &optional("from", step.from.map(|id| &graph.node(id).name));
            if !step.files.is_empty() {
                let all: Vec<String> = step.files.iter().map(|value| files(graph, value)).collect();
                write!(text, " files=[{}]", all.join(", ")).expect("writing to a string");
            }
            if !step.env.is_empty() {
                write!(text, " env={:?}", step.env).expect("writing to a string");
            }
            if !step.path.is_empty() {
                write!(text, " path={:?}", step.path).expect("writing to a string");
            }
            text += &optional("user", step.user.as_ref());
            text += &optional("workdir", step.workdir.as_ref());
            if let Some(keep) = &step.keep {
                write!(text, " keep={}", patterns(keep)).expect("writing to a string");
            }
            if !step.drop.is_everything() {
                write!(text, " drop={}", patterns(&step.drop)).expect("writing to a string");
            }
            text += &optional("timeout", step.timeout_seconds.as_ref());
            let script: String = step.script.text.chars().take(90).collect();
            write!(text, " {:?} {script:?}", step.script.interpreter).expect("writing to a string");
            text
        }
    }
}

/// The fields of an image that are not empty.
fn said(fields: &str) -> String {
    let inner = fields.trim_start_matches("ImageFields { ").trim_end_matches(" }");
    let empty = [
        "env: {}, ",
        "path: [], ",
        "labels: {}, ",
        "user: None, ",
        "workdir: None, ",
        "entrypoint: None, ",
        "cmd: None, ",
        "expose: None, ",
        "volumes: None, ",
        "stop_signal: None, ",
        ", healthcheck: None",
    ];
    empty.iter().fold(inner.to_owned(), |text, piece| text.replace(piece, ""))
}

fn optional(name: &str, value: Option<&impl ToString>) -> String {
    value.map_or_else(String::new, |value| format!(" {name}={}", value.to_string()))
}

fn patterns(patterns: &Patterns) -> String {
    let excludes = patterns.exclude().iter().map(|pattern| format!("!{pattern}"));
    let all: Vec<String> = patterns.include().iter().cloned().chain(excludes).collect();
    format!("[{}]", all.join(" "))
}

fn files(graph: &Graph, value: &Files) -> String {
    match value {
        Files::Source { input, patterns: p } => format!("{}{}", graph.input(*input).name, patterns(p)),
        Files::Tree { tree, patterns: p } => format!("{}{}", graph.node(*tree).name, patterns(p)),
        Files::Literal { path, text, mode } => {
            format!("file({path:?} {text:?}{})", optional("mode", mode.map(|mode| format!("{mode:o}")).as_ref()))
        }
        Files::Place { what, to, mode, owner } => {
            let mode = optional("mode", mode.map(|mode| format!("{mode:o}")).as_ref());
            format!("place({} to={to}{mode}{})", files(graph, what), optional("owner", owner.as_ref()))
        }
        Files::Sub { what, directory } => format!("sub({} {directory:?})", files(graph, what)),
        Files::Narrow { what, patterns: p } => format!("{}{}", files(graph, what), patterns(p)),
    }
}
