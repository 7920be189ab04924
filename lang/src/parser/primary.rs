//! The smallest expressions: literals, names, strings and scripts, lists, records, parentheses.

use super::bracket::{Bracket, bracketed};
use super::combine::{any, deeper, empty_node, expected, node, too_deep};
use super::cursor::{Cursor, Step};
use super::expression::{ARGUMENTS, FIELDS, starts_line_as_field, starts_value, value};
use super::fault;
use crate::syntax::SyntaxKind as K;
use nom::Parser;

/// An operand without what may follow it; if none is here, that is reported.
pub(super) fn primary(input: Cursor<'_>) -> Step<'_> {
    match input.kind() {
        K::Name => name_or_script(input),
        K::Int => node(K::IntLiteral, any).parse(input),
        K::TrueKeyword | K::FalseKeyword => node(K::BoolLiteral, any).parse(input),
        K::NoneKeyword => node(K::NoneLiteral, any).parse(input),
        K::Quote | K::TripleQuote => string(input),
        K::LeftBracket => deeper(list).parse(input),
        K::LeftBrace => deeper(node(K::RecordExpr, bracketed(&FIELDS))).parse(input),
        K::LeftParen => deeper(node(K::ParenExpr, bracketed(&GROUP))).parse(input),
        _ => no_operand(input),
    }
}

fn no_operand(input: Cursor<'_>) -> Step<'_> {
    let leaf = input.peek();
    match leaf.kind {
        K::SingleQuoted => {
            input.sink.report(leaf, fault::single_quotes(&input));
            node(K::MissingExpr, any).parse(input)
        }
        K::Bang => {
            input.sink.report(leaf, fault::stray_exclude(&input));
            deeper(node(K::MissingExpr, (any, primary))).parse(input)
        }
        K::ForeignOperator if !leaf.on_new_line || input.text() == "-" => {
            input.sink.report(leaf, fault::foreign_operator(&input));
            deeper(node(K::MissingExpr, (any, primary))).parse(input)
        }
        _ => {
            input.sink.report(leaf, fault::expected_value(&input));
            empty_node(K::MissingExpr).parse(input)
        }
    }
}

/// `name`, or `tag """..."""`.
fn name_or_script(input: Cursor<'_>) -> Step<'_> {
    let next = input.peek_at(1);
    if next.on_new_line || !matches!(next.kind, K::TripleQuote | K::Quote) {
        return node(K::NameExpr, any).parse(input);
    }
    if next.kind == K::Quote {
        if !crate::lexer::is_script_tag(input.text()) {
            return node(K::NameExpr, any).parse(input);
        }
        input.sink.report(next, fault::one_line_script(&input));
    }
    node(K::Script, (any, string)).parse(input)
}

/// `"..."` or `"""..."""`, from its opener; a missing closer is reported where the string ends.
pub(super) fn string(input: Cursor<'_>) -> Step<'_> {
    node(K::StringLiteral, string_pieces).parse(input)
}

fn string_pieces(input: Cursor<'_>) -> Step<'_> {
    let opener = *input.peek();
    let mut input = input.bump();
    loop {
        input = match input.kind() {
            K::Text | K::Escape | K::EscapedInterpolation => input.bump(),
            K::InterpolationOpen | K::QuotedInterpolationOpen => deeper(interpolation).parse(input)?.0,
            K::ClosingQuote | K::ClosingTripleQuote => return any(input),
            _ => {
                input.sink.report(input.peek(), fault::unclosed_string(&input, &opener));
                return Ok((input, ()));
            }
        };
    }
}

fn interpolation(input: Cursor<'_>) -> Step<'_> {
    let opener = *input.peek();
    node(K::Interpolation, (any, value, move |input| close_interpolation(input, opener))).parse(input)
}

/// Whatever stands between the expression and `}}` is skipped; it never leaves the line.
fn close_interpolation(input: Cursor<'_>, opener: super::leaves::Leaf) -> Step<'_> {
    if input.at(K::InterpolationClose) {
        return any(input);
    }
    input.sink.report(input.peek(), fault::unclosed_interpolation(&input, &opener));
    let ends = |input: &Cursor<'_>| ends_interpolation(input, &opener);
    let input = super::combine::skip(input, ends);
    if input.at(K::InterpolationClose) { any(input) } else { Ok((input, ())) }
}

/// The string around goes on with text, and the line of an interpolation is that of its opener.
fn ends_interpolation(input: &Cursor<'_>, opener: &super::leaves::Leaf) -> bool {
    let leaf = input.peek();
    let in_string = matches!(leaf.kind, K::InterpolationClose | K::ClosingTripleQuote | K::ClosingQuote | K::Text);
    in_string || leaf.line > opener.line || leaf.on_new_line || input.at_boundary()
}

/// A list; a comprehension is a list whose only item is a [`K::Comprehension`].
fn list(input: Cursor<'_>) -> Step<'_> {
    node(K::ListExpr, bracketed(&LIST)).parse(input)
}

/// `(a + b)`. It is read like arguments; that it holds one value only is checked when it is lowered.
static GROUP: Bracket = Bracket { noun: "a value", ..ARGUMENTS };

static LIST: Bracket = Bracket {
    open: K::LeftBracket,
    close: K::RightBracket,
    item: element,
    starts: |input| {
        let item = matches!(input.kind(), K::Ellipsis | K::Bang | K::ForKeyword) || starts_value(input);
        item && !starts_line_as_field(input)
    },
    resumes: |input| starts_value(input) && !starts_line_as_field(input),
    noun: "an item",
};

fn element(input: Cursor<'_>) -> Step<'_> {
    if input.at(K::Ellipsis) {
        return node(K::Spread, (any, value)).parse(input);
    }
    if input.at(K::ForKeyword) {
        input.sink.report(input.peek(), fault::expected_value(&input));
        return comprehension_tail(input);
    }
    let mark = input.sink.mark();
    let input = value(input)?.0;
    if !input.at(K::ForKeyword) {
        return Ok((input, ()));
    }
    if input.sink.open_around(mark, K::Comprehension).is_none() {
        return Ok((too_deep(input), ()));
    }
    let input = comprehension_tail(input)?.0;
    input.sink.close();
    Ok((input, ()))
}

/// `for x in xs if c`
fn comprehension_tail(input: Cursor<'_>) -> Step<'_> {
    let condition = super::combine::when(|input| input.at(K::IfKeyword), (any, value));
    (any, super::function::bound_name, expected(K::InKeyword), value, condition)
        .parse(input)
        .map(|(rest, _)| (rest, ()))
}
