//! The faults of `tests/suite/syntax/faults.txt`: each case says which codes are reported where.

#![allow(clippy::disallowed_methods, reason = "tests read the suite and the length of long runs")]

mod common;

use common::{parse, suite};
use sinter_lang::source::LineIndex;

/// One case: its name, the expected reports, the text.
struct Case<'a> {
    name: &'a str,
    expected: Vec<&'a str>,
    text: &'a str,
}

/// A case starts with `=== name`, then come lines `CODE LINE:COLUMN`, then `---`, then the text.
fn cases(file: &str) -> Vec<Case<'_>> {
    file.split("\n=== ")
        .skip(1)
        .map(|case| {
            let (head, text) = case.split_once("---\n").expect("a case has a `---`");
            let mut lines = head.lines();
            Case { name: lines.next().expect("a case has a name"), expected: lines.collect(), text }
        })
        .collect()
}

#[test]
fn faults_are_reported_in_place() {
    let file = std::fs::read_to_string(suite().join("faults.txt")).expect("the suite is part of the checkout");
    let cases = cases(&file);
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for Case { name, expected, text } in cases {
        let lines = LineIndex::new(text);
        let found: Vec<String> = parse(text)
            .diagnostics
            .iter()
            .map(|diagnostic| {
                let (line, column) = lines.line_column(diagnostic.primary.span.range.start);
                format!("{} {}:{}", diagnostic.code.0, line + 1, column + 1)
            })
            .collect();
        if found != expected {
            wrong.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn messages_are_one_lower_case_line() {
    let file = std::fs::read_to_string(suite().join("faults.txt")).expect("the suite is part of the checkout");
    for case in cases(&file) {
        for diagnostic in parse(case.text).diagnostics {
            let message = &diagnostic.message;
            assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
            assert!(!message.starts_with(char::is_uppercase), "{message}");
        }
    }
}

#[test]
fn fixes_leave_fewer_faults() {
    let file = std::fs::read_to_string(suite().join("faults.txt")).expect("the suite is part of the checkout");
    let mut wrong = Vec::new();
    for case in cases(&file) {
        let found = parse(case.text).diagnostics;
        for fix in found.iter().flat_map(|diagnostic| &diagnostic.fixes) {
            let mut text = case.text.to_owned();
            for (span, replacement) in fix.edits.iter().rev() {
                text.replace_range(span.range.as_range(), replacement);
            }
            let left = parse(&text).diagnostics.len();
            if left >= found.len() {
                wrong.push(format!("{}: {} leaves {left} faults in {text:?}", case.name, fix.title));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
