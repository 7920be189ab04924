//! The checks that hold manifests and sources against the rules of the workspace's architecture.
//!
//! A check takes the rules and what it looks at, and gives one sentence per violation, with the path that breaks the rule.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::modules::Modules;
use crate::repository::TrackedFile;
use crate::rules::{Circle, Limits, Never, Package, Rules};
use crate::rust_source;

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
        found.extend(wrong.map(|name| format!("{} -> {name} ({}/Cargo.toml)", package.name, package.directory)));
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
        .map(|(package, name)| format!("{} -> {name} ({}/Cargo.toml)", package.name, package.directory))
        .collect()
}

/// Modules of a crate must not use each other in circles, but for those that are listed; and the list may only shrink.
#[must_use]
pub fn module_circles(rules: &Rules, packages: &[Package], files: &[TrackedFile]) -> Vec<String> {
    let mut found = Vec::new();
    let mut left: Vec<&Circle> = rules.circles.iter().collect();
    for package in packages {
        let modules = Modules::read(&format!("{}/src", package.directory), files);
        for circle in modules.circles() {
            let known = left.iter().position(|listed| listed.package == package.name && listed.modules == circle);
            match known {
                Some(index) => drop(left.remove(index)),
                None => found.push(format!("{}: {}", package.name, modules.describe(&circle))),
            }
        }
    }
    found.extend(left.into_iter().map(|gone| {
        let modules: Vec<&str> = gone.modules.iter().map(String::as_str).collect();
        format!("{}: [[circles]] lists {}, which is no circle any more", gone.package, modules.join(", "))
    }));
    found
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
        .map(|package| format!("{}/", package.directory))
        .collect();
    let outside = files.iter().filter(|file| !allowed.iter().any(|directory| file.path.starts_with(directory)));
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
