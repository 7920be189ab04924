//! What many derivations hold is there once.

mod support;

use std::collections::BTreeSet;

use sinter_graph::derivation::{Derivation, Files};

/// Also in what was wrapped, and after nodes were renumbered.
#[test]
fn steps_share_the_text_of_their_files() {
    let evaluation = support::run_text(
        r#"let unused = run { script = sh """true""" }
let big = file("/big", "a long text")
let moved = place(big, "/moved/")
let steps = [run { files = [big, moved], script = sh """echo ${{ n }}""" } for n in ["1", "2", "3"]]
target t = image { layers = steps }
"#,
    );
    assert!(!evaluation.has_errors(), "{:?}", support::diagnostics(&evaluation));
    let texts = |derivation: &Derivation| match derivation {
        Derivation::Step(step) => step.files.iter().filter_map(|files| text(files.leaf())).collect(),
        _ => vec![],
    };
    let copy = evaluation.graph.clone();
    let all: Vec<*const u8> = [&evaluation.graph, &copy]
        .iter()
        .flat_map(|graph| &graph.nodes)
        .flat_map(|node| texts(&node.derivation))
        .collect();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (12, 1));
}

fn text(files: &Files) -> Option<*const u8> {
    if let Files::Literal { text, .. } = files { Some(text.as_ptr()) } else { None }
}
