//! Exports over nothing, over themselves, over other people's files.

use super::*;
use sinter_graph::digest::ContentHash;
use sinter_graph::tree::{Entry, Kind};
use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

struct Home {
    directory: tempfile::TempDir,
    store: Store,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("store")).expect("a store");
        Self { directory, store }
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    fn layer(&self, entries: Vec<Entry>, contents: &[&[u8]]) -> LayerDigest {
        let manifest = Manifest::new(entries);
        let workspace = self.store.workspace().expect("a workspace");
        let place = workspace.path().join("layer");
        let content = |entry: &Entry| {
            let Kind::File { content, .. } = &entry.kind else { unreachable!("only files have contents") };
            let bytes = contents.iter().find(|bytes| ContentHash::of(bytes) == *content).expect("a content");
            let mut file = tempfile::tempfile()?;
            file.write_all(bytes)?;
            file.rewind()?;
            Ok(file)
        };
        crate::write_view(&place, &manifest, &content).expect("a layer");
        self.store.publish_layer(&place, manifest, crate::facts::Origin::Captured).expect("a layer")
    }

    fn export(&self, layers: &[LayerDigest]) -> Result<Exported, ExportError> {
        export_tree(&self.store, layers, &self.out())
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.out().join(path)).expect("a file")
    }
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a path")
}

fn file(at: &str, content: &[u8]) -> Entry {
    let kind = Kind::File { size: content.len() as u64, content: ContentHash::of(content) };
    Entry::new(path(at), kind, 0o640)
}

fn two_layers(home: &Home) -> [LayerDigest; 2] {
    let link = Entry::new(path("a/two"), Kind::HardLink { to: path("a/one") }, 0o640);
    let lower = home.layer(vec![file("a/one", b"1"), link, file("gone/x", b"1"), file("kept", b"1")], &[b"1"]);
    let whiteout = Entry { mtime: 0, ..Entry::new(path("gone"), Kind::Whiteout, 0) };
    let symlink = Entry::new(path("link"), Kind::Symlink { target: b"kept".as_slice().into() }, 0o777);
    let upper = home.layer(vec![whiteout, symlink, file("new", b"2")], &[b"2"]);
    [lower, upper]
}

#[test]
fn stacks_are_written_as_they_show() {
    let home = Home::new();
    let layers = two_layers(&home);
    let exported = home.export(&layers).expect("an export");
    assert_eq!((exported.entries, exported.skipped), (6, vec![]));
    let stat = |path: &str| fs::symlink_metadata(home.out().join(path)).expect("metadata");
    assert_eq!(stat("a/one").ino(), stat("a/two").ino());
    assert_eq!((stat("kept").mode() & 0o7777, stat("kept").mtime()), (0o640, sinter_graph::EPOCH));
    assert_eq!((home.read("link"), home.read("new")), ("1".to_owned(), "2".to_owned()));
    assert!(!home.out().join("gone").exists());
}

#[test]
fn earlier_exports_are_replaced() {
    let home = Home::new();
    let [lower, upper] = two_layers(&home);
    home.export(&[lower, upper]).expect("an export");
    home.export(&[lower]).expect("an export over it");
    assert!(home.out().join("gone/x").exists() && !home.out().join("new").exists());
}

/// Everything that the operating system says about what was exported, by path.
fn state(home: &Home) -> Vec<(PathBuf, u64, i64, i64, u64)> {
    let (mut found, mut pending) = (Vec::new(), vec![home.out()]);
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).expect("a listing") {
            let path = entry.expect("an entry").path();
            let m = fs::symlink_metadata(&path).expect("metadata");
            if m.is_dir() {
                pending.push(path.clone());
            }
            found.push((path, m.ino(), m.ctime(), m.ctime_nsec(), m.nlink()));
        }
    }
    found.sort();
    found
}

fn contents(home: &Home) -> Vec<(PathBuf, u32, i64, Vec<u8>)> {
    let describe = |(path, ..): (PathBuf, u64, i64, i64, u64)| {
        let m = fs::symlink_metadata(&path).expect("metadata");
        let bytes = match m.file_type() {
            kind if kind.is_symlink() => fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes(),
            kind if kind.is_file() => fs::read(&path).expect("a file"),
            _ => Vec::new(),
        };
        (path.strip_prefix(home.out()).expect("below").to_owned(), m.mode(), m.mtime(), bytes)
    };
    state(home).into_iter().map(describe).collect()
}

#[test]
fn unchanged_trees_are_not_written_again() {
    let home = Home::new();
    let [lower, upper] = two_layers(&home);
    assert!(home.export(&[lower, upper]).expect("an export").changed);
    let before = state(&home);
    assert!(!home.export(&[lower, upper]).expect("an export").changed);
    assert_eq!(state(&home), before);
    let third = home.layer(vec![file("new", b"3")], &[b"3"]);
    assert!(home.export(&[lower, upper, third]).expect("an export").changed);
    let written: Vec<_> = state(&home).into_iter().filter(|now| !before.contains(now)).map(|now| now.0).collect();
    assert_eq!((written, home.read("new")), (vec![home.out().join("new")], "3".to_owned()));
}

#[test]
fn what_others_added_or_changed_is_never_touched() {
    type Edit = (&'static str, &'static str, fn(&Path));
    let edits: [Edit; 11] = [
        ("a file added", "a/mine", |out| fs::write(out.join("a/mine"), "mine").expect("an edit")),
        ("a directory added", "mine", |out| fs::create_dir(out.join("mine")).expect("an edit")),
        ("content changed", "new", |out| fs::write(out.join("new"), "!").expect("an edit")),
        ("content appended", "new", |out| fs::write(out.join("new"), "longer").expect("an edit")),
        ("mode changed", "new", |out| {
            fs::set_permissions(out.join("new"), fs::Permissions::from_mode(0o600)).expect("an edit");
        }),
        ("mode of a directory changed", "a", |out| {
            fs::set_permissions(out.join("a"), fs::Permissions::from_mode(0o700)).expect("an edit");
        }),
        ("content changed in secret", "new", |out| {
            fs::write(out.join("new"), "!").expect("an edit");
            let epoch = std::time::UNIX_EPOCH + std::time::Duration::from_secs(sinter_graph::EPOCH.unsigned_abs());
            let file = fs::File::options().write(true).open(out.join("new")).expect("a file");
            file.set_modified(epoch).expect("an edit");
        }),
        ("time changed", "new", |out| {
            let file = fs::File::options().write(true).open(out.join("new")).expect("a file");
            file.set_modified(std::time::SystemTime::now()).expect("an edit");
        }),
        ("a file replaced", "new", |out| {
            fs::remove_file(out.join("new")).expect("an edit");
            fs::write(out.join("new"), "2").expect("an edit");
        }),
        ("a link turned", "link", |out| {
            fs::remove_file(out.join("link")).expect("an edit");
            symlink("/etc", out.join("link")).expect("an edit");
        }),
        ("a directory replaced by a link", "a", |out| {
            fs::rename(out.join("a"), out.join("../a")).expect("an edit");
            symlink("../a", out.join("a")).expect("an edit");
        }),
    ];
    for (name, place, edit) in edits {
        let home = Home::new();
        let [lower, upper] = two_layers(&home);
        home.export(&[lower, upper]).expect("an export");
        edit(&home.out());
        let before = state(&home);
        for layers in [&[lower, upper][..], &[lower], &[]] {
            let error = home.export(layers).expect_err(name);
            assert!(
                matches!(&error, ExportError::NotOurs { found, .. } if found == Path::new(place)),
                "{name}: {error}"
            );
        }
        assert_eq!(state(&home), before, "{name}");
    }
}

#[test]
fn foreign_directories_are_refused() {
    let home = Home::new();
    fs::create_dir(home.out()).expect("a directory");
    fs::write(home.out().join("kept"), "mine").expect("a file");
    let error = home.export(&two_layers(&home)).expect_err("a refusal");
    assert!(matches!(error, ExportError::NotOurs { .. }), "{error}");
    assert_eq!(home.read("kept"), "mine");
}

/// Also one that got the number of the old one, with files that look like those that were written.
#[test]
fn directories_made_anew_are_foreign() {
    let home = Home::new();
    let layer = home.layer(vec![file("kept", b"1")], &[b"1"]);
    for _ in 0..8 {
        home.export(&[layer]).expect("an export");
        let copy = home.directory.path().join("copy");
        run("cp", &["-a", "out/kept", "copy"], home.directory.path());
        fs::remove_dir_all(home.out()).expect("removal");
        fs::create_dir(home.out()).expect("a directory");
        fs::rename(&copy, home.out().join("kept")).expect("a file");
        let error = home.export(&[layer]).expect_err("a refusal");
        assert!(matches!(error, ExportError::NotOurs { .. }), "{error}");
        fs::remove_dir_all(home.out()).expect("removal");
    }
}

fn run(program: &str, arguments: &[&str], directory: &Path) {
    let status = std::process::Command::new(program).args(arguments).current_dir(directory).status();
    assert!(status.expect("a program").success());
}

#[test]
fn deleted_paths_are_made_again() {
    let home = Home::new();
    let layers = two_layers(&home);
    home.export(&layers).expect("an export");
    let before = contents(&home);
    for path in ["new", "link", "a/one", "kept"] {
        fs::remove_file(home.out().join(path)).expect("removal");
    }
    assert!(home.export(&layers).expect("an export").changed);
    assert_eq!(contents(&home), before);
    fs::remove_dir_all(home.out().join("a")).expect("removal");
    home.export(&layers).expect("an export");
    assert_eq!(contents(&home), before);
    let inode = |path: &str| fs::metadata(home.out().join(path)).expect("metadata").ino();
    assert_eq!(inode("a/one"), inode("a/two"));
}

#[test]
fn paths_may_change_their_type() {
    let home = Home::new();
    let as_file = home.layer(vec![file("x", b"1"), file("y/z", b"1")], &[b"1"]);
    let as_directory = home.layer(vec![file("x/a/b", b"1"), file("y", b"1")], &[b"1"]);
    for layer in [as_file, as_directory, as_file] {
        home.export(&[layer]).expect("an export");
        assert_eq!(home.out().join("x").is_dir(), layer == as_directory);
        assert_eq!(home.out().join("y").is_dir(), layer == as_file);
        assert!(!home.export(&[layer]).expect("an export").changed);
    }
}

#[test]
fn names_of_one_file_stay_one_file() {
    let home = Home::new();
    let content = vec![7; 100_000];
    let link = |name: &str| Entry::new(path(name), Kind::HardLink { to: path("n00") }, 0o640);
    let names: Vec<String> = (0..21).map(|number| format!("n{number:02}")).collect();
    let linked = std::iter::once(file("n00", &content)).chain(names[1..].iter().map(|name| link(name)));
    let linked = home.layer(linked.collect(), &[&content]);
    let apart = home.layer(names.iter().map(|name| file(name, &content)).collect(), &[&content]);
    let count = |home: &Home| {
        let inodes: std::collections::BTreeSet<u64> = state(home).iter().map(|found| found.1).collect();
        inodes.len()
    };
    for (layer, inodes) in [(linked, 1), (apart, 21), (linked, 1)] {
        home.export(&[layer]).expect("an export");
        assert_eq!(count(&home), inodes);
        assert!(!home.export(&[layer]).expect("an export").changed);
    }
    fs::remove_file(home.out().join("n00")).expect("removal");
    home.export(&[linked]).expect("an export");
    assert_eq!((count(&home), state(&home).len()), (1, 21));
}

#[test]
fn holes_stay_holes() {
    let home = Home::new();
    let content = vec![0; 8 << 20];
    let layer = home.layer(vec![file("sparse", &content)], &[&content]);
    home.export(&[layer]).expect("an export");
    let found = fs::metadata(home.out().join("sparse")).expect("metadata");
    assert_eq!((found.len(), found.blocks()), (8 << 20, 0));
}

#[test]
fn wrong_bytes_never_leave_the_store() {
    let home = Home::new();
    let [lower, upper] = two_layers(&home);
    home.export(&[lower]).expect("an export");
    let before = state(&home);
    fs::write(home.store.unpacked_path(&upper).join("new"), "!").expect("damage");
    let error = home.export(&[lower, upper]).expect_err("a refusal");
    assert!(matches!(error, ExportError::Make(ViewError::Changed { .. })), "{error}");
    assert_eq!(state(&home), before);
}

/// An export that ends, as if killed, after some of its steps.
fn killed(home: &Home, layers: &[LayerDigest], steps: usize) {
    let tree = stacked(&home.store, layers).expect("a tree");
    let export = Export::open(&home.store, &home.out()).expect("a place");
    let memory = export.remembered().expect("a memory");
    let found = find_ours(&export.place, &memory).expect("nothing foreign");
    let plan = export.plan(&tree, &memory, &found).expect("a plan");
    let (staging, _) = export.prepare(&plan, layers).expect("files");
    if steps > 0 {
        export.announce(&plan, found).expect("a note");
    }
    if steps > 1 {
        let mut commit = Commit::new(&export.place, &plan, staging, &[]);
        commit.remove_all().expect("removals");
        commit.put_all(steps - 1).expect("files");
    }
    fs::create_dir_all(home.out().join(format!("{STAGING}killed/half"))).expect("a left-over");
}

#[test]
fn names_change_only_when_that_is_remembered() {
    let home = Home::new();
    let layers = two_layers(&home);
    let records = home.store.root().join("records/export");
    fs::remove_dir(&records).expect("removal");
    fs::write(&records, "in the way").expect("an obstacle");
    home.export(&layers).expect_err("nothing can be remembered");
    assert_eq!(state(&home), []);
}

#[test]
fn killed_exports_are_completed_by_the_next() {
    let expected = |layers: fn(&Home) -> Vec<LayerDigest>| {
        let home = Home::new();
        home.export(&layers(&home)).expect("an export");
        contents(&home)
    };
    let [lower, both] = [expected(|home| vec![two_layers(home)[0]]), expected(|home| two_layers(home).to_vec())];
    for steps in 0..10 {
        for again in [false, true] {
            let home = Home::new();
            let layers = two_layers(&home);
            home.export(&layers[..1]).expect("an export");
            killed(&home, &layers, steps);
            if again {
                killed(&home, &layers[..1], steps);
            }
            home.export(&layers).expect("an export");
            assert_eq!(contents(&home), both, "after {steps} steps");
            killed(&home, &layers[..1], steps);
            home.export(&layers[..1]).expect("an export");
            assert_eq!(contents(&home), lower, "back after {steps} steps");
        }
    }
}

#[test]
fn directories_swapped_for_links_lead_nowhere() {
    let home = Home::new();
    let [lower, upper] = two_layers(&home);
    home.export(&[lower, upper]).expect("an export");
    let place = Place::open(&home.out()).expect("a place");
    let outside = home.directory.path().join("outside");
    fs::rename(home.out().join("a"), &outside).expect("a swap");
    symlink(&outside, home.out().join("a")).expect("a swap");
    let seen = place.look(&path("a")).expect("a look").expect("a link");
    assert!(!seen.is_directory());
    assert!(place.look(&path("a/one")).is_err());
    assert!(place.remove(&path("a/one"), false).is_err());
    assert!(outside.join("one").exists());
}

#[test]
fn locked_directories_are_filled_and_changed() {
    let home = Home::new();
    let mut locked = Entry::directory(path("locked"));
    locked.mode = 0o555;
    let one = home.layer(vec![locked.clone(), file("locked/x", b"1")], &[b"1"]);
    let other = home.layer(vec![locked, file("locked/y", b"2")], &[b"2"]);
    for layer in [one, other, one] {
        home.export(&[layer]).expect("an export");
        let mode = fs::metadata(home.out().join("locked")).expect("metadata").mode();
        assert_eq!((mode & 0o7777, state(&home).len()), (0o555, 2));
    }
}
