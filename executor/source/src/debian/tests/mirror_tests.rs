//! A mirror on loopback, healthy and otherwise: what is asked, believed and refused.

use super::fake_mirror::{Fault, sign};
use super::*;
use crate::debian::MirrorError;

/// A reason that a message must give, and how to bring it about.
type Spoiled<T> = (&'static str, T);
type Spoil = fn(&Bench, &PinnedPackage);

#[test]
fn release_and_closure_are_pinned() {
    let bench = Bench::new(small_suite());
    let (release, pin) = bench.resolve(&["prog"]).expect("a closure");
    assert_eq!(names(&pin.packages["amd64"]), ["libc", "prog"]);
    assert_eq!(names(&release.essential["amd64"]), ["base", "libc"]);
    let archive = &release.archives[0];
    assert_eq!((archive.suite.as_str(), archive.version.as_deref(), release.archives.len()), ("test", Some("1.2"), 1));
    assert_eq!(archive.date, "2025-05-17T09:12:50Z");
    let nothing = bench.resolve(&[]).expect("an empty closure");
    assert!(nothing.1.packages["amd64"].is_empty() && !nothing.0.essential["amd64"].is_empty());
}

#[test]
fn pinned_release_answers_offline_from_the_store() {
    let bench = Bench::new(small_suite());
    let first = bench.resolve(&["prog"]).expect("a closure");
    let again = bench.debian(true).resolve("test", &owned(&["prog"]), "amd64", Some(&first.0)).expect("a closure");
    assert_eq!(again, first);
    let live = bench.debian(true).resolve("test", &owned(&["prog"]), "amd64", None);
    assert!(matches!(live, Err(DebianError::Offline { .. })), "{live:?}");
}

#[test]
fn pinned_release_outlives_a_newer_one() {
    let bench = Bench::new(small_suite());
    let first = bench.resolve(&["prog"]).expect("a closure");
    let mut newer = small_suite();
    newer[2].version = "4.0-1";
    Repository::new(newer).publish(&bench.mirror);
    assert_eq!(bench.resolve(&["prog"]).expect("a closure").1.packages["amd64"][1].version, "4.0-1");
    std::fs::remove_dir_all(bench.store().index_directory().join("debian")).expect("a cache");
    let resolve = || bench.debian(false).resolve("test", &owned(&["prog"]), "amd64", Some(&first.0));
    assert_eq!(resolve().expect("the old index by its hash"), first);
    std::fs::remove_dir_all(bench.store().index_directory().join("debian")).expect("a cache");
    bench.mirror.remove("by-hash");
    let error = resolve().expect_err("the old index is gone");
    assert!(matches!(error, DebianError::IndexGone { .. }) && error.to_string().contains("sinter update"), "{error}");
}

#[test]
fn untrusted_releases_are_refused() {
    let cases: [Spoiled<fn(&Bench)>; 6] = [
        ("no key of the keyring", |bench| {
            let foreign = include_bytes!("../fixtures/keyring.asc");
            std::fs::write(&bench.keyring, foreign).expect("a file");
        }),
        ("the text was changed", |bench| {
            let message = sign(&Repository::new(small_suite()).release()).replace("Version: 1.2", "Version: 1.3");
            bench.mirror.put("/debian/dists/test/InRelease", message);
        }),
        ("not a clear-signed message", |bench| {
            bench.mirror.put("/debian/dists/test/InRelease", Repository::new(small_suite()).release());
        }),
        ("was valid until", |bench| {
            let valid_until = "Sun, 18 May 2025 09:12:50 UTC";
            Repository { valid_until, ..Repository::new(small_suite()) }.publish(&bench.mirror);
        }),
        ("the release of other", |bench| {
            let release = Repository { suite: "other", ..Repository::new(small_suite()) }.release();
            bench.mirror.put("/debian/dists/test/InRelease", sign(&release));
        }),
        ("the signed release says", |bench| {
            bench.mirror.remove("by-hash");
            let index = Repository::new(small_suite()).index();
            let tampered: Vec<u8> = index.iter().map(|byte| byte ^ 1).collect();
            bench.mirror.put("/debian/dists/test/main/binary-amd64/Packages.xz", tampered);
        }),
    ];
    for (reason, spoil) in cases {
        let bench = Bench::new(small_suite());
        spoil(&bench);
        let error = bench.resolve(&["prog"]).expect_err(reason).to_string();
        assert!(error.contains(reason) && error.contains("test"), "{error}");
    }
}

#[test]
fn unanswerable_questions_name_their_reason() {
    let mut debs = small_suite();
    debs.push(Deb::new("broken", "1", "Depends: middle"));
    debs.push(Deb::new("middle", "1", "Depends: libc (>= 9) | nothing"));
    debs.push(Deb::new("enemy", "1", "Conflicts: prog (<< 4)"));
    debs.push(Deb::new("virtual-one", "1", "Provides: virtual"));
    let bench = Bench::new(debs);
    let cases: [(&[&str], &str); 5] = [
        (&["prgo"], "package prgo is not in suite test for amd64: did you mean prog?"),
        (&["virtual"], "did you mean virtual-one?"),
        (&["broken"], "broken -> middle -> libc (>= 9) | nothing cannot be met: there is only libc 2.0"),
        (&["enemy", "prog"], "enemy 1 excludes prog 3.0-1 (it says `prog (<< 4)`)"),
        (&["zzzzzz"], "check the name"),
    ];
    for (packages, reason) in cases {
        let error = bench.resolve(packages).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(error.class(), sinter_graph::ErrorClass::User);
    }
}

#[test]
fn missing_suite_architecture_and_mirror_are_named() {
    let bench = Bench::new(small_suite());
    let resolve = |suite: &str, architecture: &str| {
        bench
            .debian(false)
            .resolve(suite, &owned(&["prog"]), architecture, None)
            .expect_err("nothing there")
            .to_string()
    };
    assert!(resolve("tset", "amd64").contains("suite tset is not on the mirror http://127.0.0.1"));
    assert!(resolve("../x", "amd64").contains("suite ../x"));
    assert!(resolve("test", "arm64").contains("no packages for arm64"));
    let unknown = MirrorError::Unknown { apt_directory: "/etc/apt".into() };
    let debian = Debian::new(bench.store(), Err(unknown), false, &ignore);
    let error = debian.resolve("test", &[], "amd64", None).expect_err("no mirror").to_string();
    assert!(error.contains("--mirror debian=URL"), "{error}");
}

#[test]
fn security_archive_wins_by_version_and_may_be_absent() {
    let bench = Bench::new(small_suite());
    let mut fixed = Deb::new("prog", "3.0-1+fix", "Depends: libc");
    fixed.compression = ".gz";
    let security = Repository { suite: "test-security", ..Repository::new(vec![fixed]) };
    let index = security.index();
    let directory = "/debian-security/dists/test-security";
    bench.mirror.put(&format!("{directory}/InRelease"), sign(&security.release()));
    bench.mirror.put(&format!("{directory}/main/binary-amd64/Packages.xz"), index);
    let (release, pin) = bench.resolve(&["prog"]).expect("a closure");
    let prog = &pin.packages["amd64"][1];
    assert_eq!((prog.version.as_str(), prog.archive.as_str()), ("3.0-1+fix", "debian-security"));
    assert_eq!(
        release.archives.iter().map(|archive| archive.suite.as_str()).collect::<Vec<_>>(),
        ["test", "test-security"]
    );
}

#[test]
fn cut_downloads_are_resumed() {
    let debs = small_suite();
    let pin = debs[2].pin();
    let whole = pin.size as usize;
    let faults: [(&[Fault], usize); 5] = [
        (&[Fault::CutAfter(100), Fault::CutAfter(50)], 3),
        (&[Fault::Status(503), Fault::Drip], 2),
        (&[Fault::CutAfter(whole - 1), Fault::WholeBody], 2),
        (&[Fault::CutAfter(10), Fault::Status(500), Fault::Status(429), Fault::Drip], 4),
        (&[Fault::Drip], 1),
    ];
    for (faults, requests) in faults {
        let bench = Bench::new(debs.clone());
        bench.mirror.fail(&pin.path, faults);
        bench.fetch(std::slice::from_ref(&pin)).expect("a download");
        assert!(bench.store().has_blob(&pin.sha256).expect("a look"));
        let seen = bench.mirror.requests("prog_");
        assert_eq!(seen.len(), requests, "{faults:?}: {seen:?}");
        if let [Fault::CutAfter(count), ..] = faults {
            assert_eq!(seen[1], Some(*count as u64));
        }
        bench.fetch(std::slice::from_ref(&pin)).expect("nothing to do");
        assert_eq!(bench.mirror.requests("prog_").len(), requests);
    }
}

#[test]
fn partial_files_of_earlier_processes_are_used() {
    for (part, offset) in [(None, None), (Some(100), Some(100)), (Some(usize::MAX), None)] {
        let debs = small_suite();
        let pin = debs[2].pin();
        let bench = Bench::new(debs.clone());
        let directory = bench.store().index_directory().join("debian/partial");
        std::fs::create_dir_all(&directory).expect("a directory");
        let bytes = debs[2].bytes();
        if let Some(part) = part {
            let left = if part == usize::MAX { vec![0; bytes.len() + 1] } else { bytes[..part].to_vec() };
            std::fs::write(directory.join(pin.sha256.hex()), left).expect("a file");
        }
        bench.fetch(std::slice::from_ref(&pin)).expect("a download");
        assert_eq!(bench.mirror.requests("prog_"), [offset]);
    }
    let bench = Bench::new(small_suite());
    let pin = small_suite()[2].pin();
    let directory = bench.store().index_directory().join("debian/partial");
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join(pin.sha256.hex()), b"rubbish").expect("a file");
    bench.fetch(std::slice::from_ref(&pin)).expect("a download that starts again");
    assert_eq!(bench.mirror.requests("prog_"), [Some(7), None]);
}

#[test]
fn failed_downloads_name_the_package() {
    let cases: [Spoiled<Spoil>; 5] = [
        ("sinter update`", |bench, _| bench.mirror.remove("prog_")),
        ("expected sha256:", |bench, pin| {
            let mut bytes = small_suite()[2].bytes();
            bytes[80] ^= 1;
            bench.mirror.put(&format!("/debian/{}", pin.path), bytes);
        }),
        ("more bytes", |bench, pin| {
            let mut bytes = small_suite()[2].bytes();
            bytes.push(0);
            bench.mirror.put(&format!("/debian/{}", pin.path), bytes);
        }),
        ("status 403", |bench, pin| bench.mirror.fail(&pin.path, &[Fault::Status(403)])),
        ("status 500", |bench, pin| bench.mirror.fail(&pin.path, &[Fault::Status(500); 4])),
    ];
    for (reason, spoil) in cases {
        let bench = Bench::new(small_suite());
        let pin = small_suite()[2].pin();
        spoil(&bench, &pin);
        let error = bench.fetch(std::slice::from_ref(&pin)).expect_err(reason).to_string();
        assert!(error.contains(reason) && error.contains("prog 3.0-1"), "{error}");
        assert!(!bench.store().has_blob(&pin.sha256).expect("a look"));
    }
}

#[test]
fn offline_lists_what_is_missing() {
    let bench = Bench::new(small_suite());
    let pins: Vec<PinnedPackage> = small_suite().iter().map(Deb::pin).collect();
    bench.fetch(&pins[..1]).expect("a download");
    let error = bench.debian(true).fetch(&pins.iter().collect::<Vec<_>>()).expect_err("two are missing").to_string();
    assert!(error.contains("2 items are not in the store") && error.contains("libc 2.0, prog 3.0-1"), "{error}");
    bench.debian(true).fetch(&[&pins[0]]).expect("it is there");
}

#[test]
fn download_progress_ends_at_the_total() {
    let bench = Bench::new(small_suite());
    let pins: Vec<PinnedPackage> = small_suite().iter().map(Deb::pin).collect();
    bench.mirror.fail(&pins[1].path, &[Fault::CutAfter(60), Fault::WholeBody]);
    let last = std::sync::Mutex::new((0, 0));
    let report = |event: Progress| {
        if let Progress::Download { done_bytes, total_bytes, .. } = event {
            let mut last = last.lock().expect("no panic");
            *last = (last.0.max(done_bytes), total_bytes);
        }
    };
    let debian = Debian::new(bench.store(), Ok(bench.mirror.config(&bench.keyring)), false, &report);
    debian.fetch(&pins.iter().collect::<Vec<_>>()).expect("downloads");
    let total: u64 = pins.iter().map(|pin| pin.size).sum();
    assert_eq!(*last.lock().expect("no panic"), (total, total));
}
