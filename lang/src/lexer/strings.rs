//! The inside of strings and scripts.

use super::{Lexer, Mode, indentation, newline_length};
use crate::syntax::SyntaxKind as K;

/// What ends a piece of text inside a string.
enum Stop {
    /// `${{`
    Interpolation,
    /// `$${{`
    Escaped,
    /// The closing quotes.
    Closer,
    /// A backslash in a one-line string.
    Backslash,
    /// The string ends without its closer: a newline, or a dedent.
    Unclosed,
}

impl Lexer<'_> {
    pub(super) fn line_string(&mut self) {
        let rest = self.rest();
        let (length, stop) = line_text(rest);
        self.push(K::Text, length);
        let rest = rest.get(length..).unwrap_or_default();
        match stop {
            Stop::Interpolation => self.open_interpolation(K::InterpolationOpen),
            Stop::Escaped => self.push(K::EscapedInterpolation, 4),
            Stop::Backslash => self.push(K::Escape, escape_length(rest)),
            Stop::Closer => self.close_string(K::ClosingQuote, 1),
            Stop::Unclosed => drop(self.modes.pop()),
        }
    }

    pub(super) fn block_string(&mut self) {
        let Some(Mode::Block(block)) = self.modes.last() else { return };
        let (length, stop) = block_text(self.rest(), block.indent, block.nested);
        self.read_shell(length);
        self.push(K::Text, length);
        match stop {
            Stop::Interpolation => {
                let kind = self.interpolation_kind();
                self.open_interpolation(kind);
            }
            Stop::Escaped | Stop::Backslash => {
                self.read_shell(4);
                self.push(K::EscapedInterpolation, 4);
            }
            Stop::Closer => self.close_string(K::ClosingTripleQuote, 3),
            Stop::Unclosed => drop(self.modes.pop()),
        }
    }

    fn open_interpolation(&mut self, kind: K) {
        self.push(kind, 3);
        self.modes.push(Mode::Interpolation(0));
    }

    fn close_string(&mut self, kind: K, length: usize) {
        self.push(kind, length);
        self.modes.pop();
    }

    fn read_shell(&mut self, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        if let Some(Mode::Block(block)) = self.modes.last_mut()
            && let Some(shell) = &mut block.shell
        {
            shell.read(text);
        }
    }

    fn interpolation_kind(&mut self) -> K {
        let Some(Mode::Block(block)) = self.modes.last_mut() else { return K::InterpolationOpen };
        let Some(shell) = &mut block.shell else { return K::InterpolationOpen };
        let quoted = shell.is_quoted();
        shell.value();
        if quoted { K::QuotedInterpolationOpen } else { K::InterpolationOpen }
    }
}

/// The text of a one-line string up to what ends it.
fn line_text(rest: &str) -> (usize, Stop) {
    let mut from = 0;
    while let Some(at) = find_from(rest, from, &['"', '\\', '\n', '$']) {
        let tail = rest.get(at..).unwrap_or_default();
        match tail.as_bytes() {
            [b'"', ..] => return (at, Stop::Closer),
            [b'\\', ..] => return (at, Stop::Backslash),
            [b'\n', ..] => {
                return (at - usize::from(rest.get(..at).is_some_and(|t| t.ends_with('\r'))), Stop::Unclosed);
            }
            _ => match interpolation(tail) {
                Some(stop) => return (at, stop),
                None => from = at + 1,
            },
        }
    }
    (rest.len(), Stop::Unclosed)
}

/// The text of a multi-line string up to what ends it.
fn block_text(rest: &str, indent: usize, nested: bool) -> (usize, Stop) {
    let mut from = 0;
    while let Some(at) = find_from(rest, from, &['"', '\n', '$']) {
        let tail = rest.get(at..).unwrap_or_default();
        let stop = match tail.as_bytes() {
            [b'"', b'"', b'"', ..] => Some(Stop::Closer),
            [b'\n', ..] if nested || dedents(tail, indent) => Some(Stop::Unclosed),
            [b'$', ..] => interpolation(tail),
            _ => None,
        };
        match stop {
            Some(Stop::Unclosed) => return (before_newline(rest, at), Stop::Unclosed),
            Some(stop) => return (at, stop),
            None => from = at + 1,
        }
    }
    (rest.len(), Stop::Unclosed)
}

/// Whether the line behind the newline is neither blank, nor deeper than the opener's line, nor the closer.
fn dedents(newline_and_rest: &str, indent: usize) -> bool {
    let line = newline_and_rest.get(1..).unwrap_or_default();
    let depth = indentation(line);
    let content = line.get(depth..).unwrap_or_default();
    let blank = content.is_empty() || newline_length(content) > 0;
    !blank && depth <= indent && !content.starts_with("\"\"\"")
}

fn before_newline(rest: &str, newline: usize) -> usize {
    newline - usize::from(rest.get(..newline).is_some_and(|text| text.ends_with('\r')))
}

fn interpolation(tail: &str) -> Option<Stop> {
    if tail.starts_with("$${{") {
        Some(Stop::Escaped)
    } else if tail.starts_with("${{") {
        Some(Stop::Interpolation)
    } else {
        None
    }
}

/// `\n` is two bytes, `\u{1F600}` as many as it has; at the end of a line the backslash stands alone.
fn escape_length(rest: &str) -> usize {
    let after = rest.get(1..).unwrap_or_default();
    if let Some(digits) = after.strip_prefix("u{") {
        let length = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
        let closed = digits.get(length..).is_some_and(|tail| tail.starts_with('}'));
        return 3 + length + usize::from(closed);
    }
    match after.chars().next() {
        None | Some('\n' | '\r') => 1,
        Some(c) => 1 + c.len_utf8(),
    }
}

fn find_from(text: &str, from: usize, set: &[char]) -> Option<usize> {
    text.get(from..).and_then(|tail| tail.find(set)).map(|at| at + from)
}
