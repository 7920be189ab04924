//! Patterns as arguments.

use sinter_graph::pattern::{InvalidPattern, Patterns};
use sinter_lang::diagnostic::{Code, Diagnostic};
use sinter_lang::hir::PatternArgument;
use sinter_lang::source::Span;

use crate::arguments::Arguments;
use crate::budget::{Outcome, Stop};
use crate::evaluator::Evaluator;
use crate::value::Value;

impl<'a> Evaluator<'a> {
    /// The patterns of `what[...]`.
    pub(crate) fn patterns_of_index(
        &mut self,
        what: &Value,
        arguments: &'a [PatternArgument],
        span: Span,
    ) -> Outcome<Patterns> {
        let relative = matches!(what, Value::Source(_));
        let (mut include, mut exclude) = (Vec::new(), Vec::new());
        let mut wrong = arguments.is_empty();
        if wrong {
            self.report(
                Diagnostic::error(Code("E0403"), span, "no pattern stands between the brackets")
                    .help("all files are meant by the name alone"),
            );
        }
        for argument in arguments {
            let span = self.span(argument.value.range);
            let value = self.expr(&argument.value)?;
            for text in texts(&value).ok_or(Stop)? {
                wrong |= !self.pattern(&text, relative, span);
                if argument.exclude { exclude.push(text) } else { include.push(text) }
            }
        }
        // An empty list of positive patterns would silently mean everything.
        let positive = arguments.iter().any(|argument| !argument.exclude);
        if positive && include.is_empty() {
            wrong = true;
            self.report(Diagnostic::error(
                Code("E0403"),
                span,
                "the list of patterns is empty, so nothing is selected",
            ));
        }
        // Each was looked at already, so nothing goes unreported.
        if wrong { Err(Stop) } else { Patterns::new(include, exclude).map_err(|_| Stop) }
    }

    /// The patterns of an argument that is a list of patterns; `None` if it is left out.
    pub(super) fn patterns_of_argument(&mut self, arguments: &Arguments<'_>, name: &str) -> Outcome<Option<Patterns>> {
        let Some(texts) = arguments.texts(name) else { return Ok(None) };
        let mut wrong = false;
        for (index, text) in texts.iter().enumerate() {
            wrong |= !self.pattern(text, false, arguments.item_span(name, index));
        }
        if wrong { Err(Stop) } else { Patterns::new(texts, []).map(Some).map_err(|_| Stop) }
    }

    /// Checks one pattern and reports what is wrong.
    fn pattern(&mut self, text: &str, relative: bool, span: Span) -> bool {
        let invalid = if text.starts_with('!') {
            let reason = "an exclude has its `!` before the quotes: !\"...\"";
            Some(InvalidPattern { pattern: text.to_owned(), reason, offset: 0 })
        } else {
            let patterns = Patterns::new([text.to_owned()], []);
            let checked = patterns.and_then(|patterns| if relative { patterns.validate_relative() } else { Ok(()) });
            checked.err()
        };
        if let Some(invalid) = &invalid {
            let message = format!("{:?} is not a pattern: {}", invalid.pattern, invalid.reason);
            self.report(Diagnostic::error(Code("E0403"), span, message));
        }
        invalid.is_none()
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::List(items) => items.iter().map(Value::to_text).collect(),
        value => Some(vec![value.to_text()?]),
    }
}
