//! `run`: a step.

use std::collections::{BTreeMap, HashSet};

use sinter_graph::derivation::{Files, Script, Step};
use sinter_graph::path::{AbsolutePath, NotAbsolute};
use sinter_lang::diagnostic::{Code, Diagnostic};
use sinter_lang::source::Span;

use super::files::is_whole_source;
use super::formats;
use crate::arguments::Arguments;
use crate::budget::{Outcome, Stop};
use crate::evaluator::Evaluator;
use crate::value::{ScriptText, Value};

impl Evaluator<'_> {
    pub(super) fn run(&mut self, arguments: &Arguments<'_>) -> Outcome<Value> {
        let Some(Value::Script(script)) = arguments.value("script").cloned() else { return Err(Stop) };
        // Every field is looked at before the first fault ends the call.
        let workdir = self.absolute_path(arguments, "workdir");
        let env = self.env(arguments);
        let path = self.search_path(arguments);
        let user = self.user(arguments, "user");
        let keep = self.keep(arguments);
        let drop = self.patterns_of_argument(arguments, "drop");
        let timeout_seconds = self.timeout(arguments);
        let interpreter = self.interpreter(arguments, &script);
        let files = self.step_files(arguments);
        let items = self.merge_items(arguments, "from");
        let workdir = workdir?;
        let from = self.merged(items?, workdir.as_ref(), None, ("from", arguments.span("from")));
        let step = Step {
            from,
            files: files?,
            script: Script { text: script.text.clone(), interpreter: interpreter? },
            env: env?,
            path: path?,
            user: user?,
            workdir,
            keep: keep?,
            drop: drop?.unwrap_or_default(),
            timeout_seconds: timeout_seconds?,
            platform: None,
        };
        let mut origin = self.origin(arguments.call);
        origin.files = arguments.given.contains_key("files").then(|| arguments.span("files"));
        origin.script = Some(script.span);
        origin.lines.clone_from(&script.lines);
        let name = self.name.clone();
        Ok(Value::Tree(self.builder.add(&name, step.into(), origin)))
    }

    fn step_files(&mut self, arguments: &Arguments<'_>) -> Outcome<Vec<Files>> {
        let mut all: Vec<Files> = Vec::new();
        let mut known: HashSet<Files> = HashSet::new();
        for (index, value) in arguments.items("files").iter().enumerate() {
            if is_whole_source(value) {
                self.warn_of_whole_source(arguments.item_span("files", index));
            }
            let files = value.to_files().ok_or(Stop)?;
            if known.insert(files.clone()) {
                all.push(files);
            }
        }
        Ok(all)
    }

    fn keep(&mut self, arguments: &Arguments<'_>) -> Outcome<Option<sinter_graph::pattern::Patterns>> {
        let keep = self.patterns_of_argument(arguments, "keep")?;
        if keep.as_ref().is_some_and(|patterns| patterns.include().is_empty()) {
            let report = Diagnostic::error(Code("E0403"), arguments.span("keep"), "`keep` names nothing to keep");
            return self.fail(report.help("leave it out to keep everything the script writes"));
        }
        Ok(keep)
    }

    fn timeout(&mut self, arguments: &Arguments<'_>) -> Outcome<Option<u64>> {
        let Some(text) = arguments.text("timeout") else { return Ok(None) };
        match formats::duration(&text) {
            Ok(nanos) => Ok(Some(nanos.div_ceil(1_000_000_000))),
            Err(reason) => self.wrong(arguments.span("timeout"), &text, reason),
        }
    }

    fn interpreter(&mut self, arguments: &Arguments<'_>, script: &ScriptText) -> Outcome<Vec<String>> {
        if let Some(words) = arguments.texts("shell") {
            return self.words(arguments, "shell", words);
        }
        if script.text.starts_with("#!") {
            return Ok(Vec::new());
        }
        let words: &[&str] = match script.tag.as_str() {
            "bash" => &["bash", "-euo", "pipefail"],
            "python" => &["python3"],
            _ => &["sh", "-eu"],
        };
        Ok(words.iter().map(|word| (*word).to_owned()).collect())
    }

    /// A command: at least one word, the first not empty, none with a NUL.
    pub(super) fn words(&mut self, arguments: &Arguments<'_>, name: &str, words: Vec<String>) -> Outcome<Vec<String>> {
        let span = arguments.span(name);
        if words.first().is_none_or(String::is_empty) {
            let message = format!("`{name}` names no program");
            return self.fail(Diagnostic::error(Code("E0413"), span, message).help("leave it out, or name one"));
        }
        self.no_nul(words.iter().map(String::as_str), span)?;
        Ok(words)
    }

    pub(super) fn no_nul<'t>(&mut self, mut texts: impl Iterator<Item = &'t str>, span: Span) -> Outcome<()> {
        if texts.any(|text| text.contains('\0')) {
            return self.fail(Diagnostic::error(
                Code("E0412"),
                span,
                "a NUL byte cannot stand in an argument or variable",
            ));
        }
        Ok(())
    }

    pub(super) fn absolute_path(&mut self, arguments: &Arguments<'_>, name: &str) -> Outcome<Option<AbsolutePath>> {
        let Some(text) = arguments.text(name) else { return Ok(None) };
        self.absolute(&text, arguments.span(name)).map(Some)
    }

    pub(super) fn absolute(&mut self, text: &str, span: Span) -> Outcome<AbsolutePath> {
        AbsolutePath::normalized(text).or_else(|NotAbsolute { reason, .. }| {
            let report = Diagnostic::error(Code("E0410"), span, format!("{text:?} is not an absolute path: {reason}"));
            let plain = !text.is_empty() && !text.contains("..") && !text.contains('\0');
            self.fail(if plain { report.help(format!("perhaps `/{text}`")) } else { report })
        })
    }

    /// `path = [...]`.
    pub(super) fn search_path(&mut self, arguments: &Arguments<'_>) -> Outcome<Vec<AbsolutePath>> {
        let mut directories = Vec::new();
        for (index, text) in arguments.texts("path").unwrap_or_default().iter().enumerate() {
            let span = arguments.item_span("path", index);
            if text.contains(':') {
                return self.wrong(span, text, "each directory is an item of the list, and none has a `:`");
            }
            directories.push(self.absolute(text, span)?);
        }
        Ok(directories)
    }

    /// `env = { ... }`.
    pub(super) fn env(&mut self, arguments: &Arguments<'_>) -> Outcome<BTreeMap<String, String>> {
        let mut env = BTreeMap::new();
        let mut wrong = None;
        for (name, value) in arguments.map("env") {
            let span = arguments.entry_span("env", &name);
            let checked = match formats::variable(&name) {
                Err(reason) => self.wrong(span, &name, reason),
                Ok(()) if names_path(&value) => self.fail(path_in_env(arguments, &name, &value, span)),
                Ok(()) => self.no_nul(std::iter::once(value.as_str()), span),
            };
            wrong = wrong.or(checked.err());
            env.insert(name, value);
        }
        wrong.map_or(Ok(env), Err)
    }
}

/// Whether a text means the inherited PATH, which nothing would insert.
fn names_path(value: &str) -> bool {
    let tail = value.find("$PATH").map(|at| &value[at + "$PATH".len()..]);
    let word = tail.is_some_and(|tail| !tail.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    word || value.contains("${PATH}")
}

fn path_in_env(arguments: &Arguments<'_>, name: &str, value: &str, span: Span) -> Diagnostic {
    let message = format!("`$PATH` in `{name}` stays as it is written: no shell reads `env`");
    let report = Diagnostic::error(Code("E0414"), span, message);
    if name != "PATH" {
        return report.help("set the variable in the script, where the shell knows PATH");
    }
    let before = value.split("$PATH").next().and_then(|text| text.split("${PATH}").next()).unwrap_or_default();
    let directories: Vec<String> =
        before.split(':').filter(|part| !part.is_empty()).map(|part| format!("\"{part}\"")).collect();
    let written = format!("path = [{}]", directories.join(", "));
    let report = report.help(format!("write `{written}`: these go before the inherited PATH"));
    let only = arguments.map("env").len() == 1 && !arguments.given.contains_key("path");
    match arguments.given.get("env").filter(|given| only && given.whole != given.expr.range) {
        Some(given) => report.fix(format!("write `{written}`"), given.whole, written),
        None => report,
    }
}
