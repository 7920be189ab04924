//! Laying out files.

use super::*;
use sinter_graph::digest::ContentHash;
use std::io::Write;
use std::os::unix::fs::MetadataExt;

fn file(path: &str, content: &[u8], mode: u32) -> Entry {
    let kind = Kind::File { size: content.len() as u64, content: ContentHash::of(content) };
    Entry::new(TreePath::new(path).expect("a path"), kind, mode)
}

fn source(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

#[test]
fn equal_files_are_two_inodes() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut locked = Entry::directory(TreePath::new("locked").expect("a path"));
    (locked.mode, locked.mtime) = (0o555, 77);
    let manifest = Manifest::new([locked, file("locked/a", b"", 0o644), file("locked/b", b"", 0o755)]);
    let place = directory.path().join("view");
    write_view(&place, &manifest, &|_| source(b"")).expect("a view");
    let stat = |path: &str| std::fs::metadata(place.join(path)).expect("metadata");
    let (a, b, locked) = (stat("locked/a"), stat("locked/b"), stat("locked"));
    assert_ne!(a.ino(), b.ino());
    assert_eq!((a.mode() & 0o7777, b.mode() & 0o7777, a.mtime()), (0o644, 0o755, sinter_graph::EPOCH));
    assert_eq!((locked.mode() & 0o7777, locked.mtime()), (0o555, 77));
    assert_eq!((stat("").mode() & 0o7777, stat("").mtime()), (0o755, sinter_graph::EPOCH));
}

#[test]
fn changed_contents_are_refused() {
    let manifest = Manifest::new([file("a", b"abc", 0o644)]);
    for bytes in ["abd", "ab", "abcd"] {
        let directory = tempfile::tempdir().expect("a directory");
        let error = write_view(directory.path(), &manifest, &|_| source(bytes.as_bytes())).expect_err(bytes);
        assert!(matches!(error, ViewError::Changed { .. }), "{error}");
    }
}

#[test]
fn links_cannot_lead_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let link = Kind::Symlink { target: directory.path().as_os_str().as_encoded_bytes().into() };
    let link = Entry::new(TreePath::new("a").expect("a path"), link, 0o777);
    let manifest = Manifest::new([link, file("a/b", b"", 0o644)]);
    let error = write_view(&directory.path().join("view"), &manifest, &|_| source(b"")).expect_err("an escape");
    assert!(matches!(error, ViewError::Manifest(_)), "{error}");
    assert!(!directory.path().join("b").exists());
}

#[test]
fn full_directories_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("file"), "x").expect("a file");
    let error = write_view(directory.path(), &Manifest::default(), &|_| source(b"")).expect_err("a refusal");
    assert!(matches!(error, ViewError::NotEmpty { .. }), "{error}");
}
