//! Expressions with operators, loosest first: `or`, `and`, `not`, `==` `!=`, `??`, `+`, then calls, fields and indexes.

use super::bracket::{Bracket, bracketed};
use super::combine::{any, deeper, empty_node, expected, node, too_deep};
use super::cursor::{Cursor, Step};
use super::fault;
use super::primary::{primary, string};
use super::sink::Mark;
use crate::syntax::SyntaxKind as K;
use nom::Parser;

/// How tightly an operator binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Comparison,
    Default,
    Sum,
    Postfix,
}

/// An expression; if none is here, that is reported.
pub(super) fn value(input: Cursor<'_>) -> Step<'_> {
    binary(input, Binding::Or)
}

/// Whether an expression can start here.
pub(super) fn starts_value(input: &Cursor<'_>) -> bool {
    let operand = matches!(
        input.kind(),
        K::Name | K::Int | K::Quote | K::TripleQuote | K::SingleQuoted | K::LeftParen | K::LeftBracket | K::LeftBrace
    );
    let word = matches!(input.kind(), K::IfKeyword | K::NotKeyword | K::TrueKeyword | K::FalseKeyword | K::NoneKeyword);
    operand || word || input.at(K::ForeignOperator) && input.text() == "-"
}

fn binary(input: Cursor<'_>, least: Binding) -> Step<'_> {
    let mut mark = input.sink.mark();
    let mut input = operand(input)?.0;
    let mut compared = false;
    while let Some(binding) = operator(&input).filter(|binding| *binding >= least) {
        if compared && binding == Binding::Comparison {
            input.sink.report(input.peek(), fault::chained_comparison(&input));
        }
        compared = binding == Binding::Comparison;
        let Some(around) = input.sink.open_around(mark, K::BinaryExpr) else { return Ok((too_deep(input), ())) };
        mark = around;
        input = right_side(input, binding)?.0;
        input.sink.close();
    }
    Ok((input, ()))
}

/// The operator and what stands right of it.
fn right_side(input: Cursor<'_>, binding: Binding) -> Step<'_> {
    let foreign = input.at(K::ForeignOperator);
    if foreign {
        input.sink.report(input.peek(), fault::foreign_operator(&input));
    }
    let input = if foreign { node(K::Error, any).parse(input)?.0 } else { input.bump() };
    match binding {
        Binding::Or => binary(input, Binding::And),
        Binding::And => binary(input, Binding::Not),
        Binding::Comparison => binary(input, Binding::Default),
        // `a ?? b ?? c` is `a ?? (b ?? c)`: the rightmost value is the one that is surely there.
        Binding::Default => deeper(|input| binary(input, Binding::Default)).parse(input),
        Binding::Not | Binding::Sum | Binding::Postfix => binary(input, Binding::Postfix),
    }
}

/// The operator that continues an expression here: on its line, or inside brackets also on the next.
fn operator(input: &Cursor<'_>) -> Option<Binding> {
    if input.peek().on_new_line && (input.sink.closers.borrow().is_empty() || input.at(K::ForeignOperator)) {
        return None;
    }
    Some(match input.kind() {
        K::OrKeyword => Binding::Or,
        K::AndKeyword => Binding::And,
        K::EqualEqual | K::BangEqual => Binding::Comparison,
        K::QuestionQuestion => Binding::Default,
        K::Plus => Binding::Sum,
        K::ForeignOperator => return foreign_binding(input),
        _ => return None,
    })
}

fn foreign_binding(input: &Cursor<'_>) -> Option<Binding> {
    match input.text() {
        "||" => Some(Binding::Or),
        "&&" => Some(Binding::And),
        "<" | ">" | "<=" | ">=" => Some(Binding::Comparison),
        "-" | "*" | "/" | "%" | "++" | "+=" => Some(Binding::Sum),
        _ => None,
    }
}

fn operand(input: Cursor<'_>) -> Step<'_> {
    match input.kind() {
        K::NotKeyword => deeper(node(K::NotExpr, (any, |input| binary(input, Binding::Not)))).parse(input),
        K::IfKeyword => deeper(node(K::IfExpr, conditional)).parse(input),
        _ => postfix(input),
    }
}

/// `if c then a else b`; `then` and `else` may stand on lines of their own.
fn conditional(input: Cursor<'_>) -> Step<'_> {
    let branches = (expected(K::ThenKeyword), value, expected(K::ElseKeyword), value);
    (any, value, branches).parse(input).map(|(rest, _)| (rest, ()))
}

/// An operand with its calls, fields and indexes.
fn postfix(input: Cursor<'_>) -> Step<'_> {
    let mut mark = input.sink.mark();
    let mut input = primary(input)?.0;
    if input.previous().is_some_and(|leaf| leaf.kind == K::Name) && lacks_brace(&input) {
        return unopened_call(input, mark);
    }
    while let Some(kind) = continuation(&input) {
        let Some(around) = input.sink.open_around(mark, kind) else { return Ok((too_deep(input), ())) };
        mark = around;
        input = suffix(input)?.0;
        input.sink.close();
    }
    Ok((input, ()))
}

/// What a `(`, `[`, `{` or `.` on the line of the operand makes of it.
fn continuation(input: &Cursor<'_>) -> Option<K> {
    if input.peek().on_new_line {
        return None;
    }
    match input.kind() {
        K::LeftParen | K::LeftBrace => Some(K::CallExpr),
        K::LeftBracket => Some(K::IndexExpr),
        K::Dot => Some(K::FieldAccess),
        _ => None,
    }
}

/// What follows an operand.
fn suffix(input: Cursor<'_>) -> Step<'_> {
    match input.kind() {
        K::LeftParen => deeper(node(K::ArgumentList, bracketed(&CALL))).parse(input),
        K::LeftBrace => deeper(node(K::ArgumentList, bracketed(&FIELDS))).parse(input),
        K::LeftBracket => deeper(node(K::PatternList, bracketed(&PATTERNS))).parse(input),
        _ => field_name(input.bump()),
    }
}

/// Whether fields follow on deeper lines where brackets do not match: a `{` is missing at the end of the line.
pub(super) fn lacks_brace(input: &Cursor<'_>) -> bool {
    let leaf = input.peek();
    let deeper = input.previous().is_some_and(|previous| previous.indent < leaf.indent);
    leaf.unbalanced && leaf.on_new_line && deeper && input.at(K::Name) && input.kind_at(1) == K::Equals
}

/// `f` with fields below it, but no `{`.
fn unopened_call(input: Cursor<'_>, mark: Mark) -> Step<'_> {
    input.sink.report(input.peek(), fault::expected_token(&input, K::LeftBrace));
    if input.sink.open_around(mark, K::CallExpr).is_none() {
        return Ok((too_deep(input), ()));
    }
    let input = deeper(node(K::ArgumentList, bracketed(&FIELDS))).parse(input)?.0;
    input.sink.close();
    Ok((input, ()))
}

/// Fields below an `=`, but no `{`.
pub(super) fn unopened_record(input: Cursor<'_>) -> Step<'_> {
    input.sink.report(input.peek(), fault::expected_token(&input, K::LeftBrace));
    deeper(node(K::RecordExpr, bracketed(&FIELDS))).parse(input)
}

fn field_name(input: Cursor<'_>) -> Step<'_> {
    let same_line = !input.peek().on_new_line;
    if same_line && input.at(K::Name) {
        return any(input);
    }
    input.sink.report(input.peek(), fault::expected_field_name(&input));
    if same_line && input.kind().is_keyword() { node(K::Error, any).parse(input) } else { Ok((input, ())) }
}

/// `f(a, b = c, ...r)`
pub(super) const ARGUMENTS: Bracket = Bracket {
    open: K::LeftParen,
    close: K::RightParen,
    item: argument,
    starts: |input| starts_field(input) || starts_value(input),
    resumes: |input| starts_field(input) || starts_value(input),
    noun: "an argument",
};

static CALL: Bracket = ARGUMENTS;

/// `f { a = b, ...r }` and `{ a = b, ...r }`
pub(super) static FIELDS: Bracket = Bracket {
    open: K::LeftBrace,
    close: K::RightBrace,
    item: field,
    starts: |input| starts_field(input) || starts_value(input) || input.kind().is_keyword(),
    resumes: starts_field,
    noun: "a field like `name = value`",
};

/// `files["a", !"b"]`
static PATTERNS: Bracket = Bracket {
    open: K::LeftBracket,
    close: K::RightBracket,
    item: pattern,
    starts: |input| input.at(K::Bang) || (starts_value(input) && !starts_line_as_field(input)),
    resumes: |input| matches!(input.kind(), K::Bang | K::Quote),
    noun: "a pattern like `\"src/**\"`",
};

fn argument(input: Cursor<'_>) -> Step<'_> {
    if starts_field(&input) { field(input) } else { value(input) }
}

/// Whether `name =`, `"name" =`, `name:`, `=` or `...` is next.
pub(super) fn starts_field(input: &Cursor<'_>) -> bool {
    let after = match input.kind() {
        K::Equals | K::Ellipsis => return true,
        K::Name => 1,
        K::Quote => quoted_length(input),
        kind if kind.is_keyword() => 1,
        _ => return false,
    };
    let next = input.peek_at(after);
    matches!(next.kind, K::Equals | K::Colon) && !next.on_new_line
}

/// Whether a new line starts with a field, so that a list before it cannot go on.
pub(super) fn starts_line_as_field(input: &Cursor<'_>) -> bool {
    input.peek().on_new_line && starts_field(input) && !input.at(K::Ellipsis)
}

/// The number of leaves of a plain string.
fn quoted_length(input: &Cursor<'_>) -> usize {
    (1..=MOST_KEY_LEAVES).find(|ahead| input.kind_at(*ahead) == K::ClosingQuote).map_or(0, |ahead| ahead + 1)
}

/// A key has no more pieces than this; keeps the look ahead short.
const MOST_KEY_LEAVES: usize = 8;

/// `name = value`, `"name" = value` or `...record`.
fn field(input: Cursor<'_>) -> Step<'_> {
    if input.at(K::Ellipsis) {
        return node(K::Spread, (any, value)).parse(input);
    }
    if !starts_field(&input) && !starts_nameless_field(&input) {
        input.sink.report(input.peek(), fault::positional_in_braces(&input));
        return value(input);
    }
    node(K::Field, (key, super::function::equals_value)).parse(input)
}

/// Whether this is a field whose `=` is missing rather than a value: a name alone, or a name with a value behind it.
fn starts_nameless_field(input: &Cursor<'_>) -> bool {
    let next = input.peek_at(1);
    let punctuation = matches!(next.kind, K::LeftParen | K::Dot | K::Plus | K::LeftBrace);
    (input.at(K::Name) || input.kind().is_keyword()) && (next.on_new_line || !punctuation)
}

fn key(input: Cursor<'_>) -> Step<'_> {
    match input.kind() {
        K::Name => node(K::FieldKey, any).parse(input),
        K::Quote => node(K::FieldKey, string).parse(input),
        K::Equals | K::Colon => {
            input.sink.report(input.peek(), fault::expected_name(&input));
            empty_node(K::FieldKey).parse(input)
        }
        _ => {
            input.sink.report(input.peek(), fault::expected_name(&input));
            node(K::FieldKey, node(K::Error, any)).parse(input)
        }
    }
}

fn pattern(input: Cursor<'_>) -> Step<'_> {
    if input.at(K::Bang) {
        return node(K::Pattern, (any, value)).parse(input);
    }
    node(K::Pattern, value).parse(input)
}
