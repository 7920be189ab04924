//! A file: declarations at column 0, and what to make of everything else that stands there.

use super::combine::{any, node, nothing, skip};
use super::cursor::{Cursor, Step};
use super::declaration::{declaration, looks_like_param};
use super::fault;
use crate::syntax::SyntaxKind as K;
use nom::Parser;

/// Parses all leaves.
pub(super) fn file(mut input: Cursor<'_>) {
    while !input.at(K::EndOfFile) {
        let before = input.left();
        input.sink.muted.set(false);
        // A grammar function of this module always succeeds; if one did not, the file ends here and stays lossless.
        let Ok((rest, ())) = one(input) else { break };
        input = end_of_declaration(rest);
        if input.left() == before {
            break;
        }
    }
    input.sink.report_trivia(input.peek());
}

/// One declaration, or what stands in its place.
fn one(input: Cursor<'_>) -> Step<'_> {
    let leaf = input.peek();
    if leaf.declares {
        return declaration(leaf.kind, any).parse(input);
    }
    if let Some(keyword) = indented_keyword(&input) {
        input.sink.report(leaf, fault::indented_declaration(&input));
        return declaration(keyword, any).parse(input);
    }
    if leaf.kind == K::Name && leaf.on_new_line {
        return without_keyword(input);
    }
    input.sink.report(leaf, fault::no_declaration(&input));
    Ok((skip_to_declaration(input), ()))
}

/// A declaration's keyword that is not at column 0.
fn indented_keyword(input: &Cursor<'_>) -> Option<K> {
    let leaf = input.peek();
    let keyword = crate::syntax::declaration_keyword(input.text())?;
    let named = matches!(input.kind_at(1), K::Name | K::Quote) && !input.peek_at(1).on_new_line;
    (leaf.on_new_line && named).then_some(keyword)
}

/// A line that starts with a name: perhaps a declaration whose keyword is missing, misspelt or foreign.
fn without_keyword(input: Cursor<'_>) -> Step<'_> {
    let leaf = input.peek();
    if fault::is_instruction(input.text()) && input.kind_at(1) != K::Equals {
        input.sink.report(leaf, fault::instruction(&input));
        return Ok((skip_to_declaration(input), ()));
    }
    if let Some(keyword) = foreign_keyword(&input) {
        input.sink.report(leaf, fault::foreign_keyword(&input, keyword));
        return declaration(keyword, wrong_keyword).parse(input);
    }
    if let Some(keyword) = missing_keyword(&input).filter(|_| leaf.at_column_zero() || !leaf.unbalanced) {
        input.sink.report(leaf, fault::missing_keyword(&input, keyword));
        return declaration(keyword, nothing).parse(input);
    }
    input.sink.report(leaf, fault::no_declaration(&input));
    Ok((skip_to_declaration(input), ()))
}

fn wrong_keyword(input: Cursor<'_>) -> Step<'_> {
    node(K::Error, any).parse(input)
}

/// The keyword that is meant by a word in front of a name: that of another language, or a misspelt one.
fn foreign_keyword(input: &Cursor<'_>) -> Option<K> {
    let next = input.peek_at(1);
    if next.on_new_line || !matches!(next.kind, K::Name | K::Quote) {
        return None;
    }
    fault::keyword_meant(input.text())
}

/// The keyword that is missing in front of this name.
fn missing_keyword(input: &Cursor<'_>) -> Option<K> {
    let next = input.peek_at(1);
    match next.kind {
        _ if next.on_new_line => None,
        _ if looks_like_param(input) => Some(K::ParamKeyword),
        K::Equals | K::Colon => Some(fault::binding_keyword(input)),
        K::Dot if input.text() == "std" => Some(K::ImportKeyword),
        K::LeftParen if input.kind_at(2) == K::RightParen || input.kind_at(3) == K::Colon => Some(K::FnKeyword),
        _ => None,
    }
}

/// Behind a declaration there is nothing on its line, and nothing deeper on the next ones.
fn end_of_declaration(input: Cursor<'_>) -> Cursor<'_> {
    let leaf = input.peek();
    if input.at_boundary() || (leaf.on_new_line && starts_declaration(&input)) {
        return input;
    }
    input.sink.report(leaf, fault::text_after_declaration(&input));
    skip_to_declaration(input)
}

/// Whether a new line of the file's top level is here, not the rest of something that broke.
fn starts_declaration(input: &Cursor<'_>) -> bool {
    let leaf = input.peek();
    let misses_keyword =
        leaf.on_new_line && !leaf.unbalanced && leaf.kind == K::Name && missing_keyword(input).is_some();
    (leaf.at_column_zero() && leaf.kind == K::Name) || indented_keyword(input).is_some() || misses_keyword
}

/// Skips at least one leaf, up to the next declaration.
fn skip_to_declaration(input: Cursor<'_>) -> Cursor<'_> {
    let start = input.left();
    skip(input, |input| input.at_boundary() || (input.left() < start && starts_declaration(input)))
}
