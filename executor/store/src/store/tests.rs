//! What survives which accident.

use super::*;
use crate::facts::Origin;
use crate::record::RecordKind;
use sinter_graph::digest::BlobDigest;
use sinter_graph::tree::Manifest;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn boot(&self, number: u8) -> Store {
        let options = Options { boot: Boot::from_bytes([number; 16]), ..Options::default() };
        Store::open_with(&self.root(), options).expect("a store")
    }
}

/// Publishes one of everything.
fn fill(store: &Store) -> (LayerDigest, BlobDigest) {
    let workspace = store.workspace().expect("a workspace");
    let layer = workspace.path().join("layer");
    crate::write_view(&layer, &Manifest::default(), &|_| unreachable!("no file")).expect("a layer");
    let layer = store.publish_layer(&layer, Manifest::default(), Origin::Captured).expect("a layer");
    let blob = store.put_blob(b"blob").expect("a blob");
    store.put_record(RecordKind::Content, KEY, layer.as_bytes()).expect("a record");
    (layer, blob)
}

fn presence(store: &Store, objects: &(LayerDigest, BlobDigest)) -> [bool; 3] {
    let (layer, blob) = objects;
    let record = store.record(RecordKind::Content, KEY).expect("a look").is_some();
    [store.has_layer(layer).expect("a look"), store.has_blob(blob).expect("a look"), record]
}

#[test]
fn kills_lose_nothing_and_power_loss_the_unsettled() {
    let home = Home::new();
    let objects = fill(&home.boot(1));
    assert_eq!(presence(&home.boot(1), &objects), [true; 3], "the same boot");
    assert_eq!(presence(&home.boot(2), &objects), [false; 3], "another boot, unsettled");
    let second = home.boot(2);
    assert_eq!(fill(&second), objects, "made again over what was left");
    second.settle().expect("settled");
    assert_eq!(presence(&home.boot(3), &objects), [true; 3], "another boot, settled");
}

#[test]
fn long_builds_settle_meanwhile() {
    let home = Home::new();
    let store = home.boot(1);
    let settling = store.settle_every(std::time::Duration::from_millis(5));
    let objects = fill(&store);
    for _ in 0..400 {
        if presence(&home.boot(2), &objects) == [true; 3] {
            drop(settling);
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("nothing was settled");
}

#[test]
fn records_written_after_settling_are_not_settled() {
    let home = Home::new();
    let store = home.boot(1);
    let objects = fill(&store);
    store.settle().expect("settled");
    let late = KEY.replace('0', "f");
    store.put_record(RecordKind::Stack, &late, b"late").expect("a record");
    assert_eq!(store.record(RecordKind::Stack, &late).expect("a look"), Some(b"late".to_vec()));
    let next = home.boot(2);
    assert_eq!((presence(&next, &objects), next.record(RecordKind::Stack, &late).expect("a look")), ([true; 3], None));
}

#[test]
fn settling_without_writes_touches_nothing() {
    let home = Home::new();
    home.boot(1).settle().expect("settled");
    assert_eq!(std::fs::read_dir(home.root().join("settled")).expect("a listing").count(), 0);
}

#[test]
fn newer_layouts_and_foreign_directories_are_refused() {
    let home = Home::new();
    drop(home.boot(1));
    std::fs::write(home.root().join("version"), "3\n").expect("a version");
    let error = Store::open(&home.root()).expect_err("a newer layout");
    assert!(matches!(error, StoreError::NewerLayout { found: 3, known: 2, .. }), "{error}");
    std::fs::write(home.root().join("version"), "1\n").expect("a version");
    let error = Store::open(&home.root()).expect_err("an older layout");
    assert!(matches!(error, StoreError::OlderLayout { found: 1, known: 2, .. }), "{error}");
    assert!(error.to_string().contains("sinter cache clear --store"), "{error}");
    let foreign = home.directory.path().join("foreign");
    std::fs::create_dir(&foreign).expect("a directory");
    std::fs::write(foreign.join("thesis"), "x").expect("a file");
    assert!(matches!(Store::open(&foreign), Err(StoreError::NotAStore { .. })));
    assert_eq!(std::fs::read_dir(&foreign).expect("a listing").count(), 1);
}

#[test]
fn killed_creation_is_finished_by_the_next_open() {
    let home = Home::new();
    std::fs::create_dir_all(home.root()).expect("a directory");
    std::fs::write(home.root().join(".version-draft"), "").expect("a draft");
    drop(home.boot(1));
}

#[test]
fn damaged_blobs_become_misses() {
    let home = Home::new();
    let store = home.boot(1);
    let digest = store.put_blob(b"blob").expect("a blob");
    let place = store.root().join("blobs").join(digest.hex());
    assert_eq!(store.read_blob(&digest).expect("bytes"), b"blob");
    std::fs::write(&place, b"bl0b").expect("damage");
    assert!(matches!(store.read_blob(&digest), Err(StoreError::Damaged { .. })));
    assert!(matches!(store.read_blob(&digest), Err(StoreError::MissingBlob { .. })));
    assert_eq!(store.put_blob(b"blob").expect("a blob"), digest);
    std::fs::write(&place, b"short").expect("damage");
    assert!(!store.has_blob(&digest).expect("a look"), "the length is checked at once");
}

#[test]
fn adopted_blobs_are_verified() {
    let home = Home::new();
    let store = home.boot(1);
    let workspace = store.workspace().expect("a workspace");
    let file = workspace.path().join("download");
    std::fs::write(&file, b"bytes").expect("a file");
    let (right, wrong) = (BlobDigest::of(b"bytes"), BlobDigest::of(b"other"));
    for (digest, size) in [(wrong, 5), (right, 4)] {
        let error = store.adopt_blob(&file, digest, size).expect_err("a wrong promise");
        assert!(matches!(error, StoreError::WrongDigest { .. }), "{error}");
    }
    store.adopt_blob(&file, right, 5).expect("adopted");
    assert_eq!(store.read_blob(&right).expect("bytes"), b"bytes");
    assert!(!file.exists());
}

#[test]
fn logs_are_kept_by_key() {
    let home = Home::new();
    let store = home.boot(1);
    let key = ContentKey::from_bytes([5; 32]);
    assert_eq!(store.log(&key), None);
    let workspace = store.workspace().expect("a workspace");
    for output in [b"first".as_slice(), b"second"] {
        std::fs::write(workspace.path().join("log"), output).expect("a file");
        store.adopt_log(&key, &workspace.path().join("log")).expect("a log");
        assert_eq!(std::fs::read(store.log(&key).expect("a place")).expect("bytes"), output);
    }
}

#[test]
fn second_publication_keeps_the_first() {
    let home = Home::new();
    let store = home.boot(1);
    let (layer, ..) = fill(&store);
    let inode = || std::fs::metadata(store.unpacked_path(&layer)).expect("metadata").ino();
    let first = inode();
    fill(&store);
    assert_eq!(inode(), first);
}

#[test]
fn directories_must_match_their_manifests() {
    let home = Home::new();
    let store = home.boot(1);
    let workspace = store.workspace().expect("a workspace");
    let content = sinter_graph::digest::ContentHash::of(b"abc");
    let path = |text: &str| sinter_graph::path::TreePath::new(text).expect("a path");
    let file = sinter_graph::tree::Kind::File { size: 3, content };
    let manifest = Manifest::new([sinter_graph::tree::Entry::new(path("file"), file, 0o644)]);
    for (number, (bytes, mode)) in [("abc", 0o600), ("abd", 0o644), ("ab", 0o644)].into_iter().enumerate() {
        let directory = workspace.path().join(number.to_string());
        std::fs::create_dir(&directory).expect("a directory");
        std::fs::write(directory.join("file"), bytes).expect("a file");
        let handle = crate::tree_io::open_root(&directory).expect("a directory");
        let entry = &manifest.entries()[0];
        let times = crate::tree_io::whole_seconds(entry.mtime);
        rustix::fs::utimensat(&handle, "file", &times, rustix::fs::AtFlags::empty()).expect("a time");
        rustix::fs::chmodat(&handle, "file", rustix::fs::Mode::from_raw_mode(mode), rustix::fs::AtFlags::empty())
            .expect("a mode");
        let error = store.publish_layer(&directory, manifest.clone(), Origin::Captured).expect_err(bytes);
        assert!(matches!(error, StoreError::Mismatch { .. }), "{error}");
    }
}

#[test]
fn stores_are_private() {
    let home = Home::new();
    std::fs::create_dir(home.root()).expect("a directory of the user");
    std::fs::set_permissions(home.root(), std::fs::Permissions::from_mode(0o2775)).expect("a mode");
    drop(home.boot(1));
    assert_eq!(std::fs::metadata(home.root()).expect("metadata").mode() & 0o7777, 0o700);
}

#[test]
fn stores_of_others_are_refused() {
    let home = Home::new();
    drop(home.boot(1));
    rustix::fs::chown(home.root(), Some(rustix::fs::Uid::from_raw(1234)), None).expect("another owner (needs root)");
    let error = Store::open(&home.root()).expect_err("another's store");
    assert!(matches!(error, StoreError::OtherOwner { owner: 1234, .. }), "{error}");
}

#[test]
fn stores_belong_to_one_id_map() {
    let home = Home::new();
    drop(home.boot(1));
    std::fs::write(home.root().join("ids"), "users 0-1000-1\ngroups 0-1000-1\n").expect("another map");
    let error = Store::open(&home.root()).expect_err("another map");
    assert!(matches!(error, StoreError::OtherIds { .. }), "{error}");
}

#[test]
fn what_replaced_a_directory_is_named() {
    for name in ["work", "trash", "records", "layers"] {
        let home = Home::new();
        drop(home.boot(1));
        std::fs::remove_dir_all(home.root().join(name)).expect("a removal");
        std::fs::write(home.root().join(name), "").expect("a file");
        let error = Store::open(&home.root()).expect_err(name);
        assert!(matches!(&error, StoreError::NotADirectory { path } if path.ends_with(name)), "{error}");
    }
}
