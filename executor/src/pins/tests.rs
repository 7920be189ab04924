//! Adding, keeping and comparing pins where no mirror can be asked.

use std::collections::BTreeSet;

use sinter_graph::derivation::{Graph, Input, InputId};
use sinter_graph::digest::BlobDigest;
use sinter_graph::lock::MAIN_ARCHIVE;
use sinter_oci::registry::{Environment, Registries};
use sinter_source::debian::MirrorError;
use sinter_store::Store;

use super::*;

fn package(name: &str) -> PinnedPackage {
    PinnedPackage {
        name: name.to_owned(),
        version: "1".to_owned(),
        architecture: "amd64".to_owned(),
        sha256: BlobDigest::of(name.as_bytes()),
        size: 1,
        path: format!("pool/{name}.deb"),
        archive: MAIN_ARCHIVE.to_owned(),
    }
}

/// A lock that answers one question, for one architecture.
fn complete() -> String {
    let of = |name| BTreeMap::from([("amd64".to_owned(), vec![package(name)])]);
    let release = DebianRelease { archives: vec![], essential: of("base-files") };
    let pin = DebianPin { packages: of("hello") };
    let mut lock = Lock::default();
    lock.debian.insert_release("bookworm", release).expect("a release");
    lock.debian.insert_closure(DebianQuestion::new("bookworm", &["hello".to_owned()]), pin).expect("a closure");
    lock.render()
}

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn with(lock: Option<&str>) -> Self {
        let place = Self { directory: tempfile::tempdir().expect("a directory") };
        if let Some(lock) = lock {
            std::fs::write(place.lock(), lock).expect("a lock");
        }
        place
    }

    fn lock(&self) -> PathBuf {
        self.directory.path().join("sinter.lock")
    }

    fn text(&self) -> Option<String> {
        std::fs::read_to_string(self.lock()).ok()
    }

    fn names(&self) -> Vec<String> {
        let listed = std::fs::read_dir(self.directory.path()).expect("a listing");
        let mut names: Vec<String> =
            listed.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Resolves inputs for these packages where no mirror can be asked.
    fn resolve(&self, questions: &[&[&str]], locking: Locking) -> Result<Resolved, BuildError> {
        let mut graph = Graph::default();
        let needed: BTreeSet<InputId> = questions.iter().map(|packages| intern(&mut graph, packages)).collect();
        let store = tempfile::tempdir().expect("a store");
        let store = Store::open(store.path()).expect("a store");
        let progress = |_| {};
        let nowhere = Err(MirrorError::Unknown { apt_directory: PathBuf::from("none") });
        let debian = Debian::new(store.clone(), nowhere, true, &progress);
        let (registries, platform) = (Registries::new(Environment::default(), true), "linux/amd64".parse());
        let images = Images {
            store: &store,
            work_tree: self.directory.path(),
            registries: &registries,
            offline: true,
            progress: &|_| {},
        };
        let resolvers = Resolvers { debian: &debian, images: &images, platform: &platform.expect("a platform") };
        resolve(&graph, &needed, &LockFile::read(&self.lock())?, locking, &resolvers)
    }
}

fn intern(graph: &mut Graph, packages: &[&str]) -> InputId {
    let packages = packages.iter().map(|&name| name.to_owned()).collect();
    graph.intern_input("debs", Input::Debian { suite: "bookworm".to_owned(), packages })
}

#[test]
fn complete_lock_is_believed_and_left_alone() {
    for locking in [Locking::Add, Locking::Locked, Locking::Compare] {
        let place = Place::with(Some(&complete()));
        let resolved = place.resolve(&[&["hello"]], locking).expect("everything is pinned");
        assert_eq!((resolved.added, place.text()), (vec![], Some(complete())));
        let names = |system| {
            let packages = resolved.pins.packages(&Unpack { packages: InputId::new(0), system });
            packages.into_iter().map(|package| package.name).collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["hello"]);
        assert_eq!(names(true), ["base-files", "hello"]);
    }
}

#[test]
fn locked_build_names_all_that_is_missing() {
    for lock in [None, Some(complete())] {
        let lock = lock.as_deref();
        let place = Place::with(lock);
        let error = place.resolve(&[&["b"], &["a", "c"]], Locking::Locked).expect_err("pins are missing");
        let BuildError::LockDrift { diff, .. } = &error else { panic!("{error}") };
        let expected =
            ["b", "a c"].map(|question| format!("+ debian.\"bookworm {question}\" for amd64 (input `debs`)"));
        assert_eq!(diff.as_slice(), expected);
        assert_eq!(error.class(), sinter_graph::ErrorClass::Lock);
        assert_eq!(place.text().as_deref(), lock);
    }
}

#[test]
fn failed_question_writes_nothing() {
    for locking in [Locking::Add, Locking::Compare] {
        let place = Place::with(Some(&complete()));
        let error = place.resolve(&[&["hello"], &["unpinned"]], locking).expect_err("nobody can be asked");
        assert!(matches!(error, BuildError::Debian { .. }), "{error}");
        assert_eq!(place.text(), Some(complete()));
        assert_eq!(place.names(), ["sinter.lock"]);
    }
}

#[test]
fn lock_of_another_architecture_is_incomplete() {
    let place = Place::with(Some(&complete()));
    let file = LockFile::read(&place.lock()).expect("a lock");
    let mut graph = Graph::default();
    let needed = BTreeSet::from([intern(&mut graph, &["hello"])]);
    assert!(file.is_complete(&graph, &needed, "amd64"));
    assert!(!file.is_complete(&graph, &needed, "arm64"));
    let more = BTreeSet::from([intern(&mut graph, &["other"])]);
    assert!(!file.is_complete(&graph, &more, "amd64"));
}

/// So equality of locks decides what is written, and the diff is for people.
#[test]
fn locks_differ_in_what_no_diff_shows() {
    let place = Place::with(Some("version = 1\n"));
    let old = LockFile::read(&place.lock()).expect("an empty lock");
    let mut new = old.lock.clone();
    new.debian.insert_release("bookworm", DebianRelease::default()).expect("a release");
    assert!(old.lock.diff(&new).is_empty() && old.lock != new);
}

#[test]
fn conflicted_lock_is_read_as_one_text() {
    let ours = complete();
    let place = Place::with(Some(&format!("<<<<<<< HEAD\n{ours}=======\nversion = 1\n>>>>>>> other\n")));
    let (file, conflicted) = LockFile::read_resolving(&place.lock()).expect("two sides");
    assert_eq!((Ok(file.lock), conflicted), (Lock::parse(&ours), true));
    let (_, conflicted) = LockFile::read_resolving(&Place::with(Some(&ours)).lock()).expect("a lock");
    assert!(!conflicted);
}

#[test]
fn odd_answer_of_a_mirror_is_refused() {
    let odd = PinnedPackage { path: "pool/../../etc/passwd".to_owned(), ..package("hello") };
    let pin = DebianPin { packages: BTreeMap::from([("amd64".to_owned(), vec![odd])]) };
    let question = DebianQuestion::new("bookworm", &["hello".to_owned()]);
    let mut lock = Lock::default();
    let refused = add(&mut lock, &question, DebianRelease::default(), pin).expect_err("a path out of the pool");
    assert!(refused.to_string().contains("is no path below pool/"), "{refused}");
}

#[test]
fn written_lock_replaces_the_old_one_whole() {
    let place = Place::with(Some("version = 1\n"));
    let file = LockFile::read(&place.lock()).expect("an empty lock");
    let lock = Lock::parse(&complete()).expect("a lock");
    file.write(&lock).expect("a written lock");
    assert_eq!(LockFile::read(&place.lock()).expect("a lock").lock, lock);
    assert_eq!(place.names(), ["sinter.lock"]);
}

#[test]
fn unwritable_lock_stays_and_leaves_no_draft() {
    let place = Place::with(None);
    // A directory in its place refuses also root.
    std::fs::create_dir(place.lock()).expect("a directory");
    std::fs::write(place.lock().join("file"), "x").expect("a file");
    let file = LockFile { path: place.lock(), lock: Lock::default() };
    let error = file.write(&Lock::default()).expect_err("a directory is in the way");
    assert_eq!(error.class(), sinter_graph::ErrorClass::Environment);
    assert_eq!(place.names(), ["sinter.lock"]);
}

#[test]
fn builds_that_add_pins_wait_for_each_other() {
    let place = Place::with(None);
    let lock = Lock::parse(&complete()).expect("a lock");
    let hello = DebianQuestion::new("bookworm", &["hello".to_owned()]);
    std::thread::scope(|scope| {
        for name in ["one", "two", "three", "four"] {
            let (path, lock, hello) = (place.lock(), &lock, &hello);
            scope.spawn(move || {
                let (file, alone) = LockFile::read_alone(&path).expect("a lock");
                assert!(alone.is_some(), "this file system has no locks");
                let mut more = file.lock.clone();
                let (release, pin) = (lock.debian.release("bookworm").cloned(), lock.debian.closure(hello));
                more.debian.insert_release("bookworm", release.expect("a release")).expect("a release");
                let question = DebianQuestion::new("bookworm", &[name.to_owned()]);
                more.debian.insert_closure(question, pin.expect("a closure")).expect("a closure");
                file.write(&more).expect("a written lock");
            });
        }
    });
    assert_eq!(LockFile::read(&place.lock()).expect("a lock").lock.debian.questions().len(), 4);
    assert_eq!(place.names(), ["sinter.lock"]);
}
