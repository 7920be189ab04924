//! Diagnostics on a terminal, drawn by miette.
//!
//! miette wants all labels of one report in one source, so places in other files become nested reports.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic as Report, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity as ReportSeverity,
    SourceCode,
};
use sinter_lang::diagnostic::{Diagnostic, Label, Severity};
use sinter_lang::source::FileId;

use crate::console;
use crate::source_text::SourceText;
use crate::visible::{self, Colours};

/// Draws diagnostics for one terminal.
pub(crate) struct Renderer {
    handler: GraphicalReportHandler,
}

impl Renderer {
    /// Colours and width as standard error and the environment want them.
    pub(crate) fn for_stderr() -> Self {
        Self::new(console::colours() == Colours::Kept)
    }

    pub(crate) fn new(colour: bool) -> Self {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_context_lines(1)
            .with_show_related_as_nested(true)
            .with_width(100)
            // The terminal wraps by itself; a path broken in two cannot be copied.
            .with_wrap_lines(false);
        Self { handler }
    }

    /// One diagnostic as text, with a newline at its end.
    pub(crate) fn render(&self, files: &[SourceText], diagnostic: &Diagnostic) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail; an error here means a label outside its file, and then the bare message is
        // still worth more than nothing.
        if self.handler.render_report(&mut text, &DrawnReport::new(files, diagnostic)).is_err() {
            return format!("{}: {}\n", diagnostic.code.0, diagnostic.message);
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

/// A diagnostic in the form miette draws.
struct DrawnReport<'a> {
    diagnostic: Option<&'a Diagnostic>,
    message: String,
    source: Option<NamedSource<Arc<str>>>,
    labels: Vec<LabeledSpan>,
    related: Vec<DrawnReport<'a>>,
}

impl<'a> DrawnReport<'a> {
    fn new(files: &[SourceText], diagnostic: &'a Diagnostic) -> Self {
        let home = diagnostic.primary.span.file;
        let (here, elsewhere): (Vec<&Label>, Vec<&Label>) =
            diagnostic.secondary.iter().partition(|label| label.span.file == home);
        let mut labels = vec![labelled(files, &diagnostic.primary, true)];
        labels.extend(here.into_iter().map(|label| labelled(files, label, false)));
        Self {
            diagnostic: Some(diagnostic),
            message: visible::text(&diagnostic.message),
            source: source(files, home),
            labels,
            related: elsewhere.into_iter().map(|label| Self::elsewhere(files, label)).collect(),
        }
    }

    fn elsewhere(files: &[SourceText], label: &Label) -> Self {
        Self {
            diagnostic: None,
            message: visible::text(&label.text),
            source: source(files, label.span.file),
            labels: vec![labelled(files, &Label { span: label.span, text: String::new() }, true)],
            related: vec![],
        }
    }
}

fn text_of(files: &[SourceText], id: FileId) -> Option<&SourceText> {
    files.iter().find(|file| file.id == id)
}

fn source(files: &[SourceText], id: FileId) -> Option<NamedSource<Arc<str>>> {
    text_of(files, id).map(|file| NamedSource::new(&file.path, Arc::clone(&file.shown)))
}

fn labelled(files: &[SourceText], label: &Label, primary: bool) -> LabeledSpan {
    // A label has one row.
    let text = (!label.text.is_empty()).then(|| visible::text(&label.text).replace('\n', "␊"));
    let range = label.span.range.as_range();
    let place = |offset: usize| text_of(files, label.span.file).map_or(offset, |file| file.shown_offset(offset));
    let span = (place(range.start), place(range.end) - place(range.start));
    if primary { LabeledSpan::new_primary_with_span(text, span) } else { LabeledSpan::new_with_span(text, span) }
}

impl fmt::Display for DrawnReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for DrawnReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DrawnReport<'_> {}

impl Report for DrawnReport<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.diagnostic.map(|diagnostic| Box::new(diagnostic.code.0) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<ReportSeverity> {
        Some(match self.diagnostic.map(|diagnostic| diagnostic.severity) {
            Some(Severity::Error) => ReportSeverity::Error,
            Some(Severity::Warning) => ReportSeverity::Warning,
            None => ReportSeverity::Advice,
        })
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        let help = &self.diagnostic?.help;
        (!help.is_empty()).then(|| Box::new(visible::text(&help.join("\n"))) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source.is_some().then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }

    fn related<'b>(&'b self) -> Option<Box<dyn Iterator<Item = &'b dyn Report> + 'b>> {
        (!self.related.is_empty())
            .then(|| Box::new(self.related.iter().map(|report| report as &dyn Report)) as Box<dyn Iterator<Item = _>>)
    }
}
