//! Deep stacks: what is mounted through merged directories is what the layers themselves would show.

mod support;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::Kind;
use sinter_store::Store;
use support::{Random, Sample};

/// A layer of some files, links, directories and deletions among few names, so that layers meet.
fn layer(random: &mut Random, number: u64) -> Sample {
    const NAMES: [&str; 6] = ["a", "a-b", "a/b", "a/b/c", "d", "d/e"];
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for _ in 0..1 + random.below(4) {
        kinds.insert(NAMES[usize::try_from(random.below(6)).expect("small")], random.below(5));
    }
    let mut sample = Sample::new();
    sample.file(format!("only-{number}"), format!("{number}").as_bytes(), 0o644);
    let is_directory = |name: &str, kinds: &BTreeMap<&str, u64>| {
        kinds.keys().any(|other| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')))
    };
    for (name, kind) in &kinds {
        match kind {
            _ if is_directory(name, &kinds) => {
                sample.add(name, Kind::Directory, 0o755);
            }
            0 => {
                sample.add(name, Kind::Directory, 0o700 + u32::try_from(number % 64).expect("small"));
            }
            1 => {
                sample.add(name, Kind::Whiteout, 0);
            }
            2 => {
                sample.add(name, Kind::Symlink { target: format!("to-{number}").into_bytes().into() }, 0o777);
            }
            _ => {
                sample.file(name, format!("{name} {number}").as_bytes(), 0o600);
            }
        }
    }
    sample
}

/// A name that is listed and that is not there: overlayfs lists a directory of one layer as it is, deletions included. No
/// capture yields a deletion of nothing, but the random layers here do; a merged directory has some for the layers below.
const GHOST: &str = "listed, not there: ";

/// Everything an overlay of these directories, the bottom one first, shows.
fn shown(lowers: &[PathBuf], at: &Path) -> Vec<String> {
    // Options have to fit into a page, so each directory gets a short name.
    let names = tempfile::Builder::new().prefix("l").rand_bytes(3).tempdir().expect("a directory");
    let short = |(number, lower): (usize, &PathBuf)| {
        let name = names.path().join(number.to_string());
        std::os::unix::fs::symlink(lower, &name).expect("a link");
        name.display().to_string()
    };
    let top_first: Vec<String> = lowers.iter().rev().enumerate().map(short).collect();
    let empty = names.path().join("e");
    fs::create_dir(&empty).expect("a directory");
    let options = format!("userxattr,lowerdir={}:{}", top_first.join(":"), empty.display());
    let options = CString::new(options).expect("options");
    mount("overlay", at, "overlay", MountFlags::RDONLY, Some(options.as_c_str()))
        .expect("an overlay mount (needs root or a mapped user namespace)");
    let mut lines = Vec::new();
    list(at, at, &mut lines);
    unmount(at, UnmountFlags::DETACH).expect("unmount");
    lines.sort();
    lines
}

fn list(root: &Path, directory: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a listing").flatten() {
        let path = entry.path();
        let Ok(found) = fs::symlink_metadata(&path) else {
            lines.push(format!("{GHOST}{}", path.strip_prefix(root).expect("below").display()));
            continue;
        };
        let content = match found.file_type() {
            kind if kind.is_symlink() => fs::read_link(&path).expect("a target").display().to_string(),
            kind if kind.is_file() => fs::read_to_string(&path).expect("content"),
            _ => String::new(),
        };
        let name = path.strip_prefix(root).expect("below").display().to_string();
        lines.push(format!("{name} {:o} {} {content}", found.mode(), found.mtime()));
        if found.is_dir() {
            list(root, &path, lines);
        }
    }
}

fn without_ghosts(lines: Vec<String>) -> (Vec<String>, Vec<String>) {
    lines.into_iter().partition(|line| !line.starts_with(GHOST))
}

#[test]
fn merged_stacks_show_what_their_layers_show() {
    let rounds = if std::env::var_os("SINTER_SOAK").is_some() { 400 } else { 12 };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&directory.path().join("store")).expect("a store");
    let at = directory.path().join("at");
    fs::create_dir(&at).expect("a directory");
    for round in 0..rounds {
        let count = 9 + random.below(80);
        let layers: Vec<LayerDigest> =
            (0..count).map(|number| layer(&mut random, round * 1000 + number).publish(&store)).collect();
        let lease = store.ensure(&layers).expect("a lease");
        let merged = lease.lowers().expect("directories");
        assert!(merged.len() < layers.len() && merged.len() <= 16, "{} of {}", merged.len(), layers.len());
        let plain: Vec<PathBuf> = lease.directories().map(Path::to_owned).collect();
        let (expected, ghosts) = without_ghosts(shown(&plain, &at));
        let (found, more) = without_ghosts(shown(&merged, &at));
        assert_eq!(found, expected, "round {round}");
        assert!(more.iter().all(|ghost| ghosts.contains(ghost)), "round {round}: {more:?} and {ghosts:?}");
        // Linking changed what the seals held; they were taken again, and nothing has to be read.
        Store::open(store.root()).expect("a store").ensure(&layers).expect("a lease").examine().expect("whole");
    }
}

/// The usual way: one step makes a file, a later one deletes it, and nothing below them has the directory.
#[test]
fn deletions_within_a_run_are_not_listed() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&directory.path().join("store")).expect("a store");
    let at = directory.path().join("at");
    fs::create_dir(&at).expect("a directory");
    let layers: Vec<LayerDigest> = (0..9)
        .map(|number: u64| {
            let mut sample = Sample::new();
            sample.add("made", Kind::Directory, 0o755);
            match number {
                0 => sample.file("made/gone", b"gone", 0o644),
                1 => sample.add("made/gone", Kind::Whiteout, 0),
                _ => sample.file(format!("made/only-{number}"), b"", 0o644),
            };
            sample.publish(&store)
        })
        .collect();
    let merged = store.ensure(&layers).expect("a lease").lowers().expect("directories");
    assert!(merged.len() < layers.len());
    let lines = shown(&merged[..1], &at);
    assert!(!lines.iter().any(|line| line.contains("gone")), "{lines:?}");
}

#[test]
fn a_thousand_layers_are_a_few_directories() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&directory.path().join("store")).expect("a store");
    let layers: Vec<LayerDigest> = (0..1000)
        .map(|number: u32| {
            let mut sample = Sample::new();
            sample.file(format!("f{number}"), &number.to_le_bytes(), 0o644);
            sample.publish(&store)
        })
        .collect();
    let lowers = store.ensure(&layers).expect("a lease").lowers().expect("directories");
    assert!(lowers.len() <= 28, "{}", lowers.len());
}

type Damage = (&'static str, fn(&Path));

#[test]
fn damaged_merged_directories_are_made_again() {
    let damages: [Damage; 4] = [
        ("file gone", |merged| fs::remove_file(merged.join("fs/only-3")).expect("damage")),
        ("file replaced", |merged| {
            fs::remove_file(merged.join("fs/only-3")).expect("damage");
            fs::write(merged.join("fs/only-3"), "x").expect("damage");
        }),
        ("file added", |merged| fs::write(merged.join("fs/new"), "x").expect("damage")),
        ("seal torn", |merged| fs::write(merged.join("seal"), "x").expect("damage")),
    ];
    for (name, damage) in damages {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("store")).expect("a store");
        let layers: Vec<LayerDigest> = (0..9)
            .map(|number: u64| {
                let mut sample = Sample::new();
                sample.add("shared", Kind::Directory, 0o755);
                sample.file(format!("only-{number}"), format!("{number}").as_bytes(), 0o644);
                sample.publish(&store)
            })
            .collect();
        let first = store.ensure(&layers).expect("a lease").lowers().expect("directories");
        damage(first[0].parent().expect("the merged directory"));
        let next = Store::open(store.root()).expect("a store");
        let lowers = next.ensure(&layers).expect("a lease").lowers().expect(name);
        assert_eq!(lowers, first, "{name}");
        assert_eq!(fs::read_to_string(lowers[0].join("only-3")).expect(name), "3", "{name}");
        assert!(!lowers[0].join("new").exists(), "{name}");
    }
}
