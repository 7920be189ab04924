//! Packages made by hand, healthy and hostile: what they unpack to.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use sinter_graph::EPOCH;
use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::tree::Kind;

use super::fake_mirror::archive;
use super::*;

fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn kind(manifest: &Manifest, path: &str) -> Kind {
    let path = TreePath::new(path).expect("a path");
    manifest.get(&path).unwrap_or_else(|| panic!("{path} is not in the manifest")).kind.clone()
}

/// Whether the disk holds exactly what the manifest says.
fn assert_same(root: &Path, manifest: &Manifest) {
    let mut count = 0;
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory").flatten() {
            count += 1;
            pending.extend(entry.file_type().expect("a type").is_dir().then(|| entry.path()));
        }
    }
    assert_eq!(count, manifest.entries().len());
    for entry in manifest.entries() {
        let path = root.join(entry.path.to_os_path());
        let found = std::fs::symlink_metadata(&path).expect("what the manifest names");
        assert_eq!(found.mtime(), EPOCH, "{}", entry.path);
        match &entry.kind {
            Kind::Directory => assert!(found.is_dir()),
            Kind::Symlink { target } => {
                assert_eq!(std::fs::read_link(&path).expect("a link").as_os_str().as_encoded_bytes(), &target[..]);
                continue;
            }
            Kind::File { size, content } => {
                assert_eq!(*content, ContentHash::of(&std::fs::read(&path).expect("a file")));
                assert_eq!(found.len(), *size);
            }
            Kind::HardLink { to } => {
                let carrier = std::fs::metadata(root.join(to.to_os_path())).expect("the carrier");
                assert_eq!(found.ino(), carrier.ino());
            }
            other => panic!("{}: {other:?}", entry.path),
        }
        assert_eq!(found.permissions().mode() & 0o7777, entry.mode, "{}", entry.path);
    }
}

#[test]
fn data_alone_has_entries_for_scanners() {
    let bench = Bench::new(vec![]);
    let (root, manifest) = bench.unpack(&small_suite()[1..], false).expect("a tree");
    assert_same(&root, &manifest);
    assert_eq!(read(&root, "usr/lib/libc.so"), "libc");
    assert_eq!(kind(&manifest, "lib"), Kind::Symlink { target: b"usr/lib".as_slice().into() });
    assert_eq!(kind(&manifest, "usr/bin/prog"), Kind::HardLink { to: TreePath::new("usr/bin/alias").expect("a path") });
    assert!(matches!(kind(&manifest, "usr/bin/alias"), Kind::File { size: 7, .. }));
    let status = read(&root, "var/lib/dpkg/status.d/prog");
    assert!(status.starts_with("Package: prog\nStatus: install ok installed\nMaintainer: Test\n"), "{status}");
    let sums = read(&root, "var/lib/dpkg/status.d/prog.md5sums");
    assert_eq!(sums, "a9c449d4fa44e9e5a41c574ae55ce4d9  usr/bin/prog\n");
    assert!(!root.join("lib32").exists() && !root.join("var/lib/dpkg/status").exists());
}

#[test]
fn system_has_a_database_that_waits_for_configuration() {
    let bench = Bench::new(vec![]);
    let mut debs = small_suite();
    debs[1].fields = "Multi-Arch: same";
    debs[2] = debs[2]
        .clone()
        .with(&[("./etc/", Data::Directory), ("./etc/prog.conf", Data::File("x"))])
        .control("conffiles", "/etc/prog.conf\nremove-on-upgrade /etc/old.conf\n")
        .control("postinst", "#!/bin/sh\n")
        .control("triggers", "interest-noawait /usr/share/prog\ninterest prog-trigger\nactivate-noawait ldconfig\n")
        .control("md5sums", "a9c449d4fa44e9e5a41c574ae55ce4d9  usr/bin/prog\n");
    let (root, manifest) = bench.unpack(&debs, true).expect("a tree");
    assert_same(&root, &manifest);
    let status = read(&root, "var/lib/dpkg/status");
    assert_eq!(status.matches("Status: install ok unpacked\n").count(), 3);
    assert!(
        status.contains("Conffiles:\n /etc/prog.conf 9dd4e461268c8034f5c8564e155c67a6\nDescription: test\n more\n\n")
    );
    assert_eq!(read(&root, "var/lib/dpkg/sinter-unpacked-order"), "libc:amd64\nbase:amd64\nprog:amd64\n");
    assert_eq!(read(&root, "var/lib/dpkg/info/libc:amd64.list"), "/.\n/lib\n/lib/libc.so\n");
    assert_eq!(read(&root, "var/lib/dpkg/info/prog.conffiles").lines().count(), 2);
    assert_eq!(read(&root, "var/lib/dpkg/triggers/File"), "/usr/share/prog prog/noawait\n");
    assert_eq!(read(&root, "var/lib/dpkg/triggers/prog-trigger"), "prog\n");
    assert_eq!(read(&root, "var/lib/apt/extended_states"), "Package: libc\nArchitecture: amd64\nAuto-Installed: 1\n\n");
    let script = TreePath::new("var/lib/dpkg/info/prog.postinst").expect("a path");
    assert_eq!(manifest.get(&script).map(|entry| entry.mode), Some(0o755));
    assert!(matches!(kind(&manifest, "lib32"), Kind::Symlink { .. }));
}

#[test]
fn order_and_compression_change_nothing() {
    let bench = Bench::new(vec![]);
    let mut debs = small_suite();
    let (_, first) = bench.unpack(&debs, true).expect("a tree");
    for compression in ["", ".gz", ".zst"] {
        debs.reverse();
        debs.iter_mut().for_each(|deb| deb.compression = compression);
        assert_eq!(bench.unpack(&debs, true).expect("a tree").1, first, "{compression}");
    }
}

#[test]
fn one_file_in_two_packages_needs_replaces() {
    let bench = Bench::new(vec![]);
    let file = |text| [("./usr/share/both", Data::File(text))];
    let one = Deb::new("one", "1", "").with(&file("one"));
    let two = Deb::new("two", "1", "").with(&file("two"));
    let error = bench.unpack(&[one.clone(), two.clone()], true).expect_err("a conflict").to_string();
    assert!(error.contains("/usr/share/both is in both one and two"), "{error}");
    let too_old = Deb { fields: "Replaces: one (<< 1)", ..two.clone() };
    assert!(bench.unpack(&[one.clone(), too_old], true).is_err());
    let replacing = Deb { fields: "Replaces: one (<= 1)", ..two };
    let (root, _) = bench.unpack(&[one, replacing], true).expect("a tree");
    assert_eq!(read(&root, "usr/share/both"), "two");
    assert_eq!(read(&root, "var/lib/dpkg/info/one.list"), "/.\n");
    assert_eq!(read(&root, "var/lib/dpkg/info/two.list"), "/.\n/usr/share/both\n");
}

#[test]
fn hostile_data_stays_inside() {
    let bench = Bench::new(vec![]);
    let outside = bench.directory.path().join("outside");
    let refused: [&[(&'static str, Data)]; 10] = [
        &[("../outside", Data::File("x"))],
        &[("./a/../../outside", Data::File("x"))],
        &[("./a", Data::HardLink("../outside"))],
        &[("./a", Data::HardLink("/etc/passwd"))],
        &[("./a", Data::Device)],
        &[("./a/.wh.b", Data::File("x"))],
        &[("./.wh.d/b", Data::Symlink("x"))],
        &[("./a", Data::Symlink(""))],
        &[("./a", Data::Symlink("b")), ("./b", Data::Symlink("a")), ("./a/x", Data::File("x"))],
        &[("./a", Data::File("x")), ("./a/x", Data::File("x"))],
    ];
    for data in refused {
        let result = bench.unpack(&[Deb::new("evil", "1", "").with(data)], false);
        assert!(matches!(&result, Err(error) if error.to_string().contains("evil")), "{data:?}: {result:?}");
    }
    let through_link = [("./up", Data::Symlink("../../../..")), ("./up/outside", Data::File("x"))];
    let absolute =
        [("/etc/plain", Data::File("x")), ("./abs", Data::Symlink("/")), ("./abs/outside2", Data::File("x"))];
    let (root, manifest) =
        bench.unpack(&[Deb::new("odd", "1", "").with(&through_link).with(&absolute)], false).expect("a tree");
    assert_same(&root, &manifest);
    assert!(root.join("outside").is_file() && root.join("outside2").is_file() && root.join("etc/plain").is_file());
    assert!(!outside.exists());
}

#[test]
fn hostile_packages_are_named() {
    let bench = Bench::new(vec![]);
    let good = Deb::new("good", "1", "").with(&[("./a", Data::File("some content"))]);
    let bytes = good.bytes();
    let renamed = Deb { name: "other", ..good.clone() }.bytes();
    let cases: [(Vec<u8>, &str); 7] = [
        (b"rubbish".to_vec(), "not a Debian package file"),
        (bytes[..bytes.len() - 20].to_vec(), "cut short"),
        (archive(&[("debian-binary", b"3.0\n")]), "not version 2"),
        (archive(&[("debian-binary", b"2.0\n"), ("data.tar", b"")]), "no `control.tar`"),
        (archive(&[("debian-binary", b"2.0\n"), ("control.tar", b""), ("data.tar", b"")]), "no `control` file"),
        (archive(&[("debian-binary", b"2.0\n"), ("control.tar.lz", b""), ("data.tar", b"")]), "unknown way"),
        (renamed, "it says that it is other 1"),
    ];
    for (bytes, reason) in cases {
        let store = bench.store();
        let pin = PinnedPackage { sha256: store.put_blob(&bytes).expect("a blob"), ..good.pin() };
        let into = tempfile::tempdir_in(bench.directory.path()).expect("a directory");
        let error = bench.debian(true).unpack(&[pin], true, into.path()).expect_err(reason).to_string();
        assert!(error.contains(reason) && error.contains("package good"), "{error}");
    }
}

#[test]
fn damaged_packages_never_panic() {
    let bench = Bench::new(vec![]);
    let mut state = 7_u64;
    for compression in ["", ".gz", ".xz", ".zst"] {
        let deb = Deb { compression, ..small_suite()[2].clone() };
        for _ in 0..60 {
            let mut bytes = deb.bytes();
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap_or(0) % bytes.len();
            bytes[at] ^= 1 << (state % 8);
            let pin = PinnedPackage { sha256: bench.store().put_blob(&bytes).expect("a blob"), ..deb.pin() };
            let into = tempfile::tempdir_in(bench.directory.path()).expect("a directory");
            let _ = bench.debian(true).unpack(&[pin], false, into.path());
        }
    }
}

#[test]
fn missing_package_is_named() {
    let bench = Bench::new(vec![]);
    let into = tempfile::tempdir_in(bench.directory.path()).expect("a directory");
    let error = bench.debian(true).unpack(&[small_suite()[0].pin()], true, into.path()).expect_err("no blob");
    assert!(error.to_string().contains("base 1.0"), "{error}");
}
