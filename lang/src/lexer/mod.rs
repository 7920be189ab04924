//! Text to tokens. Modal: expressions, one-line strings, multi-line strings and the interpolations inside them.
//!
//! Rules: tokens cover every byte in order; nothing is reported here (the grammar sees what is missing); an open mode
//! always ends: a one-line string and an interpolation at their newline, a multi-line string at its first non-blank
//! line that is not deeper than the opener's line. Must not know: the grammar.

mod shell;
mod strings;

use crate::source::TextRange;
use crate::syntax::{SyntaxKind as K, declaration_keyword, keyword};
use shell::Shell;

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: K,
    /// Where.
    pub(crate) range: TextRange,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum Mode {
    /// `"..."`
    Line,
    /// `"""..."""`
    Block(Block),
    /// `${{ ... }}` with the number of braces open in it.
    Interpolation(u32),
}

/// An open multi-line string.
#[derive(Debug)]
struct Block {
    /// Bytes of blanks before the opener's line.
    indent: usize,
    /// For shell scripts: the quoting so far.
    shell: Option<Shell>,
    /// Inside an interpolation, where nothing may pass a newline.
    nested: bool,
}

/// Some editors put it in front of UTF-8.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The tags whose scripts are read by a shell.
const SHELL_TAGS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// The other tags the language knows.
const OTHER_TAGS: [&str; 4] = ["python", "node", "ruby", "perl"];

/// Whether a name in front of a string can only be meant as a script's tag.
pub(crate) fn is_script_tag(name: &str) -> bool {
    SHELL_TAGS.contains(&name) || OTHER_TAGS.contains(&name)
}

/// Cuts a text into tokens; `text` is shorter than 4 GiB (the caller sees to it).
pub(crate) fn lex(text: &str) -> Vec<Token> {
    let mut lexer =
        Lexer { text, position: 0, line_start: 0, line_indent: 0, brackets: 0, modes: Vec::new(), tokens: Vec::new() };
    lexer.byte_order_mark();
    while lexer.position < text.len() {
        match lexer.modes.last() {
            None | Some(Mode::Interpolation(_)) => lexer.expression(),
            Some(Mode::Line) => lexer.line_string(),
            Some(Mode::Block(_)) => lexer.block_string(),
        }
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    position: usize,
    line_start: usize,
    /// Bytes of blanks at the start of the line.
    line_indent: usize,
    /// Open brackets, outside interpolations.
    brackets: u32,
    modes: Vec<Mode>,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// Adds the next `length` bytes as a token.
    fn push(&mut self, kind: K, length: usize) {
        let end = self.position + length;
        if length == 0 {
            return;
        }
        let newline = self.text.get(self.position..end).and_then(|text| text.rfind('\n'));
        self.tokens.push(Token { kind, range: TextRange::new(offset(self.position), offset(end)) });
        if let Some(newline) = newline {
            self.line_start = self.position + newline + 1;
            self.start_line();
        }
        self.position = end;
    }

    /// A mark at the start of the file is no part of its first line.
    fn byte_order_mark(&mut self) {
        if self.text.starts_with(BYTE_ORDER_MARK) {
            self.push(K::Whitespace, BYTE_ORDER_MARK.len());
        }
        self.line_start = self.position;
        self.start_line();
    }

    fn start_line(&mut self) {
        self.line_indent = indentation(self.text.get(self.line_start..).unwrap_or_default());
    }

    fn expression(&mut self) {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return };
        match first {
            '\n' | '\r' if newline_length(rest) > 0 => self.newline(newline_length(rest)),
            ' ' | '\t' | '\r' => self.blanks(rest),
            '#' if self.modes.is_empty() => self.comment(rest),
            'a'..='z' | 'A'..='Z' | '_' => self.word(rest),
            '0'..='9' => self.push(K::Int, prefix(rest, |c| c.is_ascii_alphanumeric() || c == '_')),
            '"' => self.open_string(rest),
            '\'' => self.single_quoted(rest),
            _ => self.punctuation(rest, first),
        }
    }

    /// A newline ends an interpolation; the string around it sees the newline next.
    fn newline(&mut self, length: usize) {
        if self.modes.pop().is_none() {
            self.push(K::Newline, length);
        }
    }

    fn blanks(&mut self, rest: &str) {
        self.push(K::Whitespace, indentation(rest).max(usize::from(rest.starts_with('\r'))));
    }

    fn comment(&mut self, rest: &str) {
        let kind = if rest.starts_with("##") { K::DocComment } else { K::Comment };
        self.push(kind, line_length(rest));
    }

    fn word(&mut self, rest: &str) {
        let mut length = prefix(rest, is_name_character);
        if rest.get(length - 1..).is_some_and(|tail| tail.starts_with("->")) {
            length -= 1;
        }
        let word = rest.get(..length).unwrap_or_default();
        let after = rest.get(length..).unwrap_or_default();
        let declares = self.position == self.line_start && self.modes.is_empty();
        let kind = match declaration_keyword(word) {
            Some(kind) if declares && (self.brackets == 0 || names_something(after)) => {
                self.brackets = 0;
                kind
            }
            _ => keyword(word).unwrap_or(K::Name),
        };
        self.push(kind, length);
    }

    /// `'text'` on one line; a lone `'` takes nothing else with it.
    fn single_quoted(&mut self, rest: &str) {
        let inside = rest.get(1..).unwrap_or_default();
        let end = inside.find(['\'', '\n']).filter(|end| inside.get(*end..).is_some_and(|tail| tail.starts_with('\'')));
        self.push(if end.is_some() { K::SingleQuoted } else { K::Unknown }, end.map_or(1, |at| at + 2));
    }

    fn open_string(&mut self, rest: &str) {
        if !rest.starts_with("\"\"\"") {
            self.push(K::Quote, 1);
            self.modes.push(Mode::Line);
            return;
        }
        let shell = self.tag().is_some_and(|tag| SHELL_TAGS.contains(&tag)).then(Shell::default);
        let nested = !self.modes.is_empty();
        let indent = self.line_indent;
        self.push(K::TripleQuote, 3);
        self.modes.push(Mode::Block(Block { indent, shell, nested }));
    }

    /// The name before a `"""` on its line.
    fn tag(&self) -> Option<&'a str> {
        let tag = self.tokens.iter().rev().find(|token| token.kind != K::Whitespace)?;
        (tag.kind == K::Name).then(|| self.text.get(tag.range.as_range())).flatten()
    }

    fn punctuation(&mut self, rest: &str, first: char) {
        if self.close_interpolation(rest) {
            return;
        }
        if rest.starts_with("//") || rest.starts_with("/*") {
            return self.push(K::SlashComment, line_length(rest));
        }
        let (kind, length) = symbol(rest).unwrap_or((K::Unknown, first.len_utf8()));
        self.count_bracket(kind);
        self.push(kind, length);
    }

    fn close_interpolation(&mut self, rest: &str) -> bool {
        let closes = matches!(self.modes.last(), Some(Mode::Interpolation(0))) && rest.starts_with("}}");
        if closes {
            self.push(K::InterpolationClose, 2);
            self.modes.pop();
        }
        closes
    }

    fn count_bracket(&mut self, kind: K) {
        match self.modes.last_mut() {
            Some(Mode::Interpolation(braces)) => match kind {
                K::LeftBrace => *braces = braces.saturating_add(1),
                K::RightBrace => *braces = braces.saturating_sub(1),
                _ => {}
            },
            _ if kind.closer().is_some() => self.brackets = self.brackets.saturating_add(1),
            _ if kind.is_closer() => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
    }
}

/// Longest first.
const SYMBOLS: &[(&str, K)] = &[
    ("...", K::Ellipsis),
    ("->", K::Arrow),
    ("==", K::EqualEqual),
    ("!=", K::BangEqual),
    ("??", K::QuestionQuestion),
    ("&&", K::ForeignOperator),
    ("||", K::ForeignOperator),
    ("+=", K::ForeignOperator),
    ("++", K::ForeignOperator),
    ("=>", K::ForeignOperator),
    (":=", K::ForeignOperator),
    ("<=", K::ForeignOperator),
    (">=", K::ForeignOperator),
    ("(", K::LeftParen),
    (")", K::RightParen),
    ("[", K::LeftBracket),
    ("]", K::RightBracket),
    ("{", K::LeftBrace),
    ("}", K::RightBrace),
    (",", K::Comma),
    (".", K::Dot),
    ("=", K::Equals),
    ("!", K::Bang),
    ("?", K::Question),
    ("+", K::Plus),
    (":", K::Colon),
    (";", K::Semicolon),
    ("-", K::ForeignOperator),
    ("*", K::ForeignOperator),
    ("/", K::ForeignOperator),
    ("%", K::ForeignOperator),
    ("<", K::ForeignOperator),
    (">", K::ForeignOperator),
    ("&", K::ForeignOperator),
    ("|", K::ForeignOperator),
];

fn symbol(rest: &str) -> Option<(K, usize)> {
    SYMBOLS.iter().find(|(text, _)| rest.starts_with(text)).map(|(text, kind)| (*kind, text.len()))
}

/// Whether a name or a string follows on the line, as behind a declaration's keyword.
fn names_something(after: &str) -> bool {
    let trimmed = after.trim_start_matches([' ', '\t']);
    let starts = trimmed.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '"');
    starts && trimmed.len() < after.len()
}

pub(crate) const fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn prefix(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Bytes of blanks at the start of a text.
fn indentation(text: &str) -> usize {
    prefix(text, |c| matches!(c, ' ' | '\t'))
}

/// The length of the newline a text starts with, or 0.
fn newline_length(text: &str) -> usize {
    if text.starts_with('\n') {
        1
    } else if text.starts_with("\r\n") {
        2
    } else {
        0
    }
}

/// The bytes before the first newline.
fn line_length(text: &str) -> usize {
    let end = text.find('\n').unwrap_or(text.len());
    if end < text.len() && text.get(..end).is_some_and(|line| line.ends_with('\r')) { end - 1 } else { end }
}

fn offset(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{K, lex};

    /// A text and the kinds of its tokens, blanks left out.
    const CASES: &[(&str, &[K])] = &[
        ("let a-b = 1", &[K::LetKeyword, K::Name, K::Equals, K::Int]),
        ("f()->T", &[K::Name, K::LeftParen, K::RightParen, K::Arrow, K::Name]),
        ("a->T", &[K::Name, K::Arrow, K::Name]),
        ("input x", &[K::InputKeyword, K::Name]),
        (" input x", &[K::Name, K::Name]),
        ("[\ninput, a]", &[K::LeftBracket, K::Newline, K::Name, K::Comma, K::Name, K::RightBracket]),
        ("[\ninput a", &[K::LeftBracket, K::Newline, K::InputKeyword, K::Name]),
        ("# a\n## b", &[K::Comment, K::Newline, K::DocComment]),
        (
            "... . ?? ? != ! == =",
            &[K::Ellipsis, K::Dot, K::QuestionQuestion, K::Question, K::BangEqual, K::Bang, K::EqualEqual, K::Equals],
        ),
        ("\"a\\n\\u{e9}\"", &[K::Quote, K::Text, K::Escape, K::Escape, K::ClosingQuote]),
        ("\"a\nb", &[K::Quote, K::Text, K::Newline, K::Name]),
        (
            "\"${{ a }}$${{\"",
            &[K::Quote, K::InterpolationOpen, K::Name, K::InterpolationClose, K::EscapedInterpolation, K::ClosingQuote],
        ),
        ("\"${{ a\nb", &[K::Quote, K::InterpolationOpen, K::Name, K::Newline, K::Name]),
        ("\"${{ \"\"\"a\nb", &[K::Quote, K::InterpolationOpen, K::TripleQuote, K::Text, K::Newline, K::Name]),
        ("\"\"\"\n a\n\"\"\" b", &[K::TripleQuote, K::Text, K::ClosingTripleQuote, K::Name]),
        ("\"\"\"\n a\nb", &[K::TripleQuote, K::Text, K::Newline, K::Name]),
        (
            "sh \"\"\"'${{ a }}'\"\"\"",
            &[
                K::Name,
                K::TripleQuote,
                K::Text,
                K::QuotedInterpolationOpen,
                K::Name,
                K::InterpolationClose,
                K::Text,
                K::ClosingTripleQuote,
            ],
        ),
        ("'a' 'b", &[K::SingleQuoted, K::Unknown, K::Name]),
        ("a // b\n/* c", &[K::Name, K::SlashComment, K::Newline, K::SlashComment]),
        ("a;\u{e9}", &[K::Name, K::Semicolon, K::Unknown]),
    ];

    #[test]
    fn texts_become_tokens() {
        for (text, kinds) in CASES {
            let tokens = lex(text);
            let found: Vec<K> = tokens.iter().map(|token| token.kind).filter(|kind| *kind != K::Whitespace).collect();
            assert_eq!(found, *kinds, "{text:?}");
            assert_eq!(tokens.last().map(|token| token.range.end as usize), Some(text.len()));
        }
    }
}
