//! Which line failed, and that a fed script behaves as one in a file.

use sinter_sandbox::Exit;

use crate::support::{run_with, words};

/// Script, exit status, line.
const SHAPES: &[(&str, i32, u32)] = &[
    ("false\n", 1, 1),
    ("true\nfalse\ntrue\n", 1, 2),
    ("true\n\n# note\n\nfalse\n# after\n", 1, 5),
    ("true\nexit 3\ntrue\n", 3, 2),
    ("true\nfalse", 1, 2),
    ("f() {\n  false\n}\ntrue\nf\ntrue\n", 1, 5),
    ("if true; then\n  false\nfi\ntrue\n", 1, 3),
    ("for i in 1 2; do\n  true\n  false\ndone\necho no\n", 1, 4),
    ("cat <<E >/dev/null\na\nb\nE\nfalse\ntrue\n", 1, 5),
    ("cat <<E >/dev/null; false\na\nb\nE\ntrue\n", 1, 4),
    ("echo 'a\nb' >/dev/null\nfalse\n", 1, 3),
    ("true && \\\n  true && \\\n  exit 4\ntrue\n", 4, 3),
    ("x=$(\n  echo a\n  exit 5\n)\ntrue\n", 5, 4),
    ("true | false\ntrue\n", 1, 1),
    ("sh -c 'exit 6'\ntrue\n", 6, 1),
    ("echo a >/dev/null &\nwait\nexit 7\n", 7, 3),
    ("(true\nexit 8)\ntrue\n", 8, 2),
    ("eval 'true\nfalse'\ntrue\n", 1, 2),
    ("exec sh -c 'exit 9'\ntrue\n", 9, 1),
    ("case x in\n  x) false ;;\nesac\ntrue\n", 1, 3),
    ("true\necho $unset\ntrue\n", 2, 2),
    ("trap 'exit 11' EXIT\nfalse\ntrue\n", 11, 2),
    ("true;true;false;true\ntrue\n", 1, 1),
];

#[test]
fn sandbox_names_the_failing_line() {
    for shell in ["dash -eu", "bash -eu"] {
        for (script, code, line) in SHAPES {
            let outcome = run_with(script, |job| job.interpreter = words(shell)).outcome();
            // The status of an unset variable differs between shells.
            let code = if *code == 2 && shell.starts_with("bash") { 1 } else { *code };
            assert_eq!((outcome.exit, outcome.line), (Exit::Code(code), Some(*line)), "{shell}: {script:?}");
        }
    }
}

#[test]
fn sandbox_names_the_line_of_a_killed_shell() {
    for shell in ["dash", "bash"] {
        let outcome = run_with("true\nkill -9 $$\ntrue\n", |job| job.interpreter = words(shell)).outcome();
        assert_eq!((outcome.exit, outcome.line), (Exit::Signal(9), Some(2)), "{shell}");
    }
}

#[test]
fn sandbox_names_the_line_of_a_syntax_error() {
    for shell in ["dash", "bash"] {
        let outcome = run_with("true\ntrue )\ntrue\n", |job| job.interpreter = words(shell)).outcome();
        assert_eq!((outcome.exit, outcome.line), (Exit::Code(2), Some(2)), "{shell}");
    }
}

#[test]
fn sandbox_fed_scripts_behave_as_files() {
    let long_line = format!("echo {} | wc -c\necho after\n", "x".repeat(20_000));
    let long_document = format!("wc -l <<E\n{}E\necho after\n", "line of text\n".repeat(3000));
    for (script, expected) in [
        ("sed -n 2p \"$0\"\n# second\n", "# second\n"),
        ("tail -n 1 \"$0\"; exit 0\nnot a command\n", "not a command\n"),
        ("sh \"$0.none\" 2>/dev/null || echo none\n", "none\n"),
        ("read -r x || echo end\n", "end\n"),
        ("cat\necho after\n", "after\n"),
        ("while read -r x; do echo \"<$x>\"; done <<E\na\nb\nE\necho c\n", "<a>\n<b>\nc\n"),
        ("f() {\n  echo in f\n}\n(f)\nf &\nwait\n", "in f\nin f\n"),
        ("echo a\\\nb\n", "ab\n"),
        ("[ -f \"$0\" ] && [ -x \"$0\" ] && echo file\n", "file\n"),
        ("sleep 0.1 &\necho first\nwait\necho last", "first\nlast\n"),
        ("exec sed -n 2p \"$0\"\nlast line\n", "last line\n"),
        ("rm -f \"$0\"\necho gone\n", "gone\n"),
        (long_line.as_str(), "20001\nafter\n"),
        (long_document.as_str(), "3000\nafter\n"),
    ] {
        for shell in ["dash -u", "bash -u"] {
            let output = run_with(script, |job| job.interpreter = words(shell)).success();
            assert_eq!(output, expected, "{shell}: {:?}", script.get(..80));
        }
    }
}

#[test]
fn sandbox_feeds_a_mebibyte_of_script() {
    let mut script = String::new();
    while script.len() < 1 << 20 {
        script.push_str("x=1; : some words that make the line somewhat longer, as lines in scripts are\n");
    }
    let lines = script.lines().count() as u32;
    script.push_str("exit 12\n");
    for shell in ["dash", "bash"] {
        let outcome = run_with(&script, |job| job.interpreter = words(shell)).outcome();
        assert_eq!((outcome.exit, outcome.line), (Exit::Code(12), Some(lines + 1)), "{shell}");
    }
}

#[test]
fn sandbox_gives_no_line_for_other_interpreters() {
    let outcome = run_with("exit 3", |job| job.interpreter = words("perl")).outcome();
    assert_eq!((outcome.exit, outcome.line), (Exit::Code(3), None));
}
