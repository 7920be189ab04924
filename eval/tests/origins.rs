//! Where parts of a graph come from, and that no text breaks anything.

// A soak asks for its length; the crate itself may not.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;

use sinter_eval::Evaluation;
use sinter_graph::derivation::NodeId;
use support::{Texts, place, run, run_text};

fn node(evaluation: &Evaluation, name: &str) -> NodeId {
    let graph = &evaluation.graph;
    graph.node_ids().find(|&id| graph.node(id).name == name).expect("a node of this name")
}

const STEP: &str = r#"input src = dir(".")
let text = "a\nb"
let deps = run {
  files  = src["a"]
  script = sh """
    first
    echo ${{ text }} ${{ text }}

    last
  """
}
target t = image { from = deps }
"#;

#[test]
fn lines_of_scripts_are_traced_back() {
    let evaluation = run_text(STEP);
    assert!(!evaluation.has_errors(), "{:?}", support::diagnostics(&evaluation));
    let deps = node(&evaluation, "deps");
    let lines: Vec<Option<String>> =
        (0..=7).map(|line| evaluation.origins.script_line(deps, line).map(|span| place(&evaluation, span))).collect();
    let expected = [None, Some("6"), Some("7"), Some("7"), Some("7"), Some("8"), Some("9"), None];
    for (line, (actual, expected)) in lines.iter().zip(expected).enumerate() {
        let actual = actual.as_deref().and_then(|place| place.split(':').next());
        assert_eq!(actual, expected, "line {line} of {lines:?}");
    }
}

#[test]
fn ranges_of_scripts_cover_the_text() {
    let evaluation = run_text(STEP);
    let deps = node(&evaluation, "deps");
    let sinter_graph::derivation::Derivation::Step(step) = &evaluation.graph.node(deps).derivation else {
        panic!("a step");
    };
    let origin = evaluation.origins.node(deps).expect("an origin");
    let lines: Vec<&str> = origin.lines.iter().map(|line| &step.script.text[line.start..line.end]).collect();
    assert_eq!(lines, step.script.text.lines().collect::<Vec<_>>());
}

#[test]
fn parts_of_declarations_are_found() {
    let evaluation = run_text(STEP);
    let deps = node(&evaluation, "deps");
    let origins = &evaluation.origins;
    let at = |span: Option<sinter_lang::source::Span>| span.map(|span| place(&evaluation, span));
    assert_eq!(at(origins.node_call(deps)).as_deref(), Some("3:12"));
    assert_eq!(at(origins.files_field(deps)).as_deref(), Some("4:12"));
    assert_eq!(at(origins.script(deps)).as_deref(), Some("5:12"));
    assert_eq!(at(origins.target("t")).as_deref(), Some("12:8"));
    assert_eq!(at(origins.target("u")), None);
    assert_eq!(at(origins.input(sinter_graph::derivation::InputId::new(0))).as_deref(), Some("1:13"));
    assert_eq!(origins.files_field(node(&evaluation, "t")), None);
    assert_eq!(at(origins.node_call(NodeId::new(99))), None);
}

#[test]
fn chains_lead_to_the_file_of_the_user() {
    let evaluation = run_text(
        r#"import std.debian
input packages = debian("bookworm", ["libc6"])
fn base() -> Tree {
  debian.rootfs(packages)
}
target t = base()
"#,
    );
    let unpacked = node(&evaluation, "t.unpacked");
    let chain: Vec<String> =
        evaluation.origins.call_chain(unpacked).iter().map(|span| place(&evaluation, *span)).collect();
    assert_eq!(chain, ["4:3", "6:12"]);
    let call = evaluation.origins.node_call(unpacked).expect("a call");
    assert!(evaluation.file(call.file).is_some_and(|file| file.is_std && file.path == "<std.debian>"));
}

#[test]
fn the_library_has_no_faults() {
    let evaluation =
        run_text("import std.debian\ninput p = debian(\"bookworm\", [\"libc6\"])\ntarget t = debian.rootfs(p)\n");
    assert!(evaluation.diagnostics.is_empty(), "{:?}", support::diagnostics(&evaluation));
}

#[test]
fn an_absent_root_file_is_reported() {
    let evaluation = run(&Texts::default(), BTreeMap::new());
    assert_eq!(support::diagnostics(&evaluation), ["E0206 1:1 cannot read `main.build`: there is no such file"]);
}

#[test]
fn evaluation_is_deterministic() {
    let (first, second) = (run_text(STEP), run_text(STEP));
    assert_eq!(first, second);
}

#[test]
fn deep_nesting_needs_little_stack() {
    // Test threads have 2 MiB.
    for depth in [50, 200, 255, 1000] {
        let text = format!("let a = {}\"x\"{}\ntarget t = file(\"f\", \"y\")\n", "[".repeat(depth), "]".repeat(depth));
        let calls = format!("target t = {}scratch{}\n", "image(from = ".repeat(depth), ")".repeat(depth));
        for text in [text, calls] {
            let _ = run_text(&text);
        }
    }
}

#[test]
fn deep_calls_of_deep_expressions_are_bounded() {
    let deep = |inner: &str| format!("{}{inner}{}", "image(from = ".repeat(120), ")".repeat(120));
    let mut text = format!("fn f0() -> Image {{ {} }}\n", deep("scratch"));
    for level in 1..10 {
        text += &format!("fn f{level}() -> Image {{ {} }}\n", deep(&format!("f{}()", level - 1)));
    }
    text += "target t = f9()\n";
    let codes: Vec<&str> = run_text(&text).diagnostics.iter().map(|report| report.code.0).collect();
    assert_eq!(codes, ["E0420"]);
}

/// A small generator (xorshift), so that each run sees the same texts.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit.max(1) as u64)).unwrap_or(0)
    }
}

#[test]
fn random_edits_never_panic() {
    let seeds = [
        STEP,
        include_str!("../../tests/suite/semantics/graph.cases"),
        include_str!("../../tests/suite/semantics/types.cases"),
        include_str!("../../tests/suite/semantics/images.cases"),
    ];
    let words = [
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "\"",
        "\"\"\"",
        ",",
        ".",
        "...",
        "${{",
        "}}",
        "none",
        "run",
        "src",
        "!",
        "??",
        "if ",
        "for ",
        "\n",
        "let a = a\n",
        "fn f() -> Str {",
    ];
    let rounds: usize = std::env::var("SINTER_SOAK").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let mut random = Random(0x5EED);
    for _ in 0..rounds {
        let cases: Vec<&str> = seeds[random.below(seeds.len())].split("=== ").collect();
        let mut text = cases[random.below(cases.len())].to_owned();
        for _ in 0..=random.below(4) {
            let at = floor(&text, random.below(text.len() + 1));
            let end = floor(&text, (at + random.below(12)).min(text.len()));
            let insert = if random.below(2) == 0 { words[random.below(words.len())] } else { "" };
            text.replace_range(at..end, insert);
        }
        let _ = run_text(&text);
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
