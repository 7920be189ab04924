//! The combinators of this grammar, on top of nom's.

use super::cursor::{Cursor, Mismatch, Step};
use super::fault;
use crate::syntax::SyntaxKind as K;
use nom::Parser;

/// A grammar function.
pub(super) trait Grammar<'a>: Parser<Cursor<'a>, Error = Mismatch> {}

impl<'a, P: Parser<Cursor<'a>, Error = Mismatch>> Grammar<'a> for P {}

/// A leaf predicate: passes a token of this kind, else fails.
pub(super) fn token<'a>(kind: K) -> impl Fn(Cursor<'a>) -> Step<'a> {
    move |input| if input.at(kind) { Ok((input.bump(), ())) } else { Err(nom::Err::Error(Mismatch)) }
}

/// Passes whatever is next.
pub(super) fn any(input: Cursor<'_>) -> Step<'_> {
    Ok((input.bump(), ()))
}

/// Succeeds without passing anything.
pub(super) fn nothing(input: Cursor<'_>) -> Step<'_> {
    Ok((input, ()))
}

/// A node around what a parser passes.
pub(super) fn node<'a>(kind: K, mut parser: impl Grammar<'a>) -> impl FnMut(Cursor<'a>) -> Step<'a> {
    move |input| {
        input.sink.open(kind);
        let result = parser.parse(input);
        input.sink.close();
        result.map(|(rest, _)| (rest, ()))
    }
}

/// A node without tokens.
pub(super) fn empty_node<'a>(kind: K) -> impl FnMut(Cursor<'a>) -> Step<'a> {
    node(kind, nothing)
}

/// A token of this kind; if it is not next, that is reported and nothing passed.
pub(super) fn expected<'a>(kind: K) -> impl Fn(Cursor<'a>) -> Step<'a> {
    move |input| {
        if input.at(kind) {
            return Ok((input.bump(), ()));
        }
        input.sink.report(input.peek(), fault::expected_token(&input, kind));
        Ok((input, ()))
    }
}

/// Parses with `parser` if the condition holds, else passes nothing.
pub(super) fn when<'a>(
    condition: impl Fn(&Cursor<'a>) -> bool,
    mut parser: impl Grammar<'a>,
) -> impl FnMut(Cursor<'a>) -> Step<'a> {
    move |input| {
        if condition(&input) { parser.parse(input).map(|(rest, _)| (rest, ())) } else { Ok((input, ())) }
    }
}

/// One level deeper; at the limit the rest of the declaration is reported once and skipped.
pub(super) fn deeper<'a>(mut parser: impl Grammar<'a>) -> impl FnMut(Cursor<'a>) -> Step<'a> {
    move |input| {
        let depth = input.sink.depth.get();
        if depth >= fault::DEPTH_LIMIT {
            return Ok((too_deep(input), ()));
        }
        input.sink.depth.set(depth + 1);
        let result = parser.parse(input);
        input.sink.depth.set(depth);
        result.map(|(rest, _)| (rest, ()))
    }
}

/// Reports that the file is too deep here and skips the rest of the declaration; nothing more is said about it.
pub(super) fn too_deep(input: Cursor<'_>) -> Cursor<'_> {
    input.sink.report(input.peek(), fault::too_deep(&input));
    input.sink.muted.set(true);
    skip(input, Cursor::at_boundary)
}

/// Skips leaves up to where `stop` holds, as an error node; what is wrong in between is not reported.
pub(super) fn skip<'a>(mut input: Cursor<'a>, stop: impl Fn(&Cursor<'a>) -> bool) -> Cursor<'a> {
    if stop(&input) || input.at(K::EndOfFile) {
        return input;
    }
    input.sink.open(K::Error);
    while !stop(&input) && !input.at(K::EndOfFile) {
        input.sink.skipped_token(input.peek());
        input = nom::Input::take_from(&input, 1);
    }
    input.sink.close();
    input
}
