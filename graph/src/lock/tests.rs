//! Reading, writing and comparing locks, data-driven.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use std::collections::BTreeMap;

use super::*;
use crate::arbitrary::rounds;
use crate::digest::BlobDigest;

fn suite() -> impl Strategy<Value = String> {
    select(&["a", "bookworm", "Z._-9", "a.b", "x\"", ""][..]).prop_map(str::to_owned)
}

fn package_name() -> impl Strategy<Value = String> {
    select(&["aa", "0+-.", "libc6", "g++", "X", "a b"][..]).prop_map(str::to_owned)
}

fn architecture() -> impl Strategy<Value = String> {
    select(&["amd64", "all", "-", "0", "arm64", "A"][..]).prop_map(str::to_owned)
}

prop_compose! {
    fn pinned_package()(
        (name, architecture, archive) in (package_name(), architecture(), select(&[MAIN_ARCHIVE, "other", "\n"][..])),
        version in select(&["1", "1:2.3~rc1+b1-4", "-", ""][..]),
        size in select(&[0, 1, i64::MAX as u64, u64::MAX][..]),
        path in select(&["pool/a", "pool/a~b:%=@,^()", "pool/%2e", "a"][..]),
    ) -> PinnedPackage {
        let sha256 = BlobDigest::of(name.as_bytes());
        PinnedPackage { name, version: version.to_owned(), architecture, sha256, size, path: path.to_owned(), archive: archive.to_owned() }
    }
}

/// Mostly legal, so that locks get filled.
fn lists() -> impl Strategy<Value = BTreeMap<String, Vec<PinnedPackage>>> {
    let legal = select(&["aa", "0+-.", "libc6", "g++"][..]).prop_map(|name| package(name, "1:2~3"));
    let list = prop_oneof![9 => vec(legal, 0..3), 1 => vec(pinned_package(), 0..3)];
    btree_map(prop_oneof![9 => Just("amd64".to_owned()), 1 => architecture()], list, 0..3)
}

prop_compose! {
    fn archive()(
        (archive, suite, indexes) in (suite(), suite(), btree_map(architecture(), Just(BlobDigest::of(b"")), 0..2)),
        version in proptest::option::of(select(&["12.11", "~", ""][..])),
        date in select(&["2026-05-17T09:12:50Z", "9999-99-99T99:99:99Z", "now"][..]),
    ) -> PinnedArchive {
        let (version, date) = (version.map(str::to_owned), date.to_owned());
        PinnedArchive { archive, suite, version, date, sha256: BlobDigest::of(b"a"), indexes }
    }
}

fn release() -> impl Strategy<Value = DebianRelease> {
    (vec(archive(), 0..3), lists()).prop_map(|(archives, essential)| DebianRelease { archives, essential })
}

fn digest_of(text: &str) -> BlobDigest {
    BlobDigest::of(text.as_bytes())
}

prop_compose! {
    fn pull()(
        reference in select(&["docker.io/library/node:22", "a", "\"", "oci:dir", "a b", "\n", ""][..]),
        digest in select(vec!["a", "b"]),
        platforms in btree_map(crate::arbitrary::platform(), select(vec!["a", "c"]).prop_map(digest_of), 0..3),
    ) -> (String, PullPin) {
        (reference.to_owned(), PullPin { digest: digest_of(digest), platforms })
    }
}

fn package(name: &str, version: &str) -> PinnedPackage {
    PinnedPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
        sha256: BlobDigest::of(version.as_bytes()),
        size: 1234,
        path: format!("pool/main/{name}_{version}_amd64.deb"),
        archive: MAIN_ARCHIVE.to_owned(),
    }
}

fn example() -> Lock {
    let archive = PinnedArchive {
        archive: "debian-security".to_owned(),
        suite: "bookworm-security".to_owned(),
        version: Some("12".to_owned()),
        date: "2026-05-17T09:12:50Z".to_owned(),
        sha256: BlobDigest::of(b"release"),
        indexes: BTreeMap::from([("amd64".to_owned(), BlobDigest::of(b"index"))]),
    };
    let release = DebianRelease {
        archives: vec![archive],
        essential: BTreeMap::from([("amd64".to_owned(), vec![package("dpkg", "1.21.22")])]),
    };
    let tini = PinnedPackage { archive: "debian-security".to_owned(), ..package("tini", "0.19.0-1") };
    let pin = DebianPin { packages: BTreeMap::from([("amd64".to_owned(), vec![package("libc6", "2.36-9"), tini])]) };
    let mut lock = Lock::default();
    lock.debian.insert_release("bookworm", release).expect("a release");
    lock.debian.insert_closure(DebianQuestion::new("bookworm", &["tini".to_owned()]), pin).expect("a closure");
    let platform = |text: &str| text.parse().expect("a platform");
    let platforms = [("linux/arm/v7", b"arm" as &[u8]), ("linux/amd64", b"amd")];
    let platforms = platforms.map(|(name, manifest)| (platform(name), BlobDigest::of(manifest))).into();
    let pin = PullPin { digest: BlobDigest::of(b"node"), platforms };
    lock.pull.insert("docker.io/library/node:22", pin).expect("a pin");
    lock
}

#[test]
fn rendered_lock_reads_back_equal() {
    let text = example().render();
    assert_eq!(Lock::parse(&text), Ok(example()), "{text}");
    assert_eq!(Lock::parse(&text).map(|lock| lock.render()), Ok(text));
    assert_eq!(Lock::parse(""), Ok(Lock::default()));
    assert_eq!(Lock::parse(&Lock::default().render()), Ok(Lock::default()));
}

#[test]
fn odd_but_legal_locks_read_back_equal() {
    let mut lock = Lock::default();
    lock.debian.insert_release("bookworm", DebianRelease::default()).expect("an empty release");
    let none = BTreeMap::from([("amd64".to_owned(), vec![])]);
    lock.debian.insert_release("a", DebianRelease { archives: vec![], essential: none }).expect("an empty set");
    lock.debian
        .insert_closure(DebianQuestion::new("bookworm", &["gcc".to_owned()]), DebianPin::default())
        .expect("a closure");
    assert_eq!(Lock::parse(&lock.render()), Ok(lock));
}

#[test]
fn what_cannot_be_read_back_enters_no_lock() {
    let mut lock = Lock::default();
    for (package, reason) in [
        (PinnedPackage { size: u64::MAX, ..package("tini", "1") }, "no size"),
        (package("t", "1"), "no package name"),
        (package("tini", ""), "no version"),
        (PinnedPackage { architecture: "arm64".to_owned(), ..package("tini", "1") }, "is for arm64"),
        (PinnedPackage { archive: "..".to_owned(), ..package("tini", "1") }, "no archive"),
    ] {
        let packages = BTreeMap::from([("amd64".to_owned(), vec![package])]);
        let question = DebianQuestion::new("bookworm", &["tini".to_owned()]);
        let refused = lock.debian.insert_closure(question, DebianPin { packages }).expect_err(reason);
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    let tini = PinnedPackage { architecture: "all".to_owned(), ..package("tini", "1") };
    let twice = BTreeMap::from([("amd64".to_owned(), vec![tini, package("tini", "2")])]);
    assert!(lock.debian.insert_release("bookworm", DebianRelease { archives: vec![], essential: twice }).is_err());
    assert!(lock.debian.insert_release("book worm", DebianRelease::default()).is_err());
    let unsorted = DebianQuestion { suite: "a".to_owned(), packages: vec!["cc".to_owned(), "bb".to_owned()] };
    assert!(lock.debian.insert_closure(unsorted, DebianPin::default()).is_err());
    assert_eq!(lock, Lock::default());
}

proptest! {
    #![proptest_config(rounds(200))]

    /// What is legal is written and read back; the same lock has the same bytes.
    #[test]
    fn accepted_lock_reads_back_equal(
        releases in vec((suite(), release()), 0..4),
        closures in vec((suite(), vec(package_name(), 0..3), lists()), 0..4),
        pulls in vec(pull(), 0..4),
    ) {
        let mut lock = Lock::default();
        for (suite, release) in releases {
            let _ = lock.debian.insert_release(&suite, release);
        }
        for (suite, names, packages) in closures {
            let _ = lock.debian.insert_closure(DebianQuestion::new(&suite, &names), DebianPin { packages });
        }
        for (reference, pin) in pulls {
            let _ = lock.pull.insert(&reference, pin);
        }
        let text = lock.render();
        prop_assert_eq!(Lock::parse(&text), Ok(lock.clone()), "{}", text);
        prop_assert_eq!(Lock::parse(&text).map(|lock| lock.render()), Ok(text));
        prop_assert_eq!(lock.diff(&lock), Vec::<String>::new());
    }
}

#[test]
fn rendered_bytes_are_these() {
    let text = example().render();
    let digest = |bytes: &[u8]| BlobDigest::of(bytes).hex();
    let expected = format!(
        r#"version = 1

[debian."bookworm"]
archives = [
  {{ archive = "debian-security", suite = "bookworm-security", sha256 = "{}", version = "12", date = "2026-05-17T09:12:50Z", indexes = {{ amd64 = "{}" }} }},
]
essential.amd64 = [
  {{ name = "dpkg", version = "1.21.22", arch = "amd64", sha256 = "{}", size = 1234, path = "pool/main/dpkg_1.21.22_amd64.deb" }},
]

[debian."bookworm tini"]
packages.amd64 = [
  {{ name = "libc6", version = "2.36-9", arch = "amd64", sha256 = "{}", size = 1234, path = "pool/main/libc6_2.36-9_amd64.deb" }},
  {{ name = "tini", version = "0.19.0-1", arch = "amd64", sha256 = "{}", size = 1234, path = "pool/main/tini_0.19.0-1_amd64.deb", archive = "debian-security" }},
]

[pull."docker.io/library/node:22"]
digest = "sha256:{}"
platforms."linux/amd64" = "sha256:{}"
platforms."linux/arm/v7" = "sha256:{}"
"#,
        digest(b"release"),
        digest(b"index"),
        digest(b"1.21.22"),
        digest(b"2.36-9"),
        digest(b"0.19.0-1"),
        digest(b"node"),
        digest(b"amd"),
        digest(b"arm")
    );
    let body: String = text.lines().skip(3).map(|line| format!("{line}\n")).collect();
    assert_eq!(body, expected);
    assert!(text.lines().take(3).all(|line| line.starts_with("# ")));
}

#[test]
fn hand_edits_are_named_by_line() {
    let cases = [
        ("pool/main/libc6_2.36-9_amd64.deb", "pool/../../etc/passwd", 13, "path below pool/"),
        ("pool/main/libc6_2.36-9_amd64.deb", "/pool/main/x.deb", 13, "path below pool/"),
        ("name = \"libc6\"", "name = \"lib c6\"", 13, "package name"),
        ("name = \"tini\"", "name = \"libc6\"", 12, "listed twice"),
        ("size = 1234", "size = -1", 8, "expected u64"),
        ("arch = \"amd64\"", "arch = \"arm64\"", 7, "not amd64"),
        ("sha256 = \"", "sha256 = \"x", 5, "is no sha256"),
        ("2026-05-17T", "2026-05-17 ", 5, "is no date"),
        ("packages.amd64", "package.amd64", 12, "unknown field"),
        ("bookworm tini", "bookworm  tini", 11, "single spaces"),
        ("\"bookworm tini\"", "\"sid\"", 11, "table of a suite"),
        ("\"bookworm\"]", "\"bookworm gcc\"]", 3, "table of a question"),
        ("digest = \"sha256:", "digest = \"", 18, "is no digest"),
        ("linux/arm/v7\" = \"sha256:", "linux/arm/v7\" = \"md5:", 20, "is no digest"),
        ("linux/arm/v7", "linux", 20, "is not a platform"),
        ("linux/arm/v7", "linux/arm64/v8", 20, "is written `linux/arm64`"),
        ("version = 1\n", "version = 0\n", 1, "no version 0"),
        ("version = 1\n", "versoin = 1\n", 1, "unknown field"),
        ("]\n", "\n", 3, ""),
    ];
    let text: String = example().render().lines().skip(3).map(|line| format!("{line}\n")).collect();
    for (from, to, line, reason) in cases {
        let edited = text.replacen(from, to, 1);
        match Lock::parse(&edited) {
            Err(LockError::Broken { line: found, reason: said }) => {
                assert!(said.contains(reason), "{to}: {said}");
                assert_eq!(found, line, "{to}: {said}");
            }
            other => panic!("{to}: {other:?}"),
        }
    }
}

#[test]
fn newer_lock_is_not_called_broken() {
    for text in ["version = 2\n", "version = 7\n[future]\nx = 1\n", "version = 2\ndebian = 3\n"] {
        assert!(matches!(Lock::parse(text), Err(LockError::Newer { found: 2 | 7 })), "{text}");
    }
}

#[test]
fn conflict_markers_are_recognised() {
    let text = format!("{}<<<<<<< HEAD\n=======\n>>>>>>> other\n", Lock::default().render());
    assert_eq!(Lock::parse(&text), Err(LockError::ConflictMarkers { line: 5 }));
}

#[test]
fn no_edit_of_bytes_panics() {
    let text = example().render();
    for index in (0..text.len()).step_by(7) {
        for insert in ["\"", "[", "\u{0}", "é", "}", "\n=", "99999999999999999999"] {
            let mut edited = text.clone();
            edited.insert_str(index, insert);
            let _ = Lock::parse(&edited);
            let _ = Lock::parse(&text[..index]);
        }
    }
}

#[test]
fn diff_names_old_and_new() {
    let old = example();
    let mut new = example();
    let question = DebianQuestion::new("bookworm", &["tini".to_owned()]);
    let mut pin = new.debian.closure(&question).expect("the pin");
    let list = pin.packages.get_mut("amd64").expect("a list");
    list[0] = package("libc6", "2.36-10");
    list[1].sha256 = BlobDigest::of(b"other");
    list.push(package("zlib1g", "1.2"));
    new.debian.insert_closure(question, pin).expect("a closure");
    assert_eq!(
        old.diff(&new),
        [
            "~ debian bookworm tini: libc6 (amd64) 2.36-9 -> 2.36-10".to_owned(),
            format!(
                "~ debian bookworm tini: tini (amd64) 0.19.0-1 sha256 {} -> {}",
                &BlobDigest::of(b"0.19.0-1").hex()[..12],
                &BlobDigest::of(b"other").hex()[..12]
            ),
            "+ debian bookworm tini: zlib1g (amd64) 1.2".to_owned(),
        ]
    );
    assert_eq!(old.diff(&old), Vec::<String>::new());
    assert!(new.diff(&old).contains(&"- debian bookworm tini: zlib1g (amd64) 1.2".to_owned()));
}

#[test]
fn question_of_nothing_is_pinned_with_the_release() {
    let lock = example();
    let nothing = DebianQuestion::new("bookworm", &[]);
    assert_eq!(
        lock.debian.closure(&nothing).map(|pin| pin.packages),
        Some(BTreeMap::from([("amd64".to_owned(), vec![])]))
    );
    assert_eq!(lock.debian.closure(&DebianQuestion::new("sid", &[])), None);
    assert!(lock.debian.closure(&DebianQuestion::new("bookworm", &["tini".to_owned()])).is_some());
}

#[test]
fn pool_paths_stay_in_the_pool() {
    for good in ["pool/main/g/gcc-12/cpp-12_12.2.0-14+deb12u1_amd64.deb", "pool/a~b.deb"] {
        assert!(is_pool_path(good), "{good}");
    }
    for bad in ["pool", "pool/", "pool//x", "pool/./x", "dists/x", "pool/a b", "pool/x?y", "pool/%2e%2e/x", "pool/x\n"]
    {
        assert!(!is_pool_path(bad), "{bad}");
    }
}
