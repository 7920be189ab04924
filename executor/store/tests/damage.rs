//! What happens to a store that somebody damaged: it heals or says so, and no wrong byte leaves it.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sinter_graph::digest::LayerDigest;
use sinter_store::{Elsewhere, Origin, RecordKind, Store, StoreError};
use support::{Sample, numbered};

/// A layer, in a store that is opened anew for each look.
struct Scene {
    directory: tempfile::TempDir,
    digest: LayerDigest,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("store")).expect("a store");
        let digest = numbered(3).publish(&store);
        Self { directory, digest }
    }

    fn open(&self) -> Store {
        Store::open(&self.directory.path().join("store")).expect("a store")
    }

    fn layer(&self) -> PathBuf {
        self.directory.path().join("store/layers").join(self.digest.hex())
    }
}

type Damage = (&'static str, fn(&Path));

fn file(layer: &Path) -> PathBuf {
    layer.join("fs/usr/share/3/1")
}

/// Puts the modification time of the file back, as a hostile neighbour would.
fn rewrite_unseen(path: &Path, bytes: &[u8]) {
    let times = fs::metadata(path).and_then(|found| found.modified()).expect("a time");
    fs::write(path, bytes).expect("damage");
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(times)).expect("a time");
}

/// Damage of the bytes of a layer that a mounted layer shows.
const OF_BYTES: [Damage; 14] = [
    ("content changed", |layer| fs::write(file(layer), "x").expect("damage")),
    ("content changed, size and time kept", |layer| {
        let length = fs::read(file(layer)).expect("bytes").len();
        rewrite_unseen(&file(layer), &vec![b'!'; length]);
    }),
    ("file gone", |layer| fs::remove_file(file(layer)).expect("damage")),
    ("file replaced", |layer| {
        fs::remove_file(file(layer)).expect("damage");
        fs::write(file(layer), "x").expect("damage");
    }),
    ("file became a directory", |layer| {
        fs::remove_file(file(layer)).expect("damage");
        fs::create_dir(file(layer)).expect("damage");
    }),
    ("file became a link", |layer| {
        fs::remove_file(file(layer)).expect("damage");
        symlink("0", file(layer)).expect("damage");
    }),
    ("file became a pipe", |layer| {
        fs::remove_file(file(layer)).expect("damage");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, file(layer), kind, mode, 0).expect("damage");
    }),
    ("file truncated", |layer| {
        fs::File::options().write(true).open(file(layer)).and_then(|file| file.set_len(1)).expect("damage");
    }),
    ("mode changed", |layer| fs::set_permissions(file(layer), fs::Permissions::from_mode(0o4755)).expect("damage")),
    ("owner changed", |layer| std::os::unix::fs::chown(file(layer), Some(77), None).expect("damage")),
    ("time changed", |layer| {
        let file = fs::File::options().write(true).open(file(layer)).expect("a file");
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("damage");
    }),
    ("link changed", |layer| {
        fs::remove_file(layer.join("fs/usr/bin/link-3")).expect("damage");
        symlink("elsewhere", layer.join("fs/usr/bin/link-3")).expect("damage");
    }),
    ("directory gone", |layer| fs::remove_dir_all(layer.join("fs/usr/share")).expect("damage")),
    ("layer gone", |layer| fs::remove_dir_all(layer).expect("damage")),
];

#[test]
fn damage_is_seen_before_a_result_is_published() {
    for (name, damage) in OF_BYTES {
        let scene = Scene::new();
        let lease = scene.open().ensure(&[scene.digest]).expect("a lease");
        damage(&scene.layer());
        let error = lease.examine().expect_err(name);
        assert!(matches!(error, StoreError::Damaged { .. } | StoreError::MissingLayer { .. }), "{name}: {error}");
    }
}

#[test]
fn damaged_layers_become_misses_and_are_made_again() {
    for (name, damage) in OF_BYTES {
        let scene = Scene::new();
        damage(&scene.layer());
        let store = scene.open();
        let error = store.verify_layer(&scene.digest).expect_err(name);
        assert!(matches!(error, StoreError::Damaged { .. } | StoreError::MissingLayer { .. }), "{name}: {error}");
        assert!(!store.has_layer(&scene.digest).expect("a look"), "{name}");
        assert_eq!(numbered(3).publish(&store), scene.digest, "{name}");
        store.verify_layer(&scene.digest).expect(name);
    }
}

#[test]
fn what_surrounds_the_bytes_heals() {
    let cases: [Damage; 5] = [
        ("seal gone", |layer| fs::remove_file(layer.join("seal")).expect("damage")),
        ("seal torn", |layer| fs::write(layer.join("seal"), "x").expect("damage")),
        ("seal is a directory", |layer| {
            fs::remove_file(layer.join("seal")).expect("damage");
            fs::create_dir(layer.join("seal")).expect("damage");
        }),
        ("another name of a file", |layer| fs::hard_link(file(layer), layer.join("name")).expect("a link")),
        ("same bytes written again", |layer| {
            let bytes = fs::read(file(layer)).expect("bytes");
            rewrite_unseen(&file(layer), &bytes);
        }),
    ];
    for (name, change) in cases {
        let scene = Scene::new();
        change(&scene.layer());
        scene.open().ensure(&[scene.digest]).expect("a lease").examine().expect(name);
        assert!(scene.open().has_layer(&scene.digest).expect("a look"), "{name}");
        let sealed = fs::metadata(scene.layer().join("seal")).expect("a seal").ctime_nsec();
        scene.open().ensure(&[scene.digest]).expect("a lease").examine().expect(name);
        assert_eq!(
            fs::metadata(scene.layer().join("seal")).expect("a seal").ctime_nsec(),
            sealed,
            "{name}: sealed anew"
        );
    }
}

#[test]
fn facts_and_manifests_are_checked() {
    let cases: [Damage; 3] = [
        ("manifest changed", |root| only_file(&root.join("manifests"), |path| fs::write(path, "x").expect("damage"))),
        ("manifest gone", |root| only_file(&root.join("manifests"), |path| fs::remove_file(path).expect("damage"))),
        ("facts torn", |root| only_file(&root.join("records/layer"), |path| fs::write(path, "x").expect("damage"))),
    ];
    for (name, damage) in cases {
        let scene = Scene::new();
        damage(&scene.directory.path().join("store"));
        let store = scene.open();
        let error = store.manifest(&scene.digest).expect_err(name);
        assert!(matches!(error, StoreError::Damaged { .. } | StoreError::MissingLayer { .. }), "{name}: {error}");
        assert_eq!(numbered(3).publish(&store), scene.digest, "{name}");
        store.verify_layer(&scene.digest).expect(name);
    }
}

fn only_file(directory: &Path, damage: impl Fn(&Path)) {
    let files: Vec<PathBuf> = fs::read_dir(directory).expect("a listing").flatten().map(|entry| entry.path()).collect();
    assert_eq!(files.len(), 1);
    damage(&files[0]);
}

#[test]
fn damage_drops_every_record_that_counts_on_it() {
    let scene = Scene::new();
    let store = scene.open();
    let key = |byte: char| byte.to_string().repeat(64);
    let name = |byte: u8| [byte; 32];
    let layer = scene.digest.as_bytes();
    // A stack that holds the layer, a step on that stack, a definition that yields it, one made from that definition.
    store.put_record(RecordKind::Stack, &key('1'), &[b"x", &layer[..]].concat()).expect("a record");
    store.put_record(RecordKind::Content, &key('2'), &name(0x11)).expect("a record");
    store.put_record(RecordKind::Definition, &key('3'), &[&name(0x11)[..], b"y"].concat()).expect("a record");
    store.put_record(RecordKind::Definition, &key('4'), &[b"abc", &name(0x33)[..]].concat()).expect("a record");
    store.put_record(RecordKind::Definition, &key('5'), &name(0x55)).expect("a record");
    fs::write(file(&scene.layer()), "x").expect("damage");
    store.verify_layer(&scene.digest).expect_err("damage");
    let there = |kind, byte| store.record(kind, &key(byte)).expect("a look").is_some();
    let left = [
        there(RecordKind::Stack, '1'),
        there(RecordKind::Content, '2'),
        there(RecordKind::Definition, '3'),
        there(RecordKind::Definition, '4'),
        there(RecordKind::Definition, '5'),
    ];
    assert_eq!(left, [false, false, false, false, true]);
}

/// An error that says nothing about a layer must not cost it.
#[test]
fn what_cannot_be_read_is_not_damaged() {
    let scene = Scene::new();
    let store = scene.open();
    let lease = store.ensure(&[scene.digest]).expect("a lease");
    // A loop of links in the way of every look: nobody can tell what is behind it.
    let (layers, away) = (store.root().join("layers"), store.root().join("away"));
    fs::rename(&layers, &away).expect("a rename");
    symlink("layers", &layers).expect("a loop");
    assert!(matches!(lease.examine().expect_err("unreadable"), StoreError::Fs(_)));
    lease.confirm().expect("nobody took anything away, which one look at another file tells");
    assert!(matches!(store.verify_layer(&scene.digest).expect_err("unreadable"), StoreError::Fs(_)));
    assert!(matches!(store.has_layer(&scene.digest).expect_err("unreadable"), StoreError::Fs(_)));
    fs::remove_file(&layers).expect("a removal");
    fs::rename(&away, &layers).expect("a rename");
    lease.examine().expect("it was there all the time");
}

#[test]
fn leased_layers_survive_their_withdrawal() {
    let scene = Scene::new();
    let (mine, other) = (scene.open(), scene.open());
    let lease = other.ensure(&[scene.digest]).expect("a lease");
    let mounted = fs::File::open(lease.directory(&scene.digest).expect("a directory")).expect("as if mounted");
    fs::write(file(&scene.layer()), "x").expect("damage");
    lease.confirm().expect("nobody has found it yet");
    mine.verify_layer(&scene.digest).expect_err("damage");
    assert!(matches!(lease.confirm().expect_err("it was taken away"), StoreError::MissingLayer { .. }));
    drop(mine);
    assert_eq!(entries_below(&mounted), 3, "what is mounted stays");
    // The layer is made again under the same name; who mounted the damaged one is told all the same.
    let third = scene.open();
    assert_eq!(numbered(3).publish(&third), scene.digest);
    for error in [lease.examine(), lease.confirm()].map(|looked| looked.expect_err("another directory")) {
        assert!(matches!(error, StoreError::MissingLayer { .. }), "{error}");
    }
    third.ensure(&[scene.digest]).expect("a lease").examine().expect("the new one is whole");
    let trash = third.root().join("trash");
    drop((lease, other, third));
    // A thread that began to sweep earlier may be at it still.
    let is_empty = || fs::read_dir(&trash).expect("a listing").count() == 0;
    let emptied = (0..200).any(|_| {
        is_empty() || {
            std::thread::sleep(std::time::Duration::from_millis(10));
            false
        }
    });
    assert!(emptied, "nobody leases the damaged one any more");
}

fn entries_below(directory: &fs::File) -> usize {
    let share = rustix::fs::openat(directory, "usr", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
    rustix::fs::Dir::read_from(share.expect("a directory")).expect("a listing").flatten().count() - 1
}

/// Another store, and how often it was asked.
struct Other {
    store: Store,
    asked: Mutex<Vec<LayerDigest>>,
}

impl Elsewhere for Other {
    fn fetch(&self, layer: &LayerDigest, out: &mut dyn std::io::Write) -> std::io::Result<bool> {
        self.asked.lock().expect("a lock").push(*layer);
        match self.store.write_layer(layer, out) {
            Ok(()) => Ok(true),
            Err(StoreError::MissingLayer { .. }) => Ok(false),
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

#[test]
fn bytes_elsewhere_are_fetched_only_when_they_are_wanted() {
    let directory = tempfile::tempdir().expect("a directory");
    let other = Store::open(&directory.path().join("other")).expect("a store");
    let sample: Sample = numbered(5);
    let digest = sample.publish(&other);
    let other = std::sync::Arc::new(Other { store: other, asked: Mutex::default() });
    let options = sinter_store::Options { elsewhere: Some(other.clone()), ..Default::default() };
    let store = Store::open_with(&directory.path().join("store"), options).expect("a store");
    let facts = other.store.facts(&digest).expect("a look").expect("facts");
    store.put_facts(&digest, facts.size, sample.manifest(), Origin::Captured).expect("facts");
    assert_eq!(store.layer_size(&digest).expect("a size"), facts.size);
    assert_eq!(store.manifest(&digest).expect("a manifest").entries(), sample.manifest().entries());
    assert!(store.knows_layer(&digest).expect("a look") && !store.has_layer(&digest).expect("a look"));
    assert_eq!(other.asked.lock().expect("a lock").len(), 0, "facts are enough");
    store.ensure(&[digest]).expect("a lease").examine().expect("the bytes");
    store.verify_layer(&digest).expect("whole");
    assert_eq!(other.asked.lock().expect("a lock").as_slice(), [digest]);
}

#[test]
fn layers_that_are_nowhere_are_forgotten() {
    let scene = Scene::new();
    let store = scene.open();
    store.put_record(RecordKind::Content, &"1".repeat(64), scene.digest.as_bytes()).expect("a record");
    fs::remove_dir_all(scene.layer()).expect("a removal");
    assert!(matches!(store.ensure(&[scene.digest]).expect_err("nowhere"), StoreError::MissingLayer { .. }));
    assert!(!store.knows_layer(&scene.digest).expect("a look"));
    assert_eq!(store.record(RecordKind::Content, &"1".repeat(64)).expect("a look"), None);
}
