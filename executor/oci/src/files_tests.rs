//! Tests of `files`: nothing half written stays, nothing is written through a link.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

const ABANDONED: &str = ".sinter-0123456789abcdef.part";

fn directory() -> (tempfile::TempDir, Directory) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let directory = Directory::open(place.path()).expect("a directory");
    (place, directory)
}

#[test]
fn failed_content_leaves_nothing_behind() {
    let (_place, directory) = directory();
    let full = |_: &mut dyn Write, path: &Path| Err(OciError::io("write", path)(io::ErrorKind::StorageFull.into()));
    let result = directory.write_whole("file", 0, full);
    assert!(matches!(result, Err(OciError::Fs(error)) if error.is_no_space()));
    assert_eq!(directory.names().expect("names"), Vec::<String>::new());
}

#[test]
fn links_are_replaced_not_followed() {
    let (place, directory) = directory();
    let outside = tempfile::tempdir().expect("a temporary directory");
    let victim = outside.path().join("victim");
    fs::write(&victim, "kept").expect("a file");
    symlink(&victim, place.path().join("file")).expect("a link");
    symlink(outside.path(), place.path().join("blobs")).expect("a link");
    directory.write_bytes("file", b"new").expect("written");
    assert_eq!(fs::read_to_string(&victim).expect("a file"), "kept");
    assert_eq!(fs::read_to_string(place.path().join("file")).expect("a file"), "new");
    assert!(directory.create_below("blobs").is_err() && directory.below("blobs").is_err());
}

#[test]
fn writes_go_where_the_directory_was_opened() {
    let (place, directory) = directory();
    let inner = directory.create_below("out").expect("a directory");
    fs::rename(place.path().join("out"), place.path().join("moved")).expect("a rename");
    symlink("/", place.path().join("out")).expect("a link");
    inner.write_bytes("file", b"new").expect("written");
    assert_eq!(fs::read_to_string(place.path().join("moved/file")).expect("a file"), "new");
}

#[test]
fn leftovers_of_dead_writers_are_swept() {
    let (place, directory) = directory();
    let alive = Temporary::create(&directory).expect("a temporary file");
    let name = alive.name.clone();
    let kept = [name.as_str(), ".sinter-web", ".sinter-0123456789abcdeX.part", "web", ".sinter-0000000000000000.part"];
    for name in [ABANDONED, kept[1], kept[2], kept[3]] {
        fs::write(place.path().join(name), "").expect("writable");
    }
    symlink("web", place.path().join(kept[4])).expect("a link");
    directory.sweep();
    let mut names = directory.names().expect("names");
    names.sort();
    let mut expected = kept.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(names, expected);
    drop(alive);
    assert_eq!(directory.names().expect("names").len(), kept.len() - 1);
}

#[test]
fn sweeping_writers_do_not_disturb_each_other() {
    let (_place, directory) = directory();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let directory = &directory;
            scope.spawn(move || {
                for round in 0..50 {
                    directory.write_bytes(&format!("{thread}-{round}"), b"x").expect("written");
                    directory.sweep();
                }
            });
        }
    });
    assert_eq!(directory.names().expect("names").len(), 200);
}
