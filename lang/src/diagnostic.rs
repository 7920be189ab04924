//! Diagnostics as plain data. The terminal, the editor and JSON are renderers of this type and live elsewhere.

use crate::source::{Span, TextRange};

/// A stable code, for instance `E0201`. `sinter explain` has a page for each.
///
/// `E01xx` syntax, `E02xx` names, `E03xx` types, `E04xx` inputs and patterns, `E05xx` lock, `E06xx` execution,
/// `E07xx` assembly, `E09xx` not supported yet, `W` warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is built.
    Error,
    /// Never changes an exit code.
    Warning,
}

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A short text under it; may be empty.
    pub text: String,
}

/// An edit that repairs the fault, certain enough for a machine to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, for a menu.
    pub title: String,
    /// The replaced range and the new text.
    pub edits: Vec<(Span, String)>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in the user's words, one line, lower case, no full stop.
    pub message: String,
    /// Where.
    pub primary: Label,
    /// Other places that explain it, also in other files.
    pub secondary: Vec<Label>,
    /// The next step, if one is likely.
    pub help: Vec<String>,
    /// Edits that repair it.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            help: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// The text under the primary place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Another place.
    #[must_use]
    pub fn with_place(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// The next step.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// An edit of one range of the primary file.
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, range: TextRange, replacement: impl Into<String>) -> Self {
        let span = Span { file: self.primary.span.file, range };
        self.fixes.push(Fix { title: title.into(), edits: vec![(span, replacement.into())] });
        self
    }
}
