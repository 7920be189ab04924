//! The whole way from a mirror to a tree, on a mirror that lives on the loopback.

mod fake_mirror;
mod mirror_tests;
mod unpack_tests;

use std::path::PathBuf;

use fake_mirror::{Data, Deb, FakeMirror, Repository, write_keyring};
use sinter_graph::lock::{DebianPin, DebianRelease, PinnedPackage};
use sinter_graph::tree::Manifest;
use sinter_store::Store;

use super::{Debian, DebianError, Progress};

/// A store, a mirror and a keyring.
struct Bench {
    directory: tempfile::TempDir,
    mirror: FakeMirror,
    keyring: PathBuf,
}

impl Bench {
    fn new(debs: Vec<Deb>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let keyring = write_keyring(directory.path());
        let mirror = FakeMirror::start();
        Repository::new(debs).publish(&mirror);
        Self { directory, mirror, keyring }
    }

    fn store(&self) -> Store {
        Store::open(&self.directory.path().join("store")).expect("a store")
    }

    fn debian(&self, offline: bool) -> Debian<'static> {
        Debian::new(self.store(), Ok(self.mirror.config(&self.keyring)), offline, &ignore)
    }

    fn resolve(&self, packages: &[&str]) -> Result<(DebianRelease, DebianPin), DebianError> {
        self.debian(false).resolve("test", &owned(packages), "amd64", None)
    }

    fn fetch(&self, pins: &[PinnedPackage]) -> Result<(), DebianError> {
        self.debian(false).fetch(&pins.iter().collect::<Vec<_>>())
    }

    /// Puts packages into the store and unpacks them into a fresh directory.
    fn unpack(&self, debs: &[Deb], system: bool) -> Result<(PathBuf, Manifest), DebianError> {
        let store = self.store();
        for deb in debs {
            store.put_blob(&deb.bytes()).expect("a blob");
        }
        let into = tempfile::tempdir_in(self.directory.path()).expect("a directory").keep();
        let pins: Vec<PinnedPackage> = debs.iter().map(Deb::pin).collect();
        self.debian(true).unpack(&pins, system, &into).map(|manifest| (into, manifest))
    }
}

fn ignore(_: Progress) {}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn names(packages: &[PinnedPackage]) -> Vec<&str> {
    packages.iter().map(|package| package.name.as_str()).collect()
}

/// A small suite: an Essential package with a dependency, a library and a program.
fn small_suite() -> Vec<Deb> {
    vec![
        Deb::new("base", "1.0", "Essential: yes; Depends: libc").with(&[("./etc/", Data::Directory)]),
        Deb::new("libc", "2.0", "").with(&[("./lib/", Data::Directory), ("./lib/libc.so", Data::File("libc"))]),
        Deb::new("prog", "3.0-1", "Depends: libc (>= 2)").with(&[
            ("./usr/", Data::Directory),
            ("./usr/bin/", Data::Directory),
            ("./usr/bin/prog", Data::File("program")),
            ("./usr/bin/alias", Data::HardLink("./usr/bin/prog")),
            ("./usr/bin/link", Data::Symlink("prog")),
        ]),
    ]
}
