//! One pass gives what reading everything apart gives.

use std::fs;
use std::os::unix::fs::FileExt;

use rustix::fs::XattrFlags;
use sha2::{Digest, Sha256};
use sinter_graph::path::TreePath;

use super::*;
use crate::archive::write_archive;
use crate::capture::{CapturePolicy, NothingBelow, capture};

/// Small, empty, large and hole-y files, in more batches than one thread takes.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for number in 0..300_usize {
        let place = directory.path().join(format!("d{}", number / 50));
        fs::create_dir_all(&place).expect("a directory");
        fs::write(place.join(format!("f{number}")), vec![b'a' + (number % 26) as u8; number * 37 % 5000])
            .expect("a file");
    }
    fs::write(directory.path().join("d1/large"), vec![7; 1_000_003]).expect("a file");
    for (name, at) in [("d2/holes", 700_000), ("d3/hole-first", 3_000_000), ("d4/short-hole", 100_000)] {
        let file = fs::File::create(directory.path().join(name)).expect("a file");
        file.write_all_at(b"middle", at).expect("a write");
        file.set_len(2 * at + 5).expect("a length");
    }
    fs::File::create(directory.path().join("d5/only-hole")).and_then(|file| file.set_len(2_000_000)).expect("a file");
    directory
}

#[test]
fn one_pass_gives_the_digest_of_the_whole_archive() {
    let directory = directory();
    let captured = capture(directory.path(), &NothingBelow, &CapturePolicy::ALL).expect("a layer");
    let mut tar = Vec::new();
    let content = |entry: &Entry| {
        let bytes = fs::read(directory.path().join(entry.path.to_os_path())).expect("content");
        let same = matches!(&entry.kind, Kind::File { content, .. } if *content == ContentHash::of(&bytes));
        assert!(same, "{}", entry.path);
        Ok(io::Cursor::new(bytes))
    };
    write_archive(captured.manifest(), content, &mut tar).expect("an archive");
    assert_eq!(captured.digest().as_bytes(), &<[u8; 32]>::from(Sha256::digest(&tar)));
    assert_eq!(captured.size(), tar.len() as u64);
    let again = digest_directory(directory.path(), captured.manifest()).expect("a digest");
    assert_eq!(again, (captured.digest, captured.size, captured.seal.clone()));
    let root = open_root(directory.path()).expect("a root");
    assert_eq!(captured.seal, Seal::take(&root, captured.manifest()).expect("a seal"));
}

type Damage = fn(&Path);

#[test]
fn every_difference_from_the_manifest_is_named() {
    let damages: [(Damage, &str); 6] = [
        (|d| fs::write(d.join("d0/f1"), vec![b'z'; 37]).expect("a write"), "d0/f1: the time is not as recorded"),
        (|d| fs::write(d.join("d1/large"), "short").expect("a write"), "d1/large: "),
        (|d| fs::remove_file(d.join("d3/f160")).expect("a removal"), "d3/f160: cannot be read"),
        (|d| set(&d.join("d4/f210"), b"x"), "d4/f210: an extended attribute is not as recorded"),
        (|d| set(&d.join("d4"), b"x"), "d4: an extended attribute is not as recorded"),
        (
            |d| {
                fs::write(d.join("d0/f1"), vec![b'z'; 37]).expect("a write");
                let file = fs::File::open(d.join("d0/f1")).expect("a file");
                futimens(&file, &whole_seconds(sinter_graph::EPOCH)).expect("a time");
            },
            "d0/f1: the content is not as recorded",
        ),
    ];
    for (damage, expected) in damages {
        let directory = directory();
        let captured = capture(directory.path(), &NothingBelow, &CapturePolicy::ALL).expect("a layer");
        damage(directory.path());
        let error = digest_directory(directory.path(), captured.manifest()).expect_err(expected);
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

#[test]
fn attributes_of_a_file_reach_its_other_names() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("a"), "1").expect("a file");
    fs::hard_link(directory.path().join("a"), directory.path().join("b")).expect("a link");
    set(&directory.path().join("b"), b"x");
    let captured = capture(directory.path(), &NothingBelow, &CapturePolicy::ALL).expect("a layer");
    let of = |name: &str| captured.manifest().get(&TreePath::new(name).expect("a path")).map(|entry| &entry.xattrs);
    assert_eq!((of("a").map(BTreeMap::len), of("a")), (Some(1), of("b")));
    digest_directory(directory.path(), captured.manifest()).expect("a digest");
}

fn set(place: &Path, value: &[u8]) {
    rustix::fs::setxattr(place, "user.note", value, XattrFlags::empty()).expect("an attribute");
}
