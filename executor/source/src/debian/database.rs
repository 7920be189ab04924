//! The package databases that go with unpacked files: dpkg's (dpkg(1), FILES) and apt's for a system, `status.d` for a
//! tree without them.
//!
//! Rules: text only, made from the packages' own words in dpkg's order of fields; the same packages give the same bytes.
//! Must not know: archives, how files are written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sinter_graph::path::TreePath;

use super::control::Control;
use super::order::needs;

/// A package and what unpacking it yielded.
pub(super) struct Unpacked<'u> {
    pub(super) control: &'u Control,
    /// Its paths in the order of its archive, as it wrote them, without those another package took over.
    pub(super) paths: Vec<&'u TreePath>,
    /// MD5 of its files: of all if it came without `md5sums`, else of its configuration files.
    pub(super) md5: &'u BTreeMap<TreePath, String>,
}

/// A file of a database: path, bytes, mode.
pub(super) type DatabaseFile = (String, Vec<u8>, u32);

/// The fields dpkg knows, in the order it writes them; others follow.
const FIELDS: [&str; 23] = [
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
];

/// Directories dpkg expects to be there.
pub(super) const SYSTEM_DIRECTORIES: [&str; 6] = [
    "var/lib/dpkg/alternatives",
    "var/lib/dpkg/info",
    "var/lib/dpkg/parts",
    "var/lib/dpkg/triggers",
    "var/lib/dpkg/updates",
    "var/lib/apt",
];

/// The databases of a system in which every package waits for its configuration. `packages` are in dependency order.
pub(super) fn system_files(packages: &[Unpacked<'_>], architecture: &str) -> Vec<DatabaseFile> {
    let mut files: Vec<DatabaseFile> = Vec::new();
    let mut text = |name: &str, content: String| files.push((name.to_owned(), content.into_bytes(), 0o644));
    let mut by_name: Vec<&Unpacked<'_>> = packages.iter().collect();
    by_name.sort_by_key(|unpacked| (&unpacked.control.name, &unpacked.control.architecture));
    text("var/lib/dpkg/status", by_name.iter().map(|unpacked| paragraph(unpacked, "install ok unpacked")).collect());
    let order =
        packages.iter().map(|unpacked| format!("{}:{}\n", unpacked.control.name, unpacked.control.architecture));
    text("var/lib/dpkg/sinter-unpacked-order", order.collect());
    text("var/lib/dpkg/arch", format!("{architecture}\n"));
    for empty in ["available", "diversions", "statoverride"] {
        text(&format!("var/lib/dpkg/{empty}"), String::new());
    }
    text("var/lib/dpkg/info/format", "1\n".to_owned());
    text("var/lib/apt/extended_states", extended_states(packages, architecture));
    for (name, content) in triggers(&by_name) {
        text(&format!("var/lib/dpkg/triggers/{name}"), content);
    }
    for unpacked in packages {
        files.extend(info_files(unpacked));
    }
    files
}

/// What scanners read in images without dpkg: one paragraph per package, and its sums.
pub(super) fn scanner_files(packages: &[Unpacked<'_>]) -> Vec<DatabaseFile> {
    let mut files = Vec::new();
    for unpacked in packages {
        let path = format!("var/lib/dpkg/status.d/{}", unpacked.control.name);
        files.push((format!("{path}.md5sums"), md5sums(unpacked), 0o644));
        files.push((path, paragraph(unpacked, "install ok installed").into_bytes(), 0o644));
    }
    files
}

/// One paragraph of `status`.
fn paragraph(unpacked: &Unpacked<'_>, status: &str) -> String {
    let control = unpacked.control.paragraph();
    let mut out = String::new();
    for name in FIELDS {
        match (name, control.get(name)) {
            ("Status", _) => line(&mut out, name, status),
            (_, Some(value)) => line(&mut out, name, value),
            _ => {}
        }
    }
    let conffiles = conffile_lines(unpacked);
    if !conffiles.is_empty() {
        line(&mut out, "Conffiles", &conffiles);
    }
    let description = control.get("Description").map(|value| ("Description", value));
    let others = control.fields().iter().copied().filter(|(name, _)| {
        let known = |field: &str| name.eq_ignore_ascii_case(field);
        !FIELDS.iter().any(|field| known(field)) && !["Conffiles", "Description"].iter().any(|field| known(field))
    });
    for (name, value) in description.into_iter().chain(others) {
        line(&mut out, name, value);
    }
    out.push('\n');
    out
}

fn line(out: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail. A value that starts on the next line has no space behind the colon.
    let _ = if value.starts_with('\n') { writeln!(out, "{name}:{value}") } else { writeln!(out, "{name}: {value}") };
}

fn conffile_lines(unpacked: &Unpacked<'_>) -> String {
    let lines = unpacked.control.conffiles().into_iter().filter_map(|path| {
        let md5 = unpacked.md5.get(&path)?;
        Some(format!("\n /{path} {md5}"))
    });
    lines.collect()
}

fn info_files(unpacked: &Unpacked<'_>) -> Vec<DatabaseFile> {
    let base = format!("var/lib/dpkg/info/{}", unpacked.control.database_name());
    let mut list = "/.\n".to_owned();
    for path in unpacked.paths.iter().filter(|path| !path.is_root()) {
        let _ = writeln!(list, "/{path}");
    }
    let mut files =
        vec![(format!("{base}.list"), list.into_bytes(), 0o644), (format!("{base}.md5sums"), md5sums(unpacked), 0o644)];
    for (name, bytes) in unpacked.control.files.iter().filter(|(name, _)| *name != "md5sums") {
        let is_script = ["preinst", "postinst", "prerm", "postrm", "config"].contains(&name.as_str());
        files.push((format!("{base}.{name}"), bytes.clone(), if is_script { 0o755 } else { 0o644 }));
    }
    files
}

/// The package's own sums; dpkg makes them at unpacking for a package that has none.
fn md5sums(unpacked: &Unpacked<'_>) -> Vec<u8> {
    if let Some(shipped) = unpacked.control.files.get("md5sums") {
        return shipped.clone();
    }
    let conffiles: BTreeSet<TreePath> = unpacked.control.conffiles().into_iter().collect();
    let sums = unpacked.md5.iter().filter(|(path, _)| !conffiles.contains(path));
    sums.flat_map(|(path, md5)| [md5.as_bytes(), b"  ", path.as_bytes(), b"\n"].concat()).collect()
}

/// Who waits for which trigger (deb-triggers(5)): paths in `File`, others in a file of their name.
fn triggers(packages: &[&Unpacked<'_>]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([("File".to_owned(), String::new()), ("Unincorp".to_owned(), String::new())]);
    for unpacked in packages {
        let text =
            unpacked.control.files.get("triggers").map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
        let name = unpacked.control.database_name();
        for directive in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
            let mut words = directive.split_whitespace();
            let suffix = match words.next() {
                Some("interest" | "interest-await") => "",
                Some("interest-noawait") => "/noawait",
                _ => continue,
            };
            match words.next() {
                Some(path) if path.starts_with('/') => {
                    let _ = writeln!(files.entry("File".to_owned()).or_default(), "{path} {name}{suffix}");
                }
                Some(trigger) if is_trigger_name(trigger) => {
                    let _ = writeln!(files.entry(trigger.to_owned()).or_default(), "{name}{suffix}");
                }
                _ => {}
            }
        }
    }
    files
}

fn is_trigger_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-+._:".contains(&byte);
    name.bytes().all(plain) && !name.starts_with('.') && !["File", "Unincorp", "Lock"].contains(&name)
}

/// Which packages apt may remove when nobody needs them: those that others of the set need, as long as each of them is
/// needed, perhaps through others, by one that is not marked.
fn extended_states(packages: &[Unpacked<'_>], architecture: &str) -> String {
    let controls: Vec<&Control> = packages.iter().map(|unpacked| unpacked.control).collect();
    let mut names: Vec<(&str, bool)> = Vec::new();
    let manual = manual_packages(&controls, architecture);
    for (index, control) in controls.iter().enumerate() {
        names.push((&control.name, manual.contains(&index)));
    }
    names.sort_unstable();
    let automatic = names.iter().filter(|(_, manual)| !manual);
    automatic.map(|(name, _)| format!("Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n")).collect()
}

fn manual_packages(controls: &[&Control], architecture: &str) -> BTreeSet<usize> {
    let needs = needs(controls, architecture);
    let needed: BTreeSet<usize> = needs
        .iter()
        .enumerate()
        .flat_map(|(index, met)| met.iter().copied().filter(move |&other| other != index))
        .collect();
    let mut manual: BTreeSet<usize> =
        (0..controls.len()).filter(|index| !needed.contains(index) || controls[*index].is_essential()).collect();
    let mut reached = BTreeSet::new();
    manual.iter().for_each(|&index| reach(index, &needs, &mut reached));
    // A cycle that nothing outside needs: its first package by order counts as asked for.
    for index in 0..controls.len() {
        if !reached.contains(&index) {
            manual.insert(index);
            reach(index, &needs, &mut reached);
        }
    }
    manual
}

fn reach(from: usize, needs: &[Vec<usize>], reached: &mut BTreeSet<usize>) {
    let mut pending = vec![from];
    while let Some(index) = pending.pop() {
        if reached.insert(index) {
            pending.extend(&needs[index]);
        }
    }
}
