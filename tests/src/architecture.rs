//! The rules of the workspace's architecture, as data, and the checks that hold manifests and sources against them.
//!
//! The data stands in `tests/architecture.toml`. A check takes the rules and what it looks at, and gives one sentence per
//! violation, with the path that breaks the rule.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use toml::{Table, Value};

use crate::repository::TrackedFile;
use crate::rust_source;

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
    pub folder: String,
    /// What the built package depends on: `dependencies` and `build-dependencies`, also those of single targets.
    pub dependencies: BTreeSet<String>,
}

impl Package {
    /// Takes the directory and the parsed manifest.
    #[must_use]
    pub fn new(folder: &str, manifest: &Table) -> Self {
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let tables = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
        let dependencies = tables.flat_map(dependency_names).collect();
        Self { name: name.unwrap_or_default().to_owned(), folder: folder.to_owned(), dependencies }
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

/// Every direct edge within the workspace must be in the table, and every package must have its row.
#[must_use]
pub fn forbidden_edges(rules: &Rules, packages: &[Package]) -> Vec<String> {
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut found = Vec::new();
    for package in packages {
        let Some(allowed) = rules.crates.get(&package.name) else {
            found.push(format!("{} has no row in [crates]", package.name));
            continue;
        };
        let inside = package.dependencies.iter().filter(|name| names.contains(name.as_str()));
        let wrong = inside.filter(|name| !allowed.contains(*name));
        found.extend(wrong.map(|name| format!("{} -> {name} ({}/Cargo.toml)", package.name, package.folder)));
    }
    let gone = rules.crates.keys().filter(|name| !names.contains(name.as_str()));
    found.extend(gone.map(|name| format!("[crates] names {name}, which is no package of the workspace")));
    found
}

/// No path may connect a pair of `never`.
#[must_use]
pub fn forbidden_paths(rules: &Rules, packages: &[Package]) -> Vec<String> {
    let violation = |never: &Never| {
        let path = path_between(packages, &never.from, &never.to)?;
        Some(format!("{} ({})", path.join(" -> "), never.reason))
    };
    rules.never.iter().filter_map(violation).collect()
}

/// The shortest path from one package to another, both included.
fn path_between(packages: &[Package], from: &str, to: &str) -> Option<Vec<String>> {
    let edges: BTreeMap<&str, &BTreeSet<String>> =
        packages.iter().map(|package| (package.name.as_str(), &package.dependencies)).collect();
    let mut waiting = VecDeque::from([vec![from.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop_front() {
        let last = path.last().map_or("", String::as_str);
        if last == to {
            return Some(path);
        }
        if let (true, Some(next)) = (seen.insert(last.to_owned()), edges.get(last)) {
            waiting.extend(next.iter().map(|name| [path.clone(), vec![name.clone()]].concat()));
        }
    }
    None
}

/// A foreign vocabulary must be spoken in its home only, and a pure package must depend on listed packages only.
#[must_use]
pub fn strangers(rules: &Rules, packages: &[Package]) -> Vec<String> {
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let is_wrong = |package: &Package, name: &str| {
        let away = rules.homes.get(name).is_some_and(|homes| !homes.contains(&package.name));
        let impure =
            rules.pure.crates.contains(&package.name) && !names.contains(name) && !rules.pure.foreign.contains(name);
        away || impure
    };
    let edges = packages.iter().flat_map(|package| package.dependencies.iter().map(move |name| (package, name)));
    edges
        .filter(|(package, name)| is_wrong(package, name))
        .map(|(package, name)| format!("{} -> {name} ({}/Cargo.toml)", package.name, package.folder))
        .collect()
}

/// Whether a file is Rust source.
#[must_use]
pub fn is_rust(file: &TrackedFile) -> bool {
    std::path::Path::new(&file.path).extension().is_some_and(|extension| extension == "rs")
}

/// Every source must open with `//!` and a sentence of its own.
#[must_use]
pub fn files_without_head(files: &[TrackedFile]) -> Vec<String> {
    let has_head = |file: &TrackedFile| {
        let first = file.text.lines().next().and_then(|line| line.strip_prefix("//! "));
        first.is_some_and(|head| !head.trim().is_empty() && !head.starts_with("Placeholder"))
    };
    files.iter().filter(|file| is_rust(file) && !has_head(file)).map(|file| file.path.clone()).collect()
}

/// No source outside the listed packages may contain the keyword `unsafe`.
#[must_use]
pub fn unsafe_files(rules: &Rules, packages: &[Package], files: &[TrackedFile]) -> Vec<String> {
    let allowed: Vec<String> = packages
        .iter()
        .filter(|package| rules.unsafe_code.crates.contains(&package.name))
        .map(|package| format!("{}/", package.folder))
        .collect();
    let outside = files.iter().filter(|file| !allowed.iter().any(|folder| file.path.starts_with(folder)));
    outside
        .filter(|file| is_rust(file) && rust_source::has_keyword(&file.text, "unsafe"))
        .map(|file| file.path.clone())
        .collect()
}

/// Files and functions must stay within the limits.
#[must_use]
pub fn oversized(limits: &Limits, files: &[TrackedFile]) -> Vec<String> {
    let sources = || files.iter().filter(|file| is_rust(file));
    let lengths = sources().map(|file| (file.text.lines().count(), file.path.clone()));
    let functions = sources().flat_map(|file| {
        let measured = rust_source::functions(&file.text).into_iter();
        measured.map(|function| (function.lines, format!("{}:{} {}", file.path, function.line, function.name)))
    });
    let (lengths, functions) = (lengths.collect::<Vec<_>>(), functions.collect::<Vec<_>>());
    let mut found = too_long("file", &lengths, limits.file_lines);
    found.extend(too_long("function", &functions, limits.function_lines));
    for (what, measured, tenths, limit) in [
        ("9 of 10 files", &lengths, 9, limits.file_lines_ninth_decile),
        ("9 of 10 functions", &functions, 9, limits.function_lines_ninth_decile),
        ("half of the functions", &functions, 5, limits.function_lines_median),
    ] {
        let quantile = quantile(measured, tenths);
        if quantile > limit {
            found.push(format!("{what} have up to {quantile} lines, and {limit} are allowed"));
        }
    }
    found
}

fn too_long(what: &str, measured: &[(usize, String)], limit: usize) -> Vec<String> {
    let long = measured.iter().filter(|(lines, _)| *lines > limit);
    long.map(|(lines, place)| format!("{what} {place}: {lines} lines, and {limit} are allowed")).collect()
}

fn quantile(measured: &[(usize, String)], tenths: usize) -> usize {
    let mut lines: Vec<usize> = measured.iter().map(|(lines, _)| *lines).collect();
    lines.sort_unstable();
    lines.get(lines.len() * tenths / 10).copied().unwrap_or(0)
}

/// No file may contain one of the texts. The sentence gives file and line, and not the text.
#[must_use]
pub fn forbidden_texts(rules: &Rules, texts: &[String], files: &[TrackedFile]) -> Vec<String> {
    let looked_at = files.iter().filter(|file| !rules.forbidden.except.contains(&file.path));
    let lines = looked_at.flat_map(|file| (1..).zip(file.text.lines()).map(move |(number, line)| (file, number, line)));
    lines
        .filter(|(_, _, line)| texts.iter().any(|text| line.contains(text.as_str())))
        .map(|(file, number, _)| format!("{}:{number}", file.path))
        .collect()
}

/// The hosts of package registries that no file may name.
#[must_use]
pub fn registry_hosts(rules: &Rules) -> Vec<String> {
    rules.forbidden.hosts.iter().map(|pieces| pieces.concat()).collect()
}

/// How many packages a `Cargo.lock` names.
#[must_use]
pub fn locked_packages(lock: &str) -> usize {
    lock.lines().filter(|line| line.trim() == "[[package]]").count()
}

#[cfg(test)]
#[path = "architecture_tests.rs"]
mod tests;
