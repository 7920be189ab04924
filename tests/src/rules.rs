//! The rules of the workspace's architecture, as data (`tests/architecture.toml`), and what a manifest says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::{Table, Value};

/// `tests/architecture.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Package -> packages of the workspace it may depend on directly.
    pub crates: BTreeMap<String, BTreeSet<String>>,
    /// Pairs that must not be connected.
    pub never: Vec<Never>,
    /// Foreign package -> the only packages that may depend on it.
    pub homes: BTreeMap<String, BTreeSet<String>>,
    /// Packages without IO, clock and environment.
    pub pure: Pure,
    /// Packages that may contain the keyword `unsafe`.
    #[serde(rename = "unsafe")]
    pub unsafe_code: Unsafe,
    /// Circles between modules that are still there.
    #[serde(default)]
    pub circles: Vec<Circle>,
    /// Words that have one meaning, and their synonyms, which nobody writes.
    #[serde(default)]
    pub words: Vec<Word>,
    /// How large things may grow.
    pub limits: Limits,
    /// Texts that must not stand in any file.
    pub forbidden: Forbidden,
}

/// Two packages that must not be connected, not even through others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {
    /// Where a path would begin.
    pub from: String,
    /// Where it would end.
    pub to: String,
    /// Why there must be none.
    pub reason: String,
}

/// Packages without IO, clock and environment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pure {
    /// Their names.
    pub crates: BTreeSet<String>,
    /// The foreign packages they may depend on.
    pub foreign: BTreeSet<String>,
}

/// Packages that may contain the keyword `unsafe`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsafe {
    /// Their names.
    pub crates: BTreeSet<String>,
}

/// Modules of one crate that use each other and may go on doing so, until somebody takes them apart.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Circle {
    /// The package.
    pub package: String,
    /// Its modules in the circle, all of them.
    pub modules: BTreeSet<String>,
    /// Who takes it apart.
    pub reason: String,
}

/// A word and what it is never called.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// The word.
    pub word: String,
    /// Its synonyms: words of texts (`lock file`), and parts of names in code where they are one word.
    pub banned: Vec<String>,
    /// Packages whose code may have them, for now or for good.
    #[serde(default)]
    pub except: BTreeSet<String>,
    /// Why they may.
    #[serde(default)]
    pub reason: String,
}

/// How large things may grow.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Lines of the longest file.
    pub file_lines: usize,
    /// Nine of ten files have at most so many lines.
    pub file_lines_ninth_decile: usize,
    /// Lines of the longest function.
    pub function_lines: usize,
    /// Nine of ten functions have at most so many lines.
    pub function_lines_ninth_decile: usize,
    /// Half of the functions have at most so many lines.
    pub function_lines_median: usize,
    /// Packages in `Cargo.lock`.
    pub packages: usize,
}

/// Texts that must not stand in any file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forbidden {
    /// Files that are not looked at, by path from the root of the repository.
    pub except: BTreeSet<String>,
    /// Hosts of package registries, in pieces.
    pub hosts: Vec<Vec<String>>,
}

/// A package of the workspace as its manifest describes it.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its directory, from the root of the repository.
    pub directory: String,
    /// What the built package depends on: `dependencies` and `build-dependencies`, also those of single targets.
    pub dependencies: BTreeSet<String>,
}

impl Package {
    /// Takes the directory and the parsed manifest.
    #[must_use]
    pub fn new(directory: &str, manifest: &Table) -> Self {
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let tables = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
        let dependencies = tables.flat_map(dependency_names).collect();
        Self { name: name.unwrap_or_default().to_owned(), directory: directory.to_owned(), dependencies }
    }
}

fn dependency_names(table: &Table) -> Vec<String> {
    let sections = ["dependencies", "build-dependencies"];
    let tables = sections.iter().filter_map(|section| table.get(*section)?.as_table());
    tables.flat_map(Table::iter).map(|(name, how)| real_name(name, how)).collect()
}

/// The name of a dependency, also if the manifest gives it another one.
fn real_name(name: &str, how: &Value) -> String {
    how.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
}
