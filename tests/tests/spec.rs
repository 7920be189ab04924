//! Holds the program against `spec.md`: its examples run, its numbers ascend, its codes exist. A failure lists every
//! block that is wrong, with its line in `spec.md`.

use std::collections::BTreeSet;

use sinter_eval::{Evaluation, Settings, evaluate};
use sinter_graph::lock::Lock;
use sinter_lang::catalog;
use sinter_lang::diagnostic::Severity;
use sinter_lang::source::LineIndex;
use sinter_tests::repository;
use sinter_tests::spec::{CodeBlock, Spec, codes_in};

// Graphs are shown in the one form that the suite of sinter-eval has for them.
#[path = "../../eval/tests/support/mod.rs"]
mod support;

/// Chapters in which each rule needs an example that runs.
const LANGUAGE_CHAPTERS: [&str; 9] = ["1", "2", "3", "4", "5", "7", "8", "9", "10"];

/// What every example may yield: a short example leaves names unused.
const HARMLESS: &str = "W0201";

/// The example's own file.
const ROOT_FILE: &str = "example.build";

fn spec() -> Spec {
    Spec::parse(&repository::read("spec.md"))
}

fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}, in {} places:\n{}", violations.len(), violations.join("\n"));
}

fn evaluated(spec: &Spec, block: &CodeBlock) -> Evaluation {
    let mut files = spec.files_beside(block);
    files.insert(ROOT_FILE.to_owned(), block.text.clone());
    let parameters = block.attributes("set").filter_map(|set| set.split_once('='));
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let platform = "linux/amd64".parse().expect("a platform");
    evaluate(&support::Texts(files), ROOT_FILE, &Settings { parameters, platform })
}

/// What a block yields beside its graph: code, line within its file, message.
fn reports(evaluation: &Evaluation) -> Vec<(Severity, &'static str, u32, String)> {
    let report = |report: &sinter_lang::diagnostic::Diagnostic| {
        let span = report.primary.span;
        let line =
            evaluation.file(span.file).map_or(0, |file| LineIndex::new(&file.text).line_column(span.range.start).0);
        (report.severity, report.code.0, line + 1, report.message.clone())
    };
    evaluation.diagnostics.iter().map(report).collect()
}

/// What is wrong with an example; nothing if it yields what its info string says.
fn violation(spec: &Spec, block: &CodeBlock) -> Option<String> {
    let evaluation = evaluated(spec, block);
    let reports = reports(&evaluation);
    let is_error = |severity: Severity| severity == Severity::Error;
    let errors: BTreeSet<&str> = reports.iter().filter(|r| is_error(r.0)).map(|r| r.1).collect();
    let warnings: BTreeSet<&str> = reports.iter().filter(|r| !is_error(r.0)).map(|r| r.1).collect();
    let line = block.attribute("line").and_then(|line| line.parse().ok());
    let at_line = line.is_none_or(|line: u32| reports.iter().any(|r| r.2 == line && r.1 != HARMLESS));
    let said: BTreeSet<&str> = block.attributes("warning").collect();
    let as_said = errors == block.attributes("error").collect()
        && warnings.iter().all(|code| *code == HARMLESS || said.contains(code))
        && said.is_subset(&warnings);
    if as_said && at_line {
        return None;
    }
    let found: Vec<String> =
        reports.iter().map(|(_, code, line, message)| format!("    {line}: {code} {message}")).collect();
    Some(format!("spec.md:{} ({}) yields\n{}", block.line, block.info.join(" "), found.join("\n")))
}

#[test]
fn examples_yield_what_they_say() {
    let spec = spec();
    let examples: Vec<&CodeBlock> = spec.blocks.iter().filter(|block| block.is_example()).collect();
    assert!(examples.len() >= 100, "only {} examples were found", examples.len());
    let violations: Vec<String> = examples.iter().filter_map(|block| violation(&spec, block)).collect();
    assert_none("examples yield something else", &violations);
}

#[test]
fn graphs_are_the_ones_shown() {
    let spec = spec();
    let mut violations = Vec::new();
    for pair in spec.blocks.windows(2).filter(|pair| pair[0].is_example() && pair[0].says("graph")) {
        let shown: Vec<String> = support::graph(&evaluated(&spec, &pair[0]).graph);
        if !pair[1].says("text") || shown.iter().map(|line| format!("{line}\n")).collect::<String>() != pair[1].text {
            violations.push(format!("spec.md:{} yields\n{}", pair[0].line, shown.join("\n")));
        }
    }
    assert_none("graphs differ", &violations);
}

#[test]
fn lock_example_is_canonical() {
    let spec = spec();
    let locks: Vec<&CodeBlock> = spec.blocks.iter().filter(|block| block.says("toml") && block.says("lock")).collect();
    assert!(!locks.is_empty(), "there is no lock in spec.md");
    let canonical = |block: &&&CodeBlock| match Lock::parse(&block.text) {
        Ok(lock) => {
            (lock.render() != block.text).then(|| format!("spec.md:{} renders as\n{}", block.line, lock.render()))
        }
        Err(error) => Some(format!("spec.md:{}: {error}", block.line)),
    };
    assert_none(
        "locks are not what sinter writes",
        &locks.iter().filter_map(|block| canonical(&block)).collect::<Vec<_>>(),
    );
}

#[test]
fn rules_are_numbered_in_order() {
    let spec = spec();
    assert_none("headings and fences", &[spec.violations.clone(), spec.misnumbered()].concat());
    assert_none("rules of the language", &spec.rules_without_example(&LANGUAGE_CHAPTERS));
}

/// The codes that a source file of these crates can report.
fn reported_codes() -> BTreeSet<String> {
    let files = repository::tracked_files();
    let sources = files.iter().filter(|file| {
        let path = file.path.as_str();
        path.ends_with(".rs")
            && ["lang/src/", "eval/src/", "cli/src/"].iter().any(|directory| path.starts_with(directory))
    });
    sources.flat_map(|file| codes_in(&file.text)).filter(|code| code != "E0000").collect()
}

/// The codes that `sinter explain` has a page for, each as often as it has one.
fn explained_codes() -> Vec<String> {
    let of_building = repository::read("cli/src/catalog.rs");
    let pages = of_building.lines().filter(|line| line.trim_start().starts_with("code: ")).flat_map(codes_in);
    catalog::pages().map(|page| page.code.to_owned()).chain(pages).collect()
}

#[test]
fn every_code_is_explained_once() {
    let pages = explained_codes();
    let explained: BTreeSet<String> = pages.iter().cloned().collect();
    let missing = reported_codes()
        .union(&codes_in(&repository::read("spec.md")).into_iter().collect())
        .cloned()
        .collect::<BTreeSet<_>>();
    assert_none("codes without a page", &missing.difference(&explained).cloned().collect::<Vec<_>>());
    let twice = |code: &&String| pages.iter().filter(|page| page == code).count() > 1;
    assert_none("codes that mean two things", &explained.iter().filter(twice).cloned().collect::<Vec<_>>());
}

#[test]
fn every_code_beyond_syntax_is_in_the_spec() {
    // The pages of syntax errors stand for themselves; what they are about is chapter 1.
    let mentioned: BTreeSet<String> = codes_in(&repository::read("spec.md")).into_iter().collect();
    let beyond = explained_codes().into_iter().filter(|code| !code.starts_with("E01"));
    assert_none(
        "codes the spec does not mention",
        &beyond.filter(|code| !mentioned.contains(code)).collect::<Vec<_>>(),
    );
}

#[test]
fn every_code_of_a_file_has_an_example() {
    let spec = spec();
    let shown: BTreeSet<&str> =
        spec.blocks.iter().flat_map(|block| block.attributes("error").chain(block.attributes("warning"))).collect();
    // Without an example here there are syntax errors, whose pages have one, and a bug of ours.
    let needs_one = |code: &&str| !code.starts_with("E01") && *code != "E0499";
    let lacking = catalog::pages().map(|page| page.code).filter(needs_one).filter(|code| !shown.contains(code));
    assert_none("codes no example yields", &lacking.map(str::to_owned).collect::<Vec<_>>());
}

/// The text of a rule, from its heading to the next one.
fn section(number: &str) -> String {
    let text = repository::read("spec.md");
    let start = text.find(&format!("\n### {number} ")).expect("the rule is there");
    let rest = text.get(start + 1..).unwrap_or_default();
    rest.split("\n##").next().unwrap_or(rest).to_owned()
}

#[test]
fn constants_are_the_programs() {
    let environment = section("7.5");
    let shows = |name: &str, value: &str| {
        environment.lines().any(|line| line.contains(&format!("`{name}`")) && line.contains(&format!("`{value}`")))
    };
    let variables = sinter_graph::step::base_environment();
    let lacking = variables.iter().filter(|(name, value)| !shows(name, value));
    assert_none("rule 7.5 lacks", &lacking.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>());
    let numbers = section("12.3");
    assert!(numbers.contains(&format!("`FORMAT` = {} ", sinter_graph::FORMAT)), "{numbers}");
    assert!(numbers.contains(&format!("`SEMANTICS` = {} ", sinter_graph::SEMANTICS)), "{numbers}");
    assert!(section("12.4").contains(&sinter_graph::EPOCH.to_string()));
}

#[test]
fn exit_codes_are_the_programs() {
    use sinter_graph::ErrorClass::{self, Environment, Internal, Step, User};
    let classes = [Step, User, ErrorClass::Lock, Environment, Internal];
    let codes: Vec<u8> = std::iter::once(0).chain(classes.map(ErrorClass::exit_code)).collect();
    let table = section("15.7");
    let first_words = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    assert_eq!(first_words.filter_map(|word| word.parse().ok()).collect::<Vec<u8>>(), codes);
}

/// The long options that the command line defines: `long = "name"`, or `long` and the name of the field.
fn options() -> Vec<String> {
    let text = repository::read("cli/src/arguments.rs");
    let mut lines = text.lines().map(str::trim);
    let mut options = Vec::new();
    while let Some(line) = lines.next() {
        let Some(attribute) = line.strip_prefix("#[arg(").filter(|attribute| attribute.contains("long")) else {
            continue;
        };
        let field = lines.next().and_then(|line| line.strip_prefix("pub(crate) ")?.split(':').next());
        let said = attribute.split_once("long = \"").and_then(|(_, rest)| rest.split('"').next());
        options.extend(said.or(field).map(|name| format!("--{}", name.replace('_', "-"))));
    }
    options
}

#[test]
fn options_are_the_programs() {
    let (options, text) = (options(), section("15.1") + &section("15.3"));
    assert!(options.len() >= 10, "only {} options were found in cli/src/arguments.rs", options.len());
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    let lacking = options.iter().filter(|option| !words.contains(option.as_str()));
    assert_none("rules 15.1 and 15.3 lack", &lacking.cloned().collect::<Vec<_>>());
    let text = repository::read("spec.md");
    let unsupported = text.rsplit("\n## ").next().unwrap_or_default();
    let both = options.iter().filter(|option| unsupported.contains(&format!("`{option}`")));
    assert_none("chapter 16 lists what there is", &both.cloned().collect::<Vec<_>>());
}

#[test]
fn environment_variables_are_the_programs() {
    let table = section("15.8");
    let files = repository::tracked_files();
    let is_source = |path: &str| path.contains("/src/") && (path.starts_with("cli/") || path.starts_with("executor/"));
    let sources = files.iter().filter(|file| is_source(&file.path) && !file.path.contains("test"));
    let words = sources.flat_map(|file| file.text.split(|c: char| !c.is_ascii_uppercase() && c != '_'));
    let is_variable = |word: &&str| word.starts_with("SINTER_") && !word.ends_with('_') && *word != "SINTER_SOAK";
    let used: BTreeSet<&str> = words.filter(is_variable).collect();
    assert!(used.contains("SINTER_STORE"), "{used:?}");
    let lacking = used.iter().filter(|name| !table.contains(&format!("`{name}`")));
    assert_none("rule 15.8 lacks", &lacking.map(|name| (*name).to_owned()).collect::<Vec<_>>());
}
