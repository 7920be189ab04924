//! Killed processes, full disks, many processes at once.
//!
//! The killed and the competing processes are this test binary, started again with [`ROLE`] in the environment.

mod support;

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_graph::tree::Kind;
use sinter_store::{Origin, RecordKind, Store, StoreError, ViewError, write_view};
use support::{Sample, numbered, open};

/// What a child process is to do, and the store it does it to.
const ROLE: &str = "SINTER_STORE_TEST_ROLE";
const STORE: &str = "SINTER_STORE_TEST_STORE";

fn child(test: &str, role: &str, store: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role)
        .env(STORE, store)
        .stdout(Stdio::null())
        .spawn()
        .expect("a child")
}

/// The store, and the role if this process has one.
fn role() -> Option<(String, Store)> {
    let role = std::env::var(ROLE).ok()?;
    let root = PathBuf::from(std::env::var_os(STORE).expect("a store"));
    Some((role, Store::open(&root).expect("a store")))
}

fn rounds(few: u64) -> u64 {
    if std::env::var_os("SINTER_SOAK").is_some() { few * 40 } else { few }
}

/// Publishes a layer, a blob, and the record that names them.
fn build(store: &Store, seed: u64) {
    let layer = numbered(seed).publish(store);
    let blob = store.put_blob(format!("blob {seed}").as_bytes()).expect("a blob");
    let key = BlobDigest::of(&seed.to_le_bytes()).hex();
    let payload = [&layer.as_bytes()[..], blob.as_bytes()].concat();
    store.put_record(RecordKind::Content, &key, &payload).expect("a record");
}

/// Everything a record names must be there, whole. Gives the number of records.
fn verify(store: &Store) -> usize {
    let files = |directory: &str| std::fs::read_dir(store.root().join(directory)).expect("a listing").flatten();
    for entry in files("records/layer") {
        let digest: LayerDigest = format!("sha256:{}", entry.file_name().display()).parse().expect("a digest");
        store.write_layer(&digest, &mut std::io::sink()).expect("a whole layer");
    }
    let mut records = 0;
    for entry in files("records/content") {
        let key = entry.file_name().to_string_lossy().into_owned();
        let payload = store.record(RecordKind::Content, &key).expect("a look").expect("a record of this boot");
        let (layer, blob) = payload.split_at(32);
        let layer = LayerDigest::from_bytes(layer.try_into().expect("32 bytes"));
        store.write_layer(&layer, &mut std::io::sink()).expect("the layer of a record");
        store.read_blob(&BlobDigest::from_bytes(blob.try_into().expect("32 bytes"))).expect("the blob of a record");
        records += 1;
    }
    records
}

#[test]
fn killed_writers_leave_whole_objects_or_none() {
    const NAME: &str = "killed_writers_leave_whole_objects_or_none";
    if let Some((role, store)) = role() {
        let start: u64 = role.parse().expect("a number");
        // Killed long before the end.
        (start..start + 1_000_000).for_each(|seed| build(&store, seed));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("store");
    for round in 0..rounds(12) {
        // Two writers of overlapping seeds, killed at a moment that differs from round to round.
        let mut children = [round * 5, round * 5 + 2].map(|start| child(NAME, &start.to_string(), &root));
        std::thread::sleep(Duration::from_micros(5_000 + (round * 7_919_017) % 60_000));
        for child in &mut children {
            child.kill().expect("a kill");
            child.wait().expect("an end");
        }
        verify(&Store::open(&root).expect("a store"));
    }
    let store = Store::open(&root).expect("a store");
    (0..70).for_each(|seed| build(&store, seed));
    assert!(verify(&store) >= 70);
    let work = std::fs::read_dir(root.join("work")).expect("a listing").count();
    assert!(work <= 1, "only the scratch directory of this process is left, not {work}");
}

#[test]
fn competing_publishers_agree_on_every_layer() {
    const NAME: &str = "competing_publishers_agree_on_every_layer";
    const SEEDS: u64 = 25;
    if let Some((role, store)) = role() {
        let start: u64 = role.parse().expect("a number");
        (0..SEEDS).for_each(|seed| build(&store, (seed * 7 + start) % SEEDS));
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("store");
    let mut children: Vec<Child> = (0..4).map(|start| child(NAME, &start.to_string(), &root)).collect();
    assert!(children.iter_mut().all(|child| child.wait().expect("an end").success()));
    let store = Store::open(&root).expect("a store");
    assert_eq!(verify(&store), 25);
    assert_eq!(std::fs::read_dir(root.join("layers")).expect("a listing").count(), 25);
}

/// Root of a user namespace publishes the same layers as root of the machine, each in a store of its own.
#[test]
fn namespace_root_publishes_like_root() {
    const NAME: &str = "namespace_root_publishes_like_root";
    let mut sample = numbered(9);
    sample.add("etc/gone", Kind::Whiteout, 0);
    sample.file("usr/bin/su", b"su", 0o4755);
    if let Some((_, store)) = role() {
        sample.publish(&store);
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("store");
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user"]).arg(std::env::current_exe().expect("this binary"));
    let status = inside
        .args(["--exact", NAME, "--nocapture"])
        .env(ROLE, "inside")
        .env(STORE, &root)
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("unshare").success());
    let published = std::fs::read_dir(root.join("layers")).expect("a listing").flatten().next().expect("a layer");
    let digest = sample.publish(&Store::open(&directory.path().join("other")).expect("a store"));
    assert_eq!(published.file_name().to_string_lossy(), digest.hex());
    let error = Store::open(&root).expect_err("a store of another id map");
    assert!(matches!(error, StoreError::OtherIds { .. }), "{error}");
}

/// A small file system in memory.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(options: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = CString::new(options).expect("options");
        mount("tmpfs", directory.path(), "tmpfs", MountFlags::empty(), Some(options.as_c_str()))
            .expect("a tmpfs mount (needs root or a mapped user namespace)");
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(self.path(), UnmountFlags::DETACH).expect("unmount");
    }
}

/// One build; `false` if the disk is full.
fn try_build(store: &Store, sample: &Sample, seed: u64) -> bool {
    let full = |error: StoreError| assert!(matches!(&error, StoreError::Fs(error) if error.is_no_space()), "{error}");
    let workspace = match store.workspace() {
        Ok(workspace) => workspace,
        Err(error) => {
            full(error);
            return false;
        }
    };
    let place = workspace.path().join("layer");
    if let Err(error) = write_view(&place, &sample.manifest(), &|entry| open(sample.bytes(entry))) {
        assert!(matches!(&error, ViewError::Fs(error) if error.is_no_space()), "{error}");
        return false;
    }
    let key = BlobDigest::of(&seed.to_le_bytes()).hex();
    let result = store.publish_layer(&place, sample.manifest(), Origin::Captured).and_then(|layer| {
        let blob = store.put_blob(&[seed as u8; 5000])?;
        store.put_record(RecordKind::Content, &key, &[&layer.as_bytes()[..], blob.as_bytes()].concat())
    });
    result.map_err(full).is_ok()
}

#[test]
fn full_disks_publish_nothing_by_halves() {
    for options in ["size=1m", "size=64m,nr_inodes=400"] {
        let disk = SmallDisk::new(options);
        let store = Store::open(&disk.path().join("store")).expect("a store");
        let mut built = 0;
        while try_build(&store, &numbered(built), built) {
            built += 1;
        }
        assert!(built > 3, "{options}: {built}");
        assert_eq!(verify(&store) as u64, built, "{options}");
        for victim in std::fs::read_dir(store.root().join("layers")).expect("a listing").flatten().take(2) {
            sinter_store::remove_tree(&victim.path()).expect("space");
        }
        let again = Store::open(store.root()).expect("a store");
        assert!(try_build(&again, &numbered(0), 0), "{options}: works again with space");
    }
}

#[test]
fn every_moment_of_a_full_disk_is_survived() {
    let disk = SmallDisk::new("size=512k");
    let store = Store::open(&disk.path().join("store")).expect("a store");
    assert!(try_build(&store, &numbered(0), 0));
    let ballast = disk.path().join("ballast");
    let mut built = 1;
    for free in (0..80).map(|pages| pages * 4096) {
        std::fs::write(&ballast, b"").expect("an empty file");
        let statistics = rustix::fs::statvfs(disk.path()).expect("statistics");
        let left = statistics.f_bavail * statistics.f_bsize;
        std::fs::write(&ballast, vec![0; usize::try_from(left.saturating_sub(free)).expect("small")]).expect("ballast");
        built += usize::from(try_build(&store, &numbered(4), 4) && built == 1);
        assert_eq!(verify(&store), built, "{free} bytes free");
    }
    assert_eq!(built, 2, "the second build fits in the end");
}
