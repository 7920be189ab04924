//! Real packages from the mirror this machine's apt uses, compared with what dpkg makes of them.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use sinter_graph::EPOCH;
use sinter_graph::lock::PinnedPackage;
use sinter_source::debian::{Debian, MirrorConfig, MirrorSettings, Progress};
use sinter_store::Store;

fn ignore(_: Progress) {}

/// The code name of this machine's release.
fn suite() -> String {
    let text = std::fs::read_to_string("/etc/os-release").expect("a Debian machine");
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).expect("a code name");
    name.trim_matches('"').to_owned()
}

fn run(command: &mut Command) {
    let output = command.output().expect("a program of every Debian machine");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Everything below a directory that the comparison counts, by path.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory").flatten() {
            let (path, found) = (entry.path(), entry.metadata().expect("metadata"));
            let content = match found.file_type() {
                kind if kind.is_symlink() => format!("-> {}", std::fs::read_link(&path).expect("a link").display()),
                kind if kind.is_dir() => "directory".to_owned(),
                _ => blake3::hash(&std::fs::read(&path).expect("a file")).to_hex().to_string(),
            };
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            let links = if found.is_file() { found.nlink() } else { 0 };
            entries.insert(name, format!("{:o} {}:{} {links} {content}", found.mode(), found.uid(), found.gid()));
            pending.extend(found.is_dir().then_some(path));
        }
    }
    entries
}

/// A tree that dpkg's own extraction fills, with the links of merged `/usr` and the mode of a fresh root.
fn reference(store: &Store, packages: &[PinnedPackage], root: &Path) {
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        std::fs::create_dir_all(root.join("usr").join(name)).expect("a directory");
        symlink(format!("usr/{name}"), root.join(name)).expect("a link");
    }
    // `dpkg -x` itself would replace the links by directories; an installation follows them.
    let extract = "dpkg-deb --fsys-tarfile \"$1\" | tar -x -p --keep-directory-symlink -C \"$2\"";
    for package in packages {
        let blob = store.root().join("blobs").join(package.sha256.hex());
        run(Command::new("sh").args(["-eu", "-c", extract, "sh"]).arg(blob).arg(root));
    }
}

#[test]
fn essential_set_unpacks_as_dpkg_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&directory.path().join("store")).expect("a store");
    let settings = MirrorSettings::of_machine(&BTreeMap::new(), |name| std::env::var_os(name));
    let debian = Debian::new(store.clone(), MirrorConfig::settle(&settings), false, &ignore);
    let (release, pin) = debian.resolve(&suite(), &["hello".to_owned()], "amd64", None).expect("a closure");
    let mut packages = [release.essential["amd64"].clone(), pin.packages["amd64"].clone()].concat();
    packages.sort();
    packages.dedup();
    debian.fetch(&packages.iter().collect::<Vec<_>>()).expect("the packages");

    let into = tempfile::tempdir_in(directory.path()).expect("a directory");
    let manifest = debian.unpack(&packages, true, into.path()).expect("a tree");
    assert!(manifest.entries().iter().all(|entry| entry.mtime == EPOCH));

    let expected = tempfile::tempdir_in(directory.path()).expect("a directory");
    reference(&store, &packages, expected.path());
    let (mut found, expected) = (listing(into.path()), listing(expected.path()));
    // What only an installation has, a mere extraction has not.
    found.retain(|path, _| {
        expected.contains_key(path) || !["var/lib/dpkg/", "var/lib/apt"].iter().any(|p| path.starts_with(p))
    });
    let differing = |left: &BTreeMap<String, String>, right: &BTreeMap<String, String>| -> Vec<String> {
        let differs = |(path, text): &(&String, &String)| right.get(*path) != Some(text);
        left.iter().filter(differs).map(|(path, text)| format!("{path}: {text}")).collect()
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(differing(&found, &expected), none, "not so with dpkg");
    assert_eq!(differing(&expected, &found), none, "only so with dpkg");
}
