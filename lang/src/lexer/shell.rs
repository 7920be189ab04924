//! Follows the quoting of a shell script, so that each interpolation knows whether it stands where a plain word may
//! stand. It reads POSIX shell and bash (`'...'`, `"..."`, `$'...'`, `$(...)`, `` `...` ``, `$((...))`, here-documents,
//! comments) and is a guess only for text that no shell accepts either.
//!
//! Rule: total, one pass, no lookahead beyond the text it is given.

use std::collections::VecDeque;

/// Where the next byte of the script stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    Single,
    /// `$'...'`, where a backslash escapes.
    Dollar,
    Double,
    /// `$(`: plain again, also inside double quotes.
    Command,
    Backtick,
    /// `$((`: `<<` is a shift there.
    Arithmetic,
}

/// Deeper quoting than this is no script; the limit keeps the scan linear.
const DEPTH_LIMIT: usize = 256;

/// The state of the scan.
#[derive(Debug, Default)]
pub(super) struct Shell {
    contexts: Vec<Context>,
    escaped: bool,
    comment: bool,
    /// Whether the last byte was part of a word, after which `#` starts no comment.
    in_word: bool,
    announced: VecDeque<String>,
    document: Option<String>,
    /// The line of a here-document so far; `None` once a value stands in it, as it is no delimiter then.
    line: Option<String>,
}

impl Shell {
    /// Whether a value inserted here would stand inside quotes, a here-document or a comment.
    pub(super) fn is_quoted(&self) -> bool {
        self.document.is_some()
            || self.comment
            || self.escaped
            || matches!(self.contexts.last(), Some(Context::Single | Context::Dollar | Context::Double))
    }

    /// Tells that a value is inserted here.
    pub(super) fn value(&mut self) {
        self.escaped = false;
        self.in_word = true;
        self.line = None;
    }

    /// Reads literal text.
    pub(super) fn read(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut position = 0;
        while let Some(&byte) = bytes.get(position) {
            let rest = text.get(position..).unwrap_or_default();
            position += if self.document.is_some() { self.document_byte(rest) } else { self.byte(byte, rest) };
        }
    }

    /// Reads one line of a here-document, up to and with its newline.
    fn document_byte(&mut self, rest: &str) -> usize {
        let (line, ended) = rest.split_once('\n').map_or((rest, false), |(line, _)| (line, true));
        if let Some(whole) = &mut self.line {
            whole.push_str(line);
        }
        if ended {
            let whole = self.line.replace(String::new());
            if whole.is_some_and(|whole| Some(whole.trim()) == self.document.as_deref()) {
                self.document = self.announced.pop_front();
            }
        }
        line.len().max(1) + usize::from(ended && !line.is_empty())
    }

    /// Reads one thing outside here-documents; yields its length in bytes.
    fn byte(&mut self, byte: u8, rest: &str) -> usize {
        if byte == b'\n' {
            self.newline();
            return 1;
        }
        if self.comment {
            return rest.find('\n').unwrap_or(rest.len());
        }
        if std::mem::take(&mut self.escaped) {
            self.in_word = true;
            return 1;
        }
        match self.contexts.last() {
            Some(Context::Single) => self.single(byte),
            Some(Context::Dollar) => self.dollar(byte),
            Some(Context::Double) => self.double(byte, rest),
            _ => self.plain(byte, rest),
        }
    }

    fn newline(&mut self) {
        self.escaped = false;
        self.comment = false;
        self.in_word = false;
        if self.document.is_none() {
            self.document = self.announced.pop_front();
            self.line = Some(String::new());
        }
    }

    fn single(&mut self, byte: u8) -> usize {
        if byte == b'\'' {
            self.contexts.pop();
        }
        1
    }

    fn dollar(&mut self, byte: u8) -> usize {
        match byte {
            b'\\' => self.escaped = true,
            b'\'' => drop(self.contexts.pop()),
            _ => {}
        }
        1
    }

    fn double(&mut self, byte: u8, rest: &str) -> usize {
        match byte {
            b'\\' => self.escaped = true,
            b'"' => drop(self.contexts.pop()),
            b'$' => return self.substitution(rest),
            b'`' => self.backtick(),
            _ => {}
        }
        1
    }

    fn plain(&mut self, byte: u8, rest: &str) -> usize {
        let in_word = std::mem::replace(&mut self.in_word, !b" \t;&|()<>".contains(&byte));
        match byte {
            b'\\' => self.escaped = true,
            b'\'' => self.enter(Context::Single),
            b'"' => self.enter(Context::Double),
            b'`' => self.backtick(),
            b'#' if !in_word => self.comment = true,
            b')' => return self.close(rest),
            b'$' => return self.substitution(rest),
            b'<' => return self.redirection(rest),
            _ => {}
        }
        1
    }

    fn enter(&mut self, context: Context) {
        if self.contexts.len() < DEPTH_LIMIT {
            self.contexts.push(context);
        }
    }

    fn backtick(&mut self) {
        if let Some(depth) = self.contexts.iter().rposition(|context| *context == Context::Backtick) {
            self.contexts.truncate(depth);
        } else {
            self.enter(Context::Backtick);
            self.in_word = false;
        }
    }

    fn close(&mut self, rest: &str) -> usize {
        let arithmetic = self.contexts.last() == Some(&Context::Arithmetic);
        let length = if arithmetic && rest.starts_with("))") { 2 } else { 1 };
        if self.contexts.last() == Some(&Context::Command) || length == 2 {
            self.contexts.pop();
            self.in_word = true;
        }
        length
    }

    fn substitution(&mut self, rest: &str) -> usize {
        let in_double = self.contexts.last() == Some(&Context::Double);
        let (context, length) = match rest.as_bytes() {
            [_, b'(', b'(', ..] => (Context::Arithmetic, 3),
            [_, b'(', ..] => (Context::Command, 2),
            [_, b'\'', ..] if !in_double => (Context::Dollar, 2),
            _ => return 1,
        };
        self.enter(context);
        self.in_word = false;
        length
    }

    /// `<<EOF`, `<<-EOF`, `<<'EOF'`; a here-string `<<<` and a shift are neither.
    fn redirection(&mut self, rest: &str) -> usize {
        let marks = rest.len() - rest.trim_start_matches('<').len();
        if marks != 2 || self.contexts.last() == Some(&Context::Arithmetic) {
            return marks;
        }
        let after = rest.get(2..).unwrap_or_default();
        let after = after.strip_prefix('-').unwrap_or(after).trim_start_matches([' ', '\t']);
        let end = after.find(|c: char| c.is_whitespace() || ";&|()<>".contains(c)).unwrap_or(after.len());
        let word: String = after.get(..end).unwrap_or_default().chars().filter(|c| !"'\"\\".contains(*c)).collect();
        if !word.is_empty() {
            self.announced.push_back(word);
        }
        rest.len() - after.len() + end
    }
}

#[cfg(test)]
mod tests {
    use super::Shell;

    /// The text before the value, and whether the value is quoted.
    const CASES: &[(&str, bool)] = &[
        ("echo ", false),
        ("echo '", true),
        ("echo 'a' ", false),
        ("echo \"", true),
        ("echo \"a\" ", false),
        ("echo \"a\\\" ", true),
        ("echo 'a\\' ", false),
        ("echo $'a\\' ", true),
        ("echo \"$(", false),
        ("echo \"$(cat \"a\") ", true),
        ("echo \"`", false),
        ("echo \"`cat`", true),
        ("echo \\", true),
        ("# it's ", true),
        ("# it's\n", false),
        ("echo a#'", true),
        ("echo ${x#'a'} ", false),
        ("cat <<EOF\n", true),
        ("cat <<EOF\nx\nEOF\n", false),
        ("cat <<EOF ", false),
        ("cat <<-'END' > x\n  END\n", false),
        ("cat <<A <<B\na\nA\n", true),
        ("cat <<A <<B\na\nA\nB\n", false),
        ("cat <<< ", false),
        ("x=$((1<<2))\n", false),
        ("x=$((1 << ", false),
        ("case x in a) ", false),
        ("echo \"a\nb", true),
    ];

    #[test]
    fn quoting_follows_the_shell() {
        for (before, quoted) in CASES {
            let mut shell = Shell::default();
            shell.read(before);
            assert_eq!(shell.is_quoted(), *quoted, "{before:?}");
        }
    }

    #[test]
    fn value_cannot_end_documents() {
        let mut shell = Shell::default();
        shell.read("cat <<EOF\nEO");
        shell.value();
        shell.read("F\n");
        assert!(shell.is_quoted());
    }
}
