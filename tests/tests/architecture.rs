//! Holds the repository against the rules in `tests/architecture.toml`. A failure lists every violation.

use std::collections::BTreeSet;

use sinter_tests::architecture;
use sinter_tests::repository;
use sinter_tests::rules::Package;
use sinter_tests::words;

fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

#[test]
fn crates_depend_along_the_table_only() {
    let (rules, packages) = (repository::rules(), repository::packages());
    assert_none("edges that [crates] does not allow", &architecture::forbidden_edges(&rules, &packages));
    assert_none("paths that [[never]] forbids", &architecture::forbidden_paths(&rules, &packages));
}

#[test]
fn modules_do_not_use_each_other_in_circles() {
    let (rules, packages, files) = (repository::rules(), repository::packages(), repository::tracked_files());
    assert_none(
        "circles between modules (break them; [[circles]] may only shrink)",
        &architecture::module_circles(&rules, &packages, &files),
    );
}

#[test]
fn foreign_vocabularies_have_one_home() {
    let (rules, packages) = (repository::rules(), repository::packages());
    assert_none("dependencies that [homes] or [pure] does not allow", &architecture::strangers(&rules, &packages));
}

#[test]
fn pure_crates_share_one_ban() {
    let (rules, packages) = (repository::rules(), repository::packages());
    let is_pure = |package: &&Package| rules.pure.crates.contains(&package.name);
    let bans: BTreeSet<String> = packages
        .iter()
        .filter(is_pure)
        .map(|package| repository::read(&format!("{}/clippy.toml", package.directory)))
        .collect();
    assert_eq!(bans.len(), 1, "clippy.toml differs between the crates of [pure]");
    let ban = bans.first().expect("one ban");
    for word in ["std::fs::read\"", "std::env::var\"", "std::time::SystemTime", "std::process::Command"] {
        assert!(ban.contains(word), "clippy.toml of the crates of [pure] does not ban {word}");
    }
}

#[test]
fn every_source_opens_with_its_purpose() {
    assert_none("sources without a `//!` head", &architecture::files_without_head(&repository::tracked_files()));
}

#[test]
fn unsafe_stays_in_the_sandbox() {
    let (rules, packages) = (repository::rules(), repository::packages());
    let files = repository::tracked_files();
    assert_none("`unsafe` outside [unsafe]", &architecture::unsafe_files(&rules, &packages, &files));
}

#[test]
fn files_and_functions_stay_short() {
    let violations = architecture::oversized(&repository::rules().limits, &repository::tracked_files());
    assert_none("larger than [limits] allows", &violations);
}

#[test]
fn dependencies_stay_few() {
    let (count, limit) =
        (architecture::locked_packages(&repository::read("Cargo.lock")), repository::rules().limits.packages);
    assert!(count <= limit, "Cargo.lock has {count} packages, and {limit} are allowed");
}

#[test]
fn no_file_names_a_package_registry() {
    let (rules, files) = (repository::rules(), repository::tracked_files());
    let hosts = [architecture::registry_hosts(&rules), repository::apt_hosts()].concat();
    assert_none("lines that name the host of a registry", &architecture::forbidden_texts(&rules, &hosts, &files));
}

#[test]
fn no_file_names_this_checkout() {
    let root = repository::root();
    // A checkout right below `/` would have a name that other texts use too, such as `/app`.
    if root.components().count() < 3 {
        return;
    }
    let (rules, files) = (repository::rules(), repository::tracked_files());
    let texts = [root.to_string_lossy().into_owned()];
    assert_none("lines with a path of this machine", &architecture::forbidden_texts(&rules, &texts, &files));
}

#[test]
fn one_word_stands_for_one_thing() {
    let (rules, packages, files) = (repository::rules(), repository::packages(), repository::tracked_files());
    let list = words::list(&repository::read("ARCHITECTURE.md"));
    assert!(list.iter().all(|row| !row.meaning.is_empty()) && list.len() > 20, "the list of words is there");
    assert_none("the two lists of words", &words::differences(&list, &rules.words));
    assert_none("words that the list bans", &words::banned(&rules.words, &packages, &files));
    assert_none("public types of two crates with one name", &words::shared_names(&packages, &files));
}
