//! Types: `Str`, `[T]`, `{Str: T}`, `{a: T, b: U}`, `T?`.

use super::bracket::{Bracket, bracketed};
use super::combine::{any, deeper, empty_node, expected, node, token, too_deep};
use super::cursor::{Cursor, Step};
use super::fault;
use crate::syntax::SyntaxKind as K;
use nom::Parser;

/// A type; if none is here, that is reported.
pub(super) fn type_expr(input: Cursor<'_>) -> Step<'_> {
    let mut mark = input.sink.mark();
    let mut input = match input.kind() {
        K::Name => node(K::NamedType, any).parse(input)?.0,
        K::LeftBracket => deeper(node(K::ListType, list_type)).parse(input)?.0,
        K::LeftBrace => deeper(node(K::RecordType, bracketed(&RECORD_TYPE))).parse(input)?.0,
        _ => return missing_type(input),
    };
    while input.at_on_line(K::Question) || input.at_on_line(K::QuestionQuestion) {
        let Some(around) = input.sink.open_around(mark, K::OptionalType) else { return Ok((too_deep(input), ())) };
        mark = around;
        input = any(input)?.0;
        input.sink.close();
    }
    Ok((input, ()))
}

/// Whether a type can start here.
pub(super) fn starts_type(input: &Cursor<'_>) -> bool {
    matches!(input.kind(), K::Name | K::LeftBracket | K::LeftBrace)
}

fn missing_type(input: Cursor<'_>) -> Step<'_> {
    input.sink.report(input.peek(), fault::expected_type(&input));
    empty_node(K::MissingType).parse(input)
}

fn list_type(input: Cursor<'_>) -> Step<'_> {
    (token(K::LeftBracket), type_expr, expected(K::RightBracket)).parse(input).map(|(rest, _)| (rest, ()))
}

static RECORD_TYPE: Bracket = Bracket {
    open: K::LeftBrace,
    close: K::RightBrace,
    item: type_field,
    starts: |input| input.at(K::Name),
    resumes: |input| input.at(K::Name) && input.kind_at(1) == K::Colon,
    noun: "a field like `name: Str`",
};

fn type_field(input: Cursor<'_>) -> Step<'_> {
    node(K::TypeField, (token(K::Name), annotation)).parse(input)
}

/// `: T`
pub(super) fn annotation(input: Cursor<'_>) -> Step<'_> {
    let colon = if input.at(K::Equals) { wrong_colon } else { expected_colon };
    (colon, type_expr).parse(input).map(|(rest, _)| (rest, ()))
}

fn expected_colon(input: Cursor<'_>) -> Step<'_> {
    expected(K::Colon)(input)
}

/// `name = T` where `name: T` is meant.
fn wrong_colon(input: Cursor<'_>) -> Step<'_> {
    input.sink.report(input.peek(), fault::expected_token(&input, K::Colon));
    node(K::Error, any).parse(input)
}
