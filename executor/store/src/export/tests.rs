//! Exports over nothing, over themselves, over other people's files.

use super::*;
use sinter_graph::digest::ContentHash;
use sinter_graph::tree::{Entry, Kind};
use std::io::{Seek, Write};

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
        std::fs::read_to_string(self.out().join(path)).expect("a file")
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
    let stat = |path: &str| std::fs::symlink_metadata(home.out().join(path)).expect("metadata");
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

#[test]
fn files_of_others_are_never_touched() {
    let home = Home::new();
    let layers = two_layers(&home);
    home.export(&layers).expect("an export");
    std::fs::write(home.out().join("a/mine"), "mine").expect("a file");
    let error = home.export(&layers).expect_err("a refusal");
    assert!(matches!(&error, ExportError::NotOurs { found, .. } if found == Path::new("a/mine")), "{error}");
    assert_eq!(home.read("a/mine"), "mine");
    std::fs::remove_file(home.out().join("a/mine")).expect("removal");
    home.export(&layers).expect("an export");
}

#[test]
fn foreign_directories_are_refused() {
    let home = Home::new();
    std::fs::create_dir(home.out()).expect("a directory");
    std::fs::write(home.out().join("kept"), "mine").expect("a file");
    let error = home.export(&two_layers(&home)).expect_err("a refusal");
    assert!(matches!(error, ExportError::NotOurs { .. }), "{error}");
    assert_eq!(home.read("kept"), "mine");
}

#[test]
fn interrupted_exports_are_finished_by_the_next() {
    let home = Home::new();
    let [lower, upper] = two_layers(&home);
    home.export(&[lower]).expect("an export");
    let target = Target::new(&home.store, home.out()).expect("a target");
    target.remember(&[vec![lower], vec![lower, upper]]).expect("a note");
    std::fs::create_dir_all(home.out().join(format!("{STAGING}killed/half"))).expect("a left-over");
    std::fs::write(home.out().join("new"), "2").expect("half of the second export");
    home.export(&[upper]).expect("an export");
    let mut names: Vec<_> =
        std::fs::read_dir(home.out()).expect("a listing").flatten().map(|e| e.file_name()).collect();
    names.sort();
    assert_eq!(names, ["link", "new"]);
}
