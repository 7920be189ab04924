//! Runs the cases of `tests/suite/semantics`: texts with the diagnostics and the graph they must give.
//!
//! A case begins with `=== name`. Its text is `main.build`; a line `--- path` begins another file. What is expected
//! stands behind the text: lines with `#! ` are diagnostics, lines with `#> ` the graph, `#set k=v` sets a param.
//! Only what a line says is compared, from its beginning, so expectations may be shorter than the output. With
//! `SINTER_BLESS=1` the expectations are written instead.

// Tests read the suite; the crate itself may not.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use support::Texts;

struct Case {
    name: String,
    /// The lines of the case as they stand, without expectations.
    source: Vec<String>,
    texts: Texts,
    parameters: BTreeMap<String, String>,
    diagnostics: Vec<String>,
    graph: Vec<String>,
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/suite/semantics")
}

fn case(text: &str) -> Case {
    let mut lines = text.lines();
    let name = lines.next().expect("a name").to_owned();
    let (mut texts, mut path) = (BTreeMap::from([("main.build".to_owned(), String::new())]), "main.build".to_owned());
    let mut case = Case {
        name,
        source: Vec::new(),
        texts: Texts::default(),
        parameters: BTreeMap::new(),
        diagnostics: Vec::new(),
        graph: Vec::new(),
    };
    for line in lines {
        if let Some(expected) = line.strip_prefix("#! ") {
            case.diagnostics.push(expected.to_owned());
        } else if let Some(expected) = line.strip_prefix("#> ") {
            case.graph.push(expected.to_owned());
        } else if let Some((key, value)) = line.strip_prefix("#set ").and_then(|set| set.split_once('=')) {
            case.source.push(line.to_owned());
            case.parameters.insert(key.to_owned(), value.to_owned());
        } else {
            case.source.push(line.to_owned());
            match line.strip_prefix("--- ") {
                Some(next) => path = next.to_owned(),
                None => *texts.entry(path.clone()).or_default() += &format!("{line}\n"),
            }
        }
    }
    case.texts = Texts(texts);
    case
}

fn matches(expected: &[String], actual: &[String]) -> bool {
    // Details of a diagnostic may be left out.
    let mut actual = actual.iter().peekable();
    for line in expected {
        while !line.starts_with("  ") && actual.peek().is_some_and(|next| next.starts_with("  ")) {
            actual.next();
        }
        loop {
            match actual.next() {
                Some(next) if next.starts_with(line.as_str()) => break,
                Some(next) if line.starts_with("  ") && next.starts_with("  ") => {}
                _ => return false,
            }
        }
    }
    actual.all(|rest| rest.starts_with("  "))
}

fn blessed(case: &Case, diagnostics: &[String], graph: &[String]) -> String {
    let mut text = format!("=== {}\n", case.name);
    let end = case.source.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    for line in &case.source[..end] {
        text += &format!("{line}\n");
    }
    diagnostics.iter().for_each(|line| text += &format!("#! {line}\n"));
    graph.iter().for_each(|line| text += &format!("#> {line}\n"));
    text + "\n"
}

fn run_file(path: &Path, bless: bool, failures: &mut Vec<String>, names: &mut BTreeSet<String>) {
    let text = std::fs::read_to_string(path).expect("a readable suite");
    let (head, cases) = text.split_once("=== ").expect("at least one case");
    let mut output = head.to_owned();
    for text in cases.split("\n=== ") {
        let case = case(text);
        let place = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(names.insert(format!("{place}: {}", case.name)), "two cases of {place} are called {}", case.name);
        let evaluation = support::run(&case.texts, case.parameters.clone());
        let diagnostics = support::diagnostics(&evaluation);
        let graph = if evaluation.has_errors() { Vec::new() } else { support::graph(&evaluation.graph) };
        let wanted_graph = !case.graph.is_empty() || (bless && !evaluation.has_errors());
        output += &blessed(&case, &diagnostics, if wanted_graph { &graph } else { &[] });
        if !matches(&case.diagnostics, &diagnostics) || (!case.graph.is_empty() && case.graph != graph) {
            let show = |lines: &[String]| lines.join("\n    ");
            failures.push(format!("{}\n    {}\n    {}", case.name, show(&diagnostics), show(&graph)));
        }
    }
    if bless {
        std::fs::write(path, format!("{}\n", output.trim_end())).expect("a writable suite");
    }
}

#[test]
fn cases_give_what_they_say() {
    let bless = std::env::var_os("SINTER_BLESS").is_some();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(suite()).expect("the suite").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
    paths.sort();
    let (mut failures, mut names) = (Vec::new(), BTreeSet::new());
    paths.iter().for_each(|path| run_file(path, bless, &mut failures, &mut names));
    assert!(names.len() >= 150, "only {} cases were found", names.len());
    assert!(bless || failures.is_empty(), "{} of {} cases:\n{}", failures.len(), names.len(), failures.join("\n"));
}
