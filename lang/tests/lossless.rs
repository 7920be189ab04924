//! Whatever the text, the tree holds it byte for byte, tokens have no gaps, and nothing panics.

#![allow(clippy::disallowed_methods, reason = "tests read the suite and the length of long runs")]

mod common;

use common::{Numbers, files, parse, rounds};
use sinter_lang::Parse;

/// Pieces that edits insert: everything the language gives a meaning to, and some it does not.
const PIECES: &[&str] = &[
    "\"",
    "\"\"\"",
    "${{",
    "}}",
    "$${{",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "...",
    "=",
    "==",
    "!=",
    "!",
    "?",
    "??",
    "+",
    "-",
    "->",
    ":",
    ";",
    "'",
    "//",
    "#",
    "##",
    "\\",
    "\\u{",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "    ",
    "let ",
    "\nlet x = ",
    "\ntarget t = ",
    "fn f(",
    "if ",
    "then",
    "else",
    "for",
    "in",
    "not ",
    "and",
    "sh \"\"\"",
    "<<EOF\n",
    "0",
    "x",
    "\u{feff}",
    "\u{e9}",
    "\0",
    "import std.",
    "FROM x\n",
];

fn check(parsed: &Parse, text: &str) {
    assert_eq!(parsed.tree.text(), text);
    let mut end = 0;
    for token in parsed.tree.tokens() {
        let range = parsed.tree.range(token);
        assert_eq!(range.start, end, "a gap or overlap in {text:?}");
        end = range.end;
    }
    assert_eq!(end as usize, text.len(), "the tokens end early in {text:?}");
    for diagnostic in &parsed.diagnostics {
        let spans = diagnostic.fixes.iter().flat_map(|fix| fix.edits.iter().map(|(span, _)| span.range));
        for range in spans.chain([diagnostic.primary.span.range]) {
            assert!(text.get(range.as_range()).is_some(), "{} has no place in {text:?}", diagnostic.code.0);
        }
    }
}

/// Replaces up to some bytes at a random place by a random piece.
fn edit(text: &mut String, numbers: &mut Numbers) {
    let mut start = numbers.below(text.len() + 1);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (start + numbers.below(12)).min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    let piece = PIECES.get(numbers.below(PIECES.len())).copied().unwrap_or_default();
    text.replace_range(start..end, piece);
}

#[test]
fn random_edits_lose_nothing() {
    let files = files();
    for round in 0..rounds(1_000) {
        let mut numbers = Numbers::new(round + 1);
        let (_, text) = &files[numbers.below(files.len())];
        let mut text = text.clone();
        for _ in 0..=numbers.below(6) {
            edit(&mut text, &mut numbers);
        }
        check(&parse(&text), &text);
    }
}

#[test]
fn random_pieces_lose_nothing() {
    for round in 0..rounds(1_000) {
        let mut numbers = Numbers::new(round + 77);
        let count = numbers.below(40);
        let text: String = (0..count).map(|_| PIECES[numbers.below(PIECES.len())]).collect();
        check(&parse(&text), &text);
    }
}

#[test]
fn every_prefix_loses_nothing() {
    for (_, text) in files() {
        for (end, _) in text.char_indices().step_by(3) {
            check(&parse(&text[..end]), &text[..end]);
        }
    }
}

#[test]
fn deep_nesting_is_reported() {
    for (open, close) in
        [("[", "]"), ("(", ")"), ("{a=", "}"), ("f(", ")"), ("x[", "]"), ("not ", ""), ("if a then b else ", "c")]
    {
        let text = format!("let x = {}1{}\n", open.repeat(20_000), close.repeat(20_000));
        let parsed = parse(&text);
        check(&parsed, &text);
        assert_eq!(codes(&parsed), ["E0127"], "{open}");
    }
    for (first, more) in [("a", " + a"), ("a", ".a"), ("a", "(b)"), ("a", " ?? a"), ("a", " or a"), ("a", " == a")] {
        let text = format!("let x = {first}{}\n", more.repeat(20_000));
        check(&parse(&text), &text);
    }
    let text = format!("fn f(a: {}T{}) -> T {{ a }}\n", "[".repeat(20_000), "]".repeat(20_000));
    check(&parse(&text), &text);
    let text = format!("let x = {}\n", "\"${{ ".repeat(20_000));
    check(&parse(&text), &text);
}

/// Readers of the tree and of the HIR recurse; chains inside brackets inside chains must not add up.
#[test]
fn trees_stay_low() {
    const HIGHEST: usize = 2_000;
    let mut value = "a".to_owned();
    for round in 0..=120 {
        value = if round % 3 == 0 {
            format!("f {{ x = [{value}] }}{}", " + b".repeat(100))
        } else {
            format!("({value}){}", ".c".repeat(50))
        };
        let text = format!("let x = {value}\n");
        if round % 40 == 0 {
            let parsed = parse(&text);
            check(&parsed, &text);
            let height = |token| std::iter::successors(Some(token), |id| parsed.tree.parent(*id)).count();
            assert!(parsed.tree.tokens().map(height).max().unwrap_or(0) < HIGHEST, "round {round}");
        }
    }
}

fn codes(parsed: &Parse) -> Vec<&'static str> {
    parsed.diagnostics.iter().map(|diagnostic| diagnostic.code.0).collect()
}
