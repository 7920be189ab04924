//! Writes the tables of the lock; their lists are sorted already.

use std::collections::BTreeMap;

use super::{DebianPin, DebianRelease, MAIN_ARCHIVE, PinnedArchive, PinnedPackage};
use crate::lock::text::{hex, push, quoted};

pub(super) fn release(release: &DebianRelease) -> String {
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

pub(super) fn closure(pin: &DebianPin) -> String {
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
