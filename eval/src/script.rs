//! Scripts: values are inserted so that they arrive as what they are, and every line of the final text is traced back
//! to the line of the `.build` file it came from.

use sinter_lang::diagnostic::{Code, Diagnostic};
use sinter_lang::hir::{Expr, ExprKind, Fragment, Quoting, ScriptLiteral};
use sinter_lang::source::{Span, TextRange};

use crate::budget::{Outcome, Stop};
use crate::evaluator::Evaluator;
use crate::origins::ScriptLine;
use crate::value::{ScriptText, Value};

/// The final text as it grows. A value may have several lines; all of them belong to the line it is written on.
struct Lines<'a> {
    text: String,
    /// The lines of the script as written.
    written: &'a [TextRange],
    current: usize,
    /// Where each finished line starts, and which written line it belongs to.
    starts: Vec<(usize, usize)>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn script(&mut self, script: &'a ScriptLiteral, span: Span) -> Outcome<Value> {
        let mut lines = Lines { text: String::new(), written: &script.lines, current: 0, starts: vec![(0, 0)] };
        for fragment in &script.body.fragments {
            match fragment {
                Fragment::Text { text, .. } => lines.literal(text),
                Fragment::Value { expr, quoting, .. } => {
                    let value = self.expr(expr)?;
                    lines.value(&self.insert(&script.tag.text, &value, *quoting, expr)?);
                }
            }
        }
        let (text, lines) = lines.finish(self.file, span);
        let text = self.made(text, span)?;
        Ok(Value::Script(ScriptText { tag: script.tag.text.clone(), text, lines, span }.into()))
    }

    fn insert(&mut self, tag: &str, value: &Value, quoting: Quoting, expr: &Expr) -> Outcome<String> {
        let span = self.span(expr.range);
        let inserted = match (tag, quoting) {
            ("python", _) => python_literal(value),
            (_, Quoting::Plain) => shell_words(value),
            (_, Quoting::Quoted) => match plain_word(value) {
                Some(word) => Some(word),
                None => return self.fail(needs_quoting(value, expr, span)),
            },
        };
        let text = inserted.ok_or(Stop)?;
        if text.contains('\0') {
            let report = Diagnostic::error(Code("E0412"), span, "a NUL byte cannot stand in a script");
            return self.fail(report);
        }
        self.made(text, span)
    }
}

impl Lines<'_> {
    fn literal(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            self.text.push_str(piece);
            if piece.ends_with('\n') {
                self.current += 1;
                self.starts.push((self.text.len(), self.current));
            }
        }
    }

    fn value(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            self.text.push_str(piece);
            if piece.ends_with('\n') {
                self.starts.push((self.text.len(), self.current));
            }
        }
    }

    fn finish(mut self, file: sinter_lang::source::FileId, literal: Span) -> (String, Vec<ScriptLine>) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.starts.retain(|(start, _)| *start < self.text.len());
        let ends = self.starts.iter().skip(1).map(|(start, _)| *start).chain([self.text.len()]);
        let lines = self.starts.iter().zip(ends).map(|((start, written), end)| {
            let range = self.written.get(*written).copied().unwrap_or(literal.range);
            ScriptLine { start: *start, end: end - 1, span: Span { file, range } }
        });
        let lines = lines.collect();
        (self.text, lines)
    }
}

/// Whether a shell reads a text as one word without quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte))
}

fn shell_word(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// A value where the shell reads words.
fn shell_words(value: &Value) -> Option<String> {
    match value {
        Value::List(items) => {
            let words: Option<Vec<String>> = items.iter().map(|item| Some(shell_word(&item.to_text()?))).collect();
            Some(words?.join(" "))
        }
        value => Some(shell_word(&value.to_text()?)),
    }
}

/// A value that needs no quoting.
fn plain_word(value: &Value) -> Option<String> {
    match value {
        Value::List(items) if items.len() == 1 => plain_word(&items[0]),
        value => value.to_text().filter(|text| is_plain(text)),
    }
}

fn needs_quoting(value: &Value, expr: &Expr, span: Span) -> Diagnostic {
    let shown = value.to_text().map_or_else(|| "a list".to_owned(), |text| format!("{text:?}"));
    let message = format!("{shown} would have to be quoted, but it stands inside quotes or a here-document");
    let name = match &expr.kind {
        ExprKind::Name(name) | ExprKind::Field(_, sinter_lang::hir::Name { text: name, .. }) => variable(name),
        _ => "VALUE".to_owned(),
    };
    let report = Diagnostic::error(Code("E0411"), span, message);
    report.help(format!("give it as a variable, `env = {{ {name} = ... }}`, and write `${name}` here"))
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn python_literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(python_literal).collect();
            format!("[{}]", items?.join(", "))
        }
        value => python_string(&value.to_text()?),
    })
}

fn python_string(text: &str) -> String {
    let escape = |c: char| match c {
        '\\' => "\\\\".to_owned(),
        '\'' => "\\'".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if (c as u32) < 0x20 || c as u32 == 0x7f => format!("\\x{:02x}", c as u32),
        c => c.to_string(),
    };
    format!("'{}'", text.chars().map(escape).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_when_needed() {
        for (value, expected) in [
            (Value::str("a-b_c.d/e:f@g%h+i=j,k"), "a-b_c.d/e:f@g%h+i=j,k"),
            (Value::str(""), "''"),
            (Value::str("my app"), "'my app'"),
            (Value::str("it's"), "'it'\\''s'"),
            (Value::str("$HOME"), "'$HOME'"),
            (Value::str("~"), "'~'"),
            (Value::str("a\nb"), "'a\nb'"),
            (Value::str("ä"), "'ä'"),
            (Value::Int(-1), "-1"),
            (Value::Bool(true), "true"),
            (Value::List([Value::str("a"), Value::str("b c")].into()), "a 'b c'"),
            (Value::List([].into()), ""),
        ] {
            assert_eq!(shell_words(&value).as_deref(), Some(expected), "{value:?}");
        }
    }

    #[test]
    fn python_gets_literals() {
        for (value, expected) in [
            (Value::str("it's\n\\"), "'it\\'s\\n\\\\'"),
            (Value::str("\u{7}"), "'\\x07'"),
            (Value::Bool(false), "False"),
            (Value::List([Value::str("a"), Value::Int(2)].into()), "['a', 2]"),
        ] {
            assert_eq!(python_literal(&value).as_deref(), Some(expected), "{value:?}");
        }
    }

    #[test]
    fn plain_words_fit_inside_quotes() {
        assert_eq!(plain_word(&Value::str("auth")).as_deref(), Some("auth"));
        assert_eq!(plain_word(&Value::str("my app")), None);
        assert_eq!(plain_word(&Value::List([Value::str("a"), Value::str("b")].into())), None);
    }
}
