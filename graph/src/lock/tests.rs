//! Reading, writing and comparing locks, data-driven.

use super::*;

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
    Lock {
        debian_releases: BTreeMap::from([("bookworm".to_owned(), release)]),
        debian: BTreeMap::from([(DebianQuestion::new("bookworm", &["tini".to_owned()]), pin)]),
    }
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
"#,
        digest(b"release"),
        digest(b"index"),
        digest(b"1.21.22"),
        digest(b"2.36-9"),
        digest(b"0.19.0-1")
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
    let pin = new.debian.get_mut(&question).and_then(|pin| pin.packages.get_mut("amd64")).expect("the pin");
    pin[0] = package("libc6", "2.36-10");
    pin[1].sha256 = BlobDigest::of(b"other");
    pin.push(package("zlib1g", "1.2"));
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
    assert_eq!(lock.debian_pin(&nothing).map(|pin| pin.packages), Some(BTreeMap::from([("amd64".to_owned(), vec![])])));
    assert_eq!(lock.debian_pin(&DebianQuestion::new("sid", &[])), None);
    assert!(lock.debian_pin(&DebianQuestion::new("bookworm", &["tini".to_owned()])).is_some());
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
