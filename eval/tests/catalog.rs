//! The pages about names, types and inputs: each bad example has exactly its fault, each good one none.

mod support;

use sinter_lang::catalog;

/// Pages of the parser are tested there.
fn is_ours(code: &str) -> bool {
    !code.starts_with("E01")
}

#[test]
fn bad_examples_have_their_fault_only() {
    for page in catalog::pages().filter(|page| is_ours(page.code)) {
        let Some(bad) = page.bad else { continue };
        let codes: Vec<&str> = support::run_text(bad).diagnostics.iter().map(|report| report.code.0).collect();
        assert_eq!(codes, [page.code], "{}: {}\n{bad}", page.code, page.title);
    }
}

#[test]
fn good_examples_have_no_fault() {
    for page in catalog::pages().filter(|page| is_ours(page.code)) {
        let Some(good) = page.good else { continue };
        let evaluation = support::run_text(good);
        assert!(evaluation.diagnostics.is_empty(), "{}: {:?}", page.code, support::diagnostics(&evaluation));
    }
}

#[test]
fn every_code_in_the_sources_has_a_page() {
    let sources = [
        include_str!("../../lang/src/types/calls.rs"),
        include_str!("../../lang/src/types/checker.rs"),
        include_str!("../../lang/src/types/declarations.rs"),
        include_str!("../../lang/src/types/expressions.rs"),
        include_str!("../../lang/src/types/messages.rs"),
        include_str!("../../lang/src/types/unsupported.rs"),
        include_str!("../../lang/src/types/written.rs"),
        include_str!("../src/evaluator.rs"),
        include_str!("../src/loader.rs"),
        include_str!("../src/script.rs"),
        include_str!("../src/builtins/mod.rs"),
        include_str!("../src/builtins/files.rs"),
        include_str!("../src/builtins/image.rs"),
        include_str!("../src/builtins/inputs.rs"),
        include_str!("../src/builtins/patterns.rs"),
        include_str!("../src/builtins/run.rs"),
    ];
    let mut count = 0;
    for piece in sources.iter().flat_map(|source| source.split('"')) {
        let is_code =
            piece.len() == 5 && piece.starts_with(['E', 'W']) && piece[1..].bytes().all(|b| b.is_ascii_digit());
        if is_code {
            count += 1;
            assert!(catalog::page(piece).is_some(), "{piece} has no page");
        }
    }
    assert!(count > 40, "only {count} codes were found");
}
