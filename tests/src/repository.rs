//! Reads this repository: its files, its manifests, the rules it follows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

use crate::rules::{Package, Rules};

/// A file that git tracks or would track.
#[derive(Debug, Clone)]
pub struct TrackedFile {
    /// Its path from the root of the repository, with slashes.
    pub path: String,
    /// Its text, with replacement characters where it is no UTF-8.
    pub text: String,
}

/// The directory that holds the workspace's `Cargo.toml`.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace this test was compiled from")
}

/// All files that git tracks, and those not yet added that are not ignored.
///
/// # Panics
/// If git is missing or this is no git work tree: the rules can only be checked where files are tracked.
#[must_use]
pub fn tracked_files() -> Vec<TrackedFile> {
    let root = root();
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .expect("git can be started");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout).expect("this repository has plain file names");
    let read = |path: &str| {
        let bytes = fs::read(root.join(path)).ok()?;
        Some(TrackedFile { path: path.to_owned(), text: String::from_utf8_lossy(&bytes).into_owned() })
    };
    list.split_terminator('\0').filter_map(read).collect()
}

/// The rules in `tests/architecture.toml`.
///
/// # Panics
/// If the file is missing or is not of the expected form.
#[must_use]
pub fn rules() -> Rules {
    toml::from_str(&read("tests/architecture.toml")).expect("tests/architecture.toml has the form of `Rules`")
}

/// All packages of the workspace.
///
/// # Panics
/// If a manifest is missing or broken: then cargo could not have built this test.
#[must_use]
pub fn packages() -> Vec<Package> {
    let workspace: Table = read("Cargo.toml").parse().expect("a manifest");
    let members = workspace["workspace"]["members"].as_array().expect("a list of members");
    members
        .iter()
        .filter_map(toml::Value::as_str)
        .map(|directory| Package::new(directory, &manifest(directory)))
        .collect()
}

fn manifest(directory: &str) -> Table {
    read(&format!("{directory}/Cargo.toml")).parse().expect("a manifest")
}

/// A file of the repository.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The hosts of package mirrors that this machine's apt is configured with, so that none slips into the repository.
#[must_use]
pub fn apt_hosts() -> Vec<String> {
    let directory = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let files = directory.chain([PathBuf::from("/etc/apt/sources.list")]);
    let texts: Vec<String> = files.filter_map(|path| fs::read_to_string(path).ok()).collect();
    texts.iter().flat_map(|text| hosts_of(text)).collect()
}

fn hosts_of(text: &str) -> Vec<String> {
    let words = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
    let host = |word: &str| {
        let (_, rest) = word.split_once("://")?;
        let authority = rest.split('/').next()?;
        let host = authority.rsplit('@').next()?.split(':').next()?;
        // A loopback address, or a name without a dot, stands in many texts and tells nothing.
        (host.contains('.') && !host.starts_with("127.")).then(|| host.to_owned())
    };
    words.filter_map(host).collect()
}

#[cfg(test)]
mod tests {
    use super::hosts_of;

    #[test]
    fn hosts_are_found_in_both_apt_forms() {
        let text = "deb [signed-by=/k] http://user:pw@mirror.example:8080/debian stable main\n\
                    # deb http://commented.example/debian stable main\n\
                    URIs: https://other.example/x http://127.0.0.1:9/y http://localhost/z\n";
        assert_eq!(hosts_of(text), ["mirror.example", "other.example"]);
    }
}
