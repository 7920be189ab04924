//! The six declarations, from their keyword (or from where it should be).

use super::combine::{any, empty_node, expected, node, nothing, when};
use super::cursor::{Cursor, Step};
use super::expression::{starts_value, value};
use super::fault;
use super::function::{bound_name, equals_value, signature_and_body};
use super::primary::string;
use super::types::annotation;
use crate::syntax::SyntaxKind as K;
use nom::Parser;

/// The rest of a declaration whose keyword is `keyword`; the keyword itself is parsed by `first`.
pub(super) fn declaration<'a>(keyword: K, first: fn(Cursor<'a>) -> Step<'a>) -> impl FnMut(Cursor<'a>) -> Step<'a> {
    move |input| match keyword {
        K::InputKeyword => node(K::InputDeclaration, (first, bound_name, equals_value)).parse(input),
        K::ParamKeyword => node(K::ParamDeclaration, (first, bound_name, param)).parse(input),
        K::ImportKeyword => node(K::ImportDeclaration, (first, import)).parse(input),
        K::FnKeyword => node(K::FnDeclaration, (first, bound_name, signature_and_body)).parse(input),
        K::TargetKeyword => node(K::TargetDeclaration, (first, bound_name, equals_value)).parse(input),
        _ => node(K::LetDeclaration, (first, bound_name, equals_value)).parse(input),
    }
}

/// `: Type = default`
fn param(input: Cursor<'_>) -> Step<'_> {
    let has_default = |input: &Cursor<'_>| input.at(K::Equals) && !input.peek().at_column_zero();
    if input.at(K::Equals) {
        input.sink.report(input.peek(), fault::param_without_type(&input));
        return (empty_node(K::MissingType), any, value).parse(input).map(|(rest, _)| (rest, ()));
    }
    let typed = if input.peek().on_new_line { missing_annotation } else { annotation };
    (typed, when(has_default, (any, value)), missing_equals).parse(input).map(|(rest, _)| (rest, ()))
}

fn missing_annotation(input: Cursor<'_>) -> Step<'_> {
    (expected(K::Colon), empty_node(K::MissingType)).parse(input).map(|(rest, _)| (rest, ()))
}

/// A value behind the type without its `=`.
fn missing_equals(input: Cursor<'_>) -> Step<'_> {
    let value_follows =
        !input.peek().on_new_line && starts_value(&input) && input.previous().is_some_and(|leaf| leaf.kind == K::Name);
    if !value_follows {
        return nothing(input);
    }
    (expected(K::Equals), value).parse(input).map(|(rest, _)| (rest, ()))
}

/// `std.name` or `"./file.build" as name`
fn import(input: Cursor<'_>) -> Step<'_> {
    (import_path, import_alias).parse(input).map(|(rest, _)| (rest, ()))
}

fn import_path(input: Cursor<'_>) -> Step<'_> {
    let here = !input.peek().on_new_line;
    match input.kind() {
        K::Quote | K::TripleQuote if here => node(K::ImportPath, string).parse(input),
        K::Name if here => node(K::ImportPath, (any, components)).parse(input),
        _ => {
            input.sink.report(input.peek(), fault::expected_import_path(&input));
            empty_node(K::ImportPath).parse(input)
        }
    }
}

/// `.apt` behind `std`; the whole is checked when it is lowered.
fn components(mut input: Cursor<'_>) -> Step<'_> {
    while input.at_on_line(K::Dot) {
        input = (any, bound_name).parse(input)?.0;
    }
    Ok((input, ()))
}

fn import_alias(input: Cursor<'_>) -> Step<'_> {
    if input.peek().on_new_line || input.at(K::EndOfFile) {
        if input.previous().is_some_and(|leaf| matches!(leaf.kind, K::ClosingQuote | K::ClosingTripleQuote)) {
            input.sink.report(input.peek(), fault::import_without_alias(&input));
        }
        return nothing(input);
    }
    if input.at(K::Name) && input.text() == "as" {
        return node(K::ImportAlias, (any, bound_name)).parse(input);
    }
    if input.at(K::Name) && input.previous().is_some_and(|leaf| leaf.kind == K::ClosingQuote) {
        input.sink.report(input.peek(), fault::import_without_alias(&input));
        return node(K::ImportAlias, any).parse(input);
    }
    nothing(input)
}

/// Whether `name: Type =` is next, a `param` without its keyword.
pub(super) fn looks_like_param(input: &Cursor<'_>) -> bool {
    [K::Name, K::Colon, K::Name, K::Equals].iter().enumerate().all(|(ahead, kind)| input.kind_at(ahead) == *kind)
}
