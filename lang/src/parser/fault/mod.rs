//! What the grammar says when something is wrong: message, place, next step and, where it is certain, the edit.
//!
//! Rules: the user's nouns, lower case, no full stop; what is missing is placed behind the token before it, so that
//! the report is on the line of the fault. Must not know: how the grammar goes on.

mod top;
mod value;

pub(super) use top::*;
pub(super) use value::*;

use super::cursor::Cursor;
use super::expression::starts_value;
use super::leaves::Leaf;
use super::sink::Sink;
use super::types::starts_type;
use crate::codes;
use crate::diagnostic::{Code, Diagnostic};
use crate::lexer::Token;
use crate::source::TextRange;
use crate::syntax::SyntaxKind as K;

/// How many levels of brackets and operators a file may have.
pub(crate) const DEPTH_LIMIT: u32 = 256;

/// Whether what is meant is beyond doubt in spite of a fault, so that the lines after it are read as usual.
pub(super) fn is_certain(code: Code) -> bool {
    [
        codes::COLON_FOR_EQUALS,
        codes::SINGLE_QUOTES,
        codes::SEMICOLON,
        codes::SLASH_COMMENT,
        codes::MISSING_LET,
        codes::CHAINED_COMPARISON,
        codes::FOREIGN_OPERATOR,
    ]
    .contains(&code)
}

/// An error where the next token stands; behind the last one if that is on an earlier line.
fn at_next(input: &Cursor<'_>, code: Code, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, input.sink.span(place(input)), message)
}

fn place(input: &Cursor<'_>) -> TextRange {
    let leaf = input.peek();
    let elsewhere = leaf.on_new_line && input.previous().is_some_and(|previous| previous.line != leaf.line);
    if elsewhere || leaf.kind == K::EndOfFile { input.after_previous() } else { leaf.range }
}

/// An error at the next token, wherever it stands.
fn at_leaf(input: &Cursor<'_>, code: Code, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, input.sink.span(input.peek().range), message)
}

/// How messages call the next token.
fn found(input: &Cursor<'_>) -> String {
    let leaf = input.peek();
    match leaf.kind {
        K::EndOfFile => "the end of the file".to_owned(),
        _ if leaf.on_new_line => "the end of the line".to_owned(),
        K::Quote | K::TripleQuote => "a string".to_owned(),
        _ => quoted(input.text()),
    }
}

/// A word of the file in a message, shortened if it is long.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    if text.chars().count() <= LONGEST {
        return format!("`{text}`");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("`{start}...`")
}

/// `;`, `//` and characters the language does not use.
pub(super) fn wrong_trivia(sink: &Sink<'_>, token: Token) -> Diagnostic {
    let text = sink.text_of(token.range);
    let span = sink.span(token.range);
    match token.kind {
        K::Semicolon => Diagnostic::error(codes::SEMICOLON, span, "`;` ends nothing here")
            .label("a newline is enough; items on one line are separated by `,`")
            .fix("remove the `;`", token.range, ""),
        K::SlashComment => Diagnostic::error(codes::SLASH_COMMENT, span, "a comment starts with `#`")
            .label("this is no comment")
            .fix("write `#`", TextRange::new(token.range.start, token.range.start + 2), "#"),
        _ => {
            Diagnostic::error(codes::UNKNOWN_CHARACTER, span, format!("{} means nothing here", describe_unknown(text)))
                .help(
                    "names are made of the letters a to z, digits, `_` and `-`; everything else belongs into a string",
                )
        }
    }
}

fn describe_unknown(text: &str) -> String {
    match text.chars().next() {
        Some('\'') => "a lone `'`".to_owned(),
        Some(c) if c.is_control() || c.is_whitespace() => format!("the character U+{:04X}", u32::from(c)),
        _ => quoted(text),
    }
}

/// A token that is always written the same way is missing. Inserting it helps only if what belongs behind it is there.
pub(super) fn expected_token(input: &Cursor<'_>, kind: K) -> Diagnostic {
    let text = kind.fixed_text().unwrap_or("a name");
    let diagnostic = at_next(input, codes::EXPECTED_TOKEN, format!("expected `{text}`, found {}", found(input)))
        .label(format!("`{text}` is missing before this"));
    let here = !input.peek().on_new_line;
    let at = place(input).start;
    let inserted = match kind {
        K::RightParen | K::RightBracket => text.to_owned(),
        K::LeftBrace => format!(" {text}"),
        K::LeftParen if here && input.at(K::Name) => text.to_owned(),
        K::Colon | K::Arrow if here && starts_type(input) => format!("{text} "),
        K::Equals | K::ThenKeyword | K::ElseKeyword | K::InKeyword if here && starts_value(input) => format!("{text} "),
        _ => return diagnostic,
    };
    diagnostic.fix(format!("insert `{text}`"), TextRange::new(at, at), inserted)
}

/// The file is too deep for anybody to read, and for us to read it recursively.
pub(super) fn too_deep(input: &Cursor<'_>) -> Diagnostic {
    at_leaf(input, codes::TOO_DEEP, format!("more than {DEPTH_LIMIT} levels of brackets and operators"))
        .help("name a part of it with `let`")
}

/// A bracket ends without its closer.
pub(super) fn unclosed(input: &Cursor<'_>, opener: &Leaf, close: K) -> Diagnostic {
    let text = close.fixed_text().unwrap_or_default();
    let place = place(input);
    let at = TextRange::new(place.start, place.start);
    let fix = if opener.line == input.previous().map_or(opener.line, |leaf| leaf.line) {
        text.to_owned()
    } else {
        format!("\n{}{text}", " ".repeat(opener.indent as usize))
    };
    let opened = input.sink.text_of(opener.range);
    at_next(input, codes::UNCLOSED_BRACKET, format!("`{text}` is missing before {}", found(input)))
        .with_place(input.sink.span(opener.range), format!("{} is opened here", quoted(opened)))
        .fix(format!("insert `{text}`"), at, fix)
}

/// A comma with nothing before it.
pub(super) fn empty_item(input: &Cursor<'_>, noun: &str) -> Diagnostic {
    at_leaf(input, codes::NO_ITEM, format!("expected {noun} before `,`")).fix("remove the `,`", input.peek().range, "")
}

/// Something between brackets that is no item.
pub(super) fn no_item(input: &Cursor<'_>, noun: &str) -> Diagnostic {
    at_leaf(input, codes::NO_ITEM, format!("expected {noun}, found {}", quoted(input.text())))
}

/// Something on the line behind an item.
pub(super) fn missing_separator(input: &Cursor<'_>, item_follows: bool) -> Diagnostic {
    let diagnostic =
        at_leaf(input, codes::MISSING_SEPARATOR, format!("expected `,` or a new line, found {}", found(input)));
    let end = input.after_previous();
    let adjacent = end.start == input.peek().range.start;
    if adjacent && input.previous().is_some_and(|leaf| leaf.kind == K::ClosingQuote) {
        return diagnostic.help("is a `\"` missing on this line?");
    }
    if !item_follows {
        return diagnostic;
    }
    diagnostic.label("the next item starts here").fix("insert `,`", end, ",")
}
