//! Numbers and one-line strings.

use super::Lower;
use crate::codes;
use crate::hir::{ExprKind, Fragment, Quoting, StringLiteral};
use crate::source::TextRange;
use crate::syntax::{ElementId, SyntaxKind as K};

impl Lower<'_> {
    pub(super) fn int(&self, node: ElementId) -> ExprKind {
        let text = self.tree.text_of(node);
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let message = if !plain {
            format!("`{text}` is no number")
        } else if text.len() > 1 && text.starts_with('0') {
            format!("the number `{text}` starts with 0")
        } else if let Ok(number) = text.parse() {
            return ExprKind::Int(number);
        } else {
            format!("the number `{text}` is larger than {}", i64::MAX)
        };
        let diagnostic = self.error(codes::BAD_NUMBER, self.tree.range(node), message);
        self.report(
            diagnostic
                .help("numbers are decimal digits; modes, versions and durations are strings: `\"755\"`, `\"30s\"`"),
        );
        ExprKind::Missing
    }

    /// A string as fragments; both kinds of quotes.
    pub(super) fn string(&self, node: ElementId) -> StringLiteral {
        if self.tree.child(node, K::TripleQuote).is_some() {
            return self.block_string(node).0;
        }
        let mut pieces = Pieces::default();
        for child in self.tree.children(node) {
            let range = self.tree.range(child);
            match self.tree.kind(child) {
                K::Text => pieces.text(self.tree.text_of(child), range),
                K::EscapedInterpolation => pieces.text("${{", range),
                K::Escape => pieces.text(&self.escape(child), range),
                K::Interpolation => pieces.value(self.interpolation(child)),
                _ => {}
            }
        }
        StringLiteral { range: self.tree.range(node), fragments: pieces.finish() }
    }

    pub(super) fn interpolation(&self, node: ElementId) -> Fragment {
        let quoted = self.tree.child(node, K::QuotedInterpolationOpen).is_some();
        let quoting = if quoted { Quoting::Quoted } else { Quoting::Plain };
        Fragment::Value { expr: Box::new(self.value_in(node)), range: self.tree.range(node), quoting }
    }

    /// The text an escape stands for; nothing for one that is not known, which is reported.
    fn escape(&self, token: ElementId) -> String {
        let text = self.tree.text_of(token);
        match text.get(1..).unwrap_or_default() {
            "n" => "\n".to_owned(),
            "t" => "\t".to_owned(),
            "\"" => "\"".to_owned(),
            "\\" => "\\".to_owned(),
            code if code.starts_with("u{") => self.code_point(token, code),
            _ => {
                self.report_escape(token, text);
                String::new()
            }
        }
    }

    fn report_escape(&self, token: ElementId, text: &str) {
        let range = self.tree.range(token);
        let diagnostic = self.error(codes::UNKNOWN_ESCAPE, range, format!("there is no escape `{text}`"));
        let start = TextRange::new(range.start, range.start);
        self.report(diagnostic.help(r#"the escapes are `\n`, `\t`, `\"`, `\\` and `\u{...}`"#).fix(
            "write `\\\\`",
            start,
            "\\",
        ));
    }

    fn code_point(&self, token: ElementId, code: &str) -> String {
        let digits = code.strip_prefix("u{").and_then(|code| code.strip_suffix('}'));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let Some(character) = number.and_then(char::from_u32) {
            return character.to_string();
        }
        let message = format!("`\\{code}` is no character of Unicode");
        let diagnostic = self.error(codes::BAD_CODE_POINT, self.tree.range(token), message);
        self.report(diagnostic.help("write one to six hexadecimal digits up to 10FFFF: `\\u{e9}`"));
        String::new()
    }
}

/// Fragments in the making: neighbouring texts become one.
#[derive(Default)]
pub(super) struct Pieces {
    fragments: Vec<Fragment>,
}

impl Pieces {
    pub(super) fn text(&mut self, more: &str, at: TextRange) {
        if let Some(Fragment::Text { text, range }) = self.fragments.last_mut() {
            text.push_str(more);
            *range = range.cover(at);
        } else if !more.is_empty() {
            self.fragments.push(Fragment::Text { text: more.to_owned(), range: at });
        }
    }

    pub(super) fn value(&mut self, value: Fragment) {
        self.fragments.push(value);
    }

    pub(super) fn finish(self) -> Vec<Fragment> {
        self.fragments
    }
}
