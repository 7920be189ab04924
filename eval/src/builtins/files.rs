//! `place`, `sub`, `file`, and selections.

use std::sync::Arc;

use sinter_graph::derivation::Files;
use sinter_lang::diagnostic::{Code, Diagnostic};
use sinter_lang::source::Span;

use super::formats;
use crate::arguments::Arguments;
use crate::budget::{Outcome, Stop};
use crate::evaluator::Evaluator;
use crate::paths;
use crate::value::Value;

/// Selections of selections deeper than this are refused: whoever reads them recurses.
const DEEPEST: usize = 64;

impl Evaluator<'_> {
    pub(super) fn place(&mut self, arguments: &Arguments<'_>) -> Outcome<Value> {
        let what = self.selection(arguments, "what")?;
        let to = self.place_in_tree(arguments, "to")?;
        let mode = self.mode(arguments)?;
        let owner = self.name_or_number(arguments, "owner", formats::owner)?;
        self.files(Files::Place { what, to, mode, owner }, arguments.call)
    }

    pub(super) fn sub(&mut self, arguments: &Arguments<'_>) -> Outcome<Value> {
        let what = self.selection(arguments, "what")?;
        let directory = self.place_in_tree(arguments, "dir")?;
        let directory = match directory.trim_end_matches('/') {
            "" => "/".to_owned(),
            "." => String::new(),
            normal => normal.to_owned(),
        };
        self.files(Files::Sub { what, directory }, arguments.call)
    }

    pub(super) fn file_of_text(&mut self, arguments: &Arguments<'_>) -> Outcome<Value> {
        let path = self.place_in_tree(arguments, "path")?;
        if path.ends_with('/') {
            let message = format!("`{path}` is a directory, the path of a file is wanted");
            return self.fail(Diagnostic::error(Code("E0410"), arguments.span("path"), message));
        }
        let text = arguments.text("text").ok_or(Stop)?.into();
        let mode = self.mode(arguments)?;
        self.files(Files::Literal { path, text, mode }, arguments.call)
    }

    /// A selection as a value.
    pub(crate) fn files(&mut self, files: Files, span: Span) -> Outcome<Value> {
        if depth(&files) > DEEPEST {
            let message = format!("selections are nested more than {DEEPEST} deep");
            return self.fail(Diagnostic::error(Code("E0420"), span, message));
        }
        Ok(Value::Files(Arc::new(files)))
    }

    fn selection(&mut self, arguments: &Arguments<'_>, name: &str) -> Outcome<Arc<Files>> {
        let value = arguments.value(name).ok_or(Stop)?;
        if is_whole_source(value) {
            self.warn_of_whole_source(arguments.span(name));
        }
        value.to_files().map(Arc::new).ok_or(Stop)
    }

    /// Warns that a source without a selection makes every change of every file count.
    pub(super) fn warn_of_whole_source(&mut self, span: Span) {
        let message = "all files of this source are taken, so a change of any of them counts";
        let report = Diagnostic::warning(Code("W0401"), span, message);
        self.report(report.help("select what is needed: `source[\"path\", \"directory\"]`"));
    }

    fn place_in_tree(&mut self, arguments: &Arguments<'_>, name: &str) -> Outcome<String> {
        let text = arguments.text(name).ok_or(Stop)?;
        paths::place(&text).or_else(|reason| {
            let message = format!("{text:?} is not a place in a tree: {reason}");
            self.fail(Diagnostic::error(Code("E0410"), arguments.span(name), message))
        })
    }

    fn mode(&mut self, arguments: &Arguments<'_>) -> Outcome<Option<u32>> {
        let Some(text) = arguments.text("mode") else { return Ok(None) };
        match formats::mode(&text) {
            Ok(mode) => Ok(Some(mode)),
            Err(reason) => self.wrong(arguments.span("mode"), &text, reason),
        }
    }

    /// Reports a text that has not the form it needs.
    pub(super) fn wrong<T>(&mut self, span: Span, text: &str, reason: &str) -> Outcome<T> {
        self.fail(Diagnostic::error(Code("E0413"), span, format!("{text:?} does not fit here: {reason}")))
    }

    pub(super) fn user(&mut self, arguments: &Arguments<'_>, name: &str) -> Outcome<Option<String>> {
        self.name_or_number(arguments, name, formats::user)
    }

    fn name_or_number(
        &mut self,
        arguments: &Arguments<'_>,
        name: &str,
        check: fn(&str) -> Result<(), &'static str>,
    ) -> Outcome<Option<String>> {
        let Some(text) = arguments.text(name) else { return Ok(None) };
        match check(&text) {
            Ok(()) => Ok(Some(text)),
            Err(reason) => self.wrong(arguments.span(name), &text, reason),
        }
    }
}

/// Whether a value is a source without a selection.
pub(super) fn is_whole_source(value: &Value) -> bool {
    matches!(value, Value::Source(_))
}

fn depth(mut files: &Files) -> usize {
    let mut depth = 1;
    while let Files::Place { what, .. } | Files::Sub { what, .. } | Files::Narrow { what, .. } = files {
        files = what;
        depth += 1;
    }
    depth
}
