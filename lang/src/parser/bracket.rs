//! Everything between brackets: items that end with a comma, a newline or both.
//!
//! Recovery: a declaration's keyword at column 0 closes all brackets; where brackets do not match in a declaration, an
//! item that stands no deeper than the line of the opening bracket closes that bracket; what is no item is skipped.

use super::combine::skip;
use super::cursor::{Cursor, Step};
use super::fault;
use super::leaves::Leaf;
use crate::syntax::SyntaxKind as K;

/// A kind of bracket.
pub(super) struct Bracket {
    pub(super) open: K,
    pub(super) close: K,
    /// Parses one item; always passes something if `starts` holds.
    pub(super) item: fn(Cursor<'_>) -> Step<'_>,
    /// Whether an item can start here.
    pub(super) starts: fn(&Cursor<'_>) -> bool,
    /// Whether a line that starts here is an item beyond doubt; where to go on after a fault.
    pub(super) resumes: fn(&Cursor<'_>) -> bool,
    /// What an item is called.
    pub(super) noun: &'static str,
}

/// Parses a bracket; the opener is next, or was reported missing.
pub(super) fn bracketed<'a>(bracket: &'static Bracket) -> impl FnMut(Cursor<'a>) -> Step<'a> {
    move |input| {
        if input.at(bracket.open) {
            return inside(bracket, *input.peek(), input.bump());
        }
        inside(bracket, *input.previous().unwrap_or(input.peek()), input)
    }
}

/// Parses the items and the closer.
fn inside<'a>(bracket: &'static Bracket, opener: Leaf, mut input: Cursor<'a>) -> Step<'a> {
    input.sink.closers.borrow_mut().push(bracket.close);
    while !ends(bracket, &opener, &input) {
        let before = input.left();
        input = one_item(bracket, &opener, input)?.0;
        if input.left() == before {
            break;
        }
    }
    input.sink.closers.borrow_mut().pop();
    Ok((close(bracket, &opener, input), ()))
}

/// Whether no further item of this bracket follows.
fn ends(bracket: &Bracket, opener: &Leaf, input: &Cursor<'_>) -> bool {
    let leaf = input.peek();
    let closes = leaf.kind == bracket.close || leaf.kind == K::Arrow;
    closes || input.at_boundary() || is_wanted_outside(input) || is_outdented(opener, leaf)
}

/// Whether the closer that is next closes a bracket further out.
fn is_wanted_outside(input: &Cursor<'_>) -> bool {
    input.kind().is_closer() && input.sink.closers.borrow().iter().rev().skip(1).any(|closer| *closer == input.kind())
}

/// Whether the line that starts here stands no deeper than the opener's line although brackets do not match.
fn is_outdented(opener: &Leaf, leaf: &Leaf) -> bool {
    leaf.unbalanced && leaf.on_new_line && leaf.line > opener.line && leaf.indent <= opener.indent
}

fn close<'a>(bracket: &Bracket, opener: &Leaf, input: Cursor<'a>) -> Cursor<'a> {
    if input.at(bracket.close) && !is_stolen(bracket, opener, &input) {
        return input.bump();
    }
    input.sink.report(input.peek(), fault::unclosed(&input, opener, bracket.close));
    input
}

/// Whether a closer at the start of a line belongs to a bracket further out: it stands left of this bracket's line.
fn is_stolen(bracket: &Bracket, opener: &Leaf, input: &Cursor<'_>) -> bool {
    let leaf = input.peek();
    let wanted = input.sink.closers.borrow().contains(&bracket.close);
    leaf.unbalanced && wanted && leaf.on_new_line && leaf.line > opener.line && leaf.indent < opener.indent
}

fn one_item<'a>(bracket: &'static Bracket, opener: &Leaf, input: Cursor<'a>) -> Step<'a> {
    if input.at(K::Comma) {
        input.sink.report(input.peek(), fault::empty_item(&input, bracket.noun));
        return Ok((input.bump(), ()));
    }
    let doubts = input.sink.doubts();
    let input = if (bracket.starts)(&input) {
        (bracket.item)(input)?.0
    } else {
        input.sink.report(input.peek(), fault::no_item(&input, bracket.noun));
        skip_item(bracket, input)
    };
    let input = separator(bracket, opener, input);
    let faulty = input.sink.doubts() > doubts;
    Ok((if faulty { resume(bracket, opener, input) } else { input }, ()))
}

/// After an item: a comma, a newline, or the end of the bracket.
fn separator<'a>(bracket: &'static Bracket, opener: &Leaf, input: Cursor<'a>) -> Cursor<'a> {
    if input.at(K::Comma) {
        return input.bump();
    }
    if input.peek().on_new_line || ends(bracket, opener, &input) {
        return input;
    }
    let item_follows = (bracket.starts)(&input);
    input.sink.report(input.peek(), fault::missing_separator(&input, item_follows));
    if item_follows { input } else { skip_item(bracket, input) }
}

/// After a fault: lines that are no item beyond doubt belong to it.
fn resume<'a>(bracket: &'static Bracket, opener: &Leaf, input: Cursor<'a>) -> Cursor<'a> {
    let goes_on = |input: &Cursor<'_>| {
        let starts_line = input.peek().on_new_line;
        ends(bracket, opener, input) || (starts_line && (bracket.resumes)(input))
    };
    if input.peek().on_new_line { skip(input, goes_on) } else { input }
}

/// Skips what is no item: to a comma or closer on this line, else to the next line.
fn skip_item<'a>(bracket: &'static Bracket, input: Cursor<'a>) -> Cursor<'a> {
    let first = *input.peek();
    let nesting = std::cell::Cell::new(0_u32);
    skip(input, |input| {
        let leaf = input.peek();
        if input.at_boundary()
            || (leaf.on_new_line && leaf.line > first.line && (nesting.get() == 0 || leaf.unbalanced))
        {
            return true;
        }
        if nesting.get() == 0 && ends_skipped(bracket, input) {
            return true;
        }
        nesting.set(nesting_after(nesting.get(), leaf.kind));
        false
    })
}

fn ends_skipped(bracket: &Bracket, input: &Cursor<'_>) -> bool {
    input.at(K::Comma) || input.at(bracket.close) || is_wanted_outside(input)
}

fn nesting_after(nesting: u32, kind: K) -> u32 {
    if kind.closer().is_some() {
        nesting + 1
    } else if kind.is_closer() {
        nesting.saturating_sub(1)
    } else {
        nesting
    }
}
