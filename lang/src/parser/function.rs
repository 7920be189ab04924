//! `fn name(a: T, b: U = default) -> R { lets and one last expression }`.

use super::bracket::{Bracket, bracketed};
use super::combine::{any, deeper, empty_node, node, nothing, token, when};
use super::cursor::{Cursor, Step};
use super::expression::{lacks_brace, starts_value, unopened_record, value};
use super::fault;
use super::types::{annotation, starts_type, type_expr};
use crate::Dialect;
use crate::syntax::SyntaxKind as K;
use nom::Parser;

/// What follows the name of a function.
pub(super) fn signature_and_body(input: Cursor<'_>) -> Step<'_> {
    (parameters, result, body).parse(input).map(|(rest, _)| (rest, ()))
}

fn parameters(input: Cursor<'_>) -> Step<'_> {
    if !input.at_on_line(K::LeftParen) {
        input.sink.report(input.peek(), fault::expected_token(&input, K::LeftParen));
        let goes_on = input.at(K::Name) && (input.kind_at(1) == K::Colon || !input.peek().on_new_line);
        if !goes_on || input.peek().at_column_zero() {
            return empty_node(K::ParameterList).parse(input);
        }
    }
    node(K::ParameterList, bracketed(&PARAMETERS)).parse(input)
}

static PARAMETERS: Bracket = Bracket {
    open: K::LeftParen,
    close: K::RightParen,
    item: parameter,
    starts: |input| input.at(K::Name) || input.at(K::Colon) || input.kind().is_keyword(),
    resumes: |input| input.at(K::Name) && input.kind_at(1) == K::Colon,
    noun: "a parameter like `name: Str`",
};

fn parameter(input: Cursor<'_>) -> Step<'_> {
    node(K::Parameter, (bound_name, annotation, when(|input| input.at(K::Equals), default))).parse(input)
}

fn default(input: Cursor<'_>) -> Step<'_> {
    (token(K::Equals), value).parse(input).map(|(rest, _)| (rest, ()))
}

/// The name something gets; if none is here, that is reported.
pub(super) fn bound_name(input: Cursor<'_>) -> Step<'_> {
    if input.at(K::Name) && !input.at_boundary() {
        return any(input);
    }
    input.sink.report(input.peek(), fault::expected_name(&input));
    let reserved = input.kind().is_keyword() && !input.at_boundary() && input.kind_at(1) != K::Name;
    if reserved { node(K::Error, any).parse(input) } else { Ok((input, ())) }
}

fn result(input: Cursor<'_>) -> Step<'_> {
    if input.at(K::Arrow) {
        return (any, result_type).parse(input).map(|(rest, _)| (rest, ()));
    }
    input.sink.report(input.peek(), fault::expected_token(&input, K::Arrow));
    if input.at(K::Colon) {
        return (node(K::Error, any), result_type).parse(input).map(|(rest, _)| (rest, ()));
    }
    if !input.peek().on_new_line && input.at(K::Name) {
        type_expr(input)
    } else {
        empty_node(K::MissingType).parse(input)
    }
}

/// A `{` behind the arrow is a type only if it looks like one; else the type is missing and the body is here.
fn result_type(input: Cursor<'_>) -> Step<'_> {
    let is_type = input.kind_at(1) == K::Name && input.kind_at(2) == K::Colon;
    if starts_type(&input) && (!input.at(K::LeftBrace) || is_type) {
        return type_expr(input);
    }
    input.sink.report(input.peek(), fault::expected_type(&input));
    empty_node(K::MissingType).parse(input)
}

fn body(input: Cursor<'_>) -> Step<'_> {
    if input.at_on_line(K::LeftBrace) {
        return block(input);
    }
    if input.sink.dialect == Dialect::Prelude && (input.at_boundary() || input.peek().at_column_zero()) {
        return Ok((input, ()));
    }
    input.sink.report(input.peek(), fault::expected_body(&input));
    let inside = !input.at_boundary() && !input.peek().at_column_zero();
    if inside || input.at(K::LeftBrace) { block(input) } else { Ok((input, ())) }
}

fn block(input: Cursor<'_>) -> Step<'_> {
    node(K::Block, deeper(bracketed(&BLOCK))).parse(input)
}

static BLOCK: Bracket = Bracket {
    open: K::LeftBrace,
    close: K::RightBrace,
    item: statement,
    starts: |input| input.at(K::LetKeyword) || starts_value(input),
    resumes: |input| {
        input.at(K::LetKeyword) || (input.at(K::Name) && matches!(input.kind_at(1), K::LeftBrace | K::Equals))
    },
    noun: "`let name = value` or the result",
};

fn statement(input: Cursor<'_>) -> Step<'_> {
    match (input.kind(), input.kind_at(1)) {
        (K::LetKeyword, _) => node(K::BlockLet, (any, bound_name, equals_value)).parse(input),
        (K::Name, K::Equals) => {
            input.sink.report(input.peek(), fault::missing_let(&input));
            node(K::BlockLet, (any, equals_value)).parse(input)
        }
        _ => value(input),
    }
}

/// `= value`; a missing `=` is reported, and the value read all the same if it is on the line.
pub(super) fn equals_value(input: Cursor<'_>) -> Step<'_> {
    (equals, value_after_equals).parse(input).map(|(rest, _)| (rest, ()))
}

/// `=`, or the `:` people from YAML write.
pub(super) fn equals(input: Cursor<'_>) -> Step<'_> {
    if input.at_on_line(K::Equals) || (input.at(K::Equals) && !input.peek().at_column_zero()) {
        return any(input);
    }
    if matches!(input.kind(), K::Colon | K::EqualEqual) || (input.at(K::ForeignOperator) && input.text() == ":=") {
        input.sink.report(input.peek(), fault::wrong_equals(&input));
        return node(K::Error, any).parse(input);
    }
    input.sink.report(input.peek(), fault::expected_token(&input, K::Equals));
    nothing(input)
}

/// The value behind `=`. It may stand on the next line unless that line is clearly something else.
fn value_after_equals(input: Cursor<'_>) -> Step<'_> {
    let had_equals = input
        .previous()
        .is_some_and(|leaf| matches!(leaf.kind, K::Equals | K::Colon | K::EqualEqual | K::ForeignOperator));
    let leaf = input.peek();
    if had_equals && lacks_brace(&input) {
        return unopened_record(input);
    }
    let next_is_item = input.at(K::Name) && matches!(input.kind_at(1), K::Equals | K::Colon);
    if leaf.on_new_line && (!had_equals || next_is_item || leaf.at_column_zero()) {
        if had_equals {
            input.sink.report(leaf, fault::expected_value(&input));
        }
        return empty_node(K::MissingExpr).parse(input);
    }
    value(input)
}
