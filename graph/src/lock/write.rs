//! Writes a lock as text; its lists are sorted already. Written by hand, so that the bytes never depend on a library's taste.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{DebianPin, DebianRelease, Lock, MAIN_ARCHIVE, PinnedArchive, PinnedPackage};
use crate::digest::BlobDigest;

const HEADER: &str = "\
# What every input was found to be, pinned by hash. Written by sinter; keep it in version control.
# `sinter lock` adds what is missing and resolves conflicts, `sinter update` moves to newer content.
# Line order and spelling are fixed: a change of one pin is a change of its own lines.
";

pub(super) fn render(lock: &Lock) -> String {
    let mut out = format!("{HEADER}version = {}\n", super::LOCK_VERSION);
    // By the text of the key, so that a release stands before the questions it answers.
    let mut tables: BTreeMap<String, String> = BTreeMap::new();
    for (suite, release) in &lock.debian_releases {
        tables.insert(suite.clone(), release_body(release));
    }
    for (question, pin) in &lock.debian {
        tables.insert(question.to_string(), pin_body(pin));
    }
    for (key, body) in tables {
        push(&mut out, format_args!("\n[debian.{}]\n{body}", quoted(&key)));
    }
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

fn release_body(release: &DebianRelease) -> String {
    let mut out = "archives = [\n".to_owned();
    for archive in &release.archives {
        push(&mut out, format_args!("  {},\n", archive_line(archive)));
    }
    out.push_str("]\n");
    push_packages(&mut out, "essential", &release.essential);
    out
}

fn archive_line(archive: &PinnedArchive) -> String {
    let mut out = String::from("{ ");
    if archive.archive != MAIN_ARCHIVE {
        push(&mut out, format_args!("archive = {}, ", quoted(&archive.archive)));
    }
    push(&mut out, format_args!("suite = {}, sha256 = {}", quoted(&archive.suite), hex(&archive.sha256)));
    if let Some(version) = &archive.version {
        push(&mut out, format_args!(", version = {}", quoted(version)));
    }
    let indexes: Vec<String> =
        archive.indexes.iter().map(|(architecture, digest)| format!("{architecture} = {}", hex(digest))).collect();
    push(&mut out, format_args!(", date = {}, indexes = {{ {} }} }}", quoted(&archive.date), indexes.join(", ")));
    out
}

fn pin_body(pin: &DebianPin) -> String {
    let mut out = String::new();
    push_packages(&mut out, "packages", &pin.packages);
    out
}

fn push_packages(out: &mut String, field: &str, by_architecture: &BTreeMap<String, Vec<PinnedPackage>>) {
    for (architecture, packages) in by_architecture {
        push(out, format_args!("{field}.{architecture} = [\n"));
        for package in packages {
            push(out, format_args!("  {},\n", package_line(package)));
        }
        out.push_str("]\n");
    }
}

fn package_line(package: &PinnedPackage) -> String {
    let mut out = format!(
        "{{ name = {}, version = {}, arch = {}, sha256 = {}, size = {}, path = {}",
        quoted(&package.name),
        quoted(&package.version),
        quoted(&package.architecture),
        hex(&package.sha256),
        package.size,
        quoted(&package.path)
    );
    if package.archive != MAIN_ARCHIVE {
        push(&mut out, format_args!(", archive = {}", quoted(&package.archive)));
    }
    out.push_str(" }");
    out
}

fn hex(digest: &BlobDigest) -> String {
    quoted(&digest.hex())
}

/// A basic string (TOML 1.0, "String").
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            character if character.is_control() => push(&mut out, format_args!("\\u{:04X}", u32::from(character))),
            character => out.push(character),
        }
    }
    out.push('"');
    out
}
