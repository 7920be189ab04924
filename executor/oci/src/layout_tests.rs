//! Tests of `layout`: what a directory holds after each way of writing into it.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::test_image::{MemoryLayers, image};
use crate::{Destination, write};

struct Fixture {
    directory: TempDir,
    layers: MemoryLayers,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory"), layers: MemoryLayers::default() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("out/layout")
    }

    fn write(&self, image: &AssembledImage, name: &str) -> Result<bool, OciError> {
        write(&Destination::OciDirectory(self.path()), image, &self.layers, name)
    }

    fn changed(&self, image: &AssembledImage, name: &str) -> bool {
        self.write(image, name).expect("written")
    }

    fn blob_path(&self, digest: impl Into<BlobDigest>) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.into().hex())
    }

    fn blobs(&self) -> BTreeSet<String> {
        names(&self.path().join("blobs/sha256")).into_iter().collect()
    }

    fn index(&self) -> Value {
        let bytes = fs::read(self.path().join("index.json")).expect("an index");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn names(&self) -> Vec<String> {
        let name = |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].to_string();
        self.index()["manifests"].as_array().expect("a list").iter().map(name).collect()
    }
}

fn names(directory: &Path) -> Vec<String> {
    Directory::open(directory).and_then(|directory| directory.names()).expect("a directory")
}

fn blobs_of(images: &[&AssembledImage]) -> BTreeSet<String> {
    let of = |image: &&AssembledImage| {
        let layers: Vec<String> = image.layers.iter().map(|layer| layer.blob.hex()).collect();
        [vec![image.manifest_digest.hex(), image.config_digest.hex()], layers].concat()
    };
    images.iter().flat_map(of).collect()
}

#[test]
fn every_file_has_golden_bytes() {
    let mut fixture = Fixture::new();
    let layer = fixture.layers.add(b"layer");
    let image = image("a", &[layer, layer]);
    assert!(fixture.changed(&image, "web"));
    let read = |name: &str| fs::read_to_string(fixture.path().join(name)).expect("a file");
    assert_eq!(read("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    let entry = format!(
        r#"{{"annotations":{{"org.opencontainers.image.ref.name":"web"}},"digest":"{}","mediaType":"application/vnd.oci.image.manifest.v1+json","size":{}}}"#,
        image.manifest_digest,
        image.manifest.len()
    );
    let index = format!(
        r#"{{"annotations":{{"sinter.layout":"1"}},"manifests":[{entry}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}}"#
    );
    assert_eq!(read("index.json"), index);
    assert_eq!(fs::read(fixture.blob_path(layer.blob)).expect("a blob"), b"layer");
    assert_eq!(fs::read(fixture.blob_path(image.manifest_digest)).expect("a blob"), image.manifest);
    assert_eq!(fs::read(fixture.blob_path(image.config_digest)).expect("a blob"), image.config);
    assert_eq!(fixture.blobs(), blobs_of(&[&image]));
    assert_eq!(fixture.layers.reads(), 1);
}

#[test]
fn unchanged_image_is_not_written_again() {
    let mut fixture = Fixture::new();
    let image = image("a", &[fixture.layers.add(b"layer")]);
    assert!(fixture.changed(&image, "web"));
    assert!(!fixture.changed(&image, "web"));
    assert_eq!(fixture.layers.reads(), 1);
}

#[test]
fn damage_that_shows_is_repaired() {
    let mut fixture = Fixture::new();
    let layer = fixture.layers.add(b"layer");
    let image = image("a", &[layer]);
    fixture.changed(&image, "web");
    let damaged = [
        fixture.blob_path(layer.blob),
        fixture.blob_path(image.config_digest),
        fixture.blob_path(image.manifest_digest),
        fixture.path().join("oci-layout"),
        fixture.path().join("index.json"),
    ];
    for file in damaged {
        let whole = fs::read(&file).expect("a file");
        fs::remove_file(&file).expect("removable");
        if file.file_name().is_some_and(|name| name != "oci-layout") {
            assert!(fixture.changed(&image, "web"), "{file:?}");
            assert_eq!(fs::read(&file).expect("a file"), whole, "{file:?}");
        } else {
            assert!(matches!(fixture.write(&image, "web"), Err(OciError::NotALayout { .. })));
            fs::write(&file, whole).expect("writable");
        }
    }
    fs::write(fixture.blob_path(layer.blob), b"lay").expect("writable");
    assert!(fixture.changed(&image, "web"));
    assert_eq!(fs::read(fixture.blob_path(layer.blob)).expect("a blob"), b"layer");
}

#[test]
fn images_of_several_targets_share_a_layout() {
    let mut fixture = Fixture::new();
    let shared = fixture.layers.add(b"shared");
    let (web, db) = (image("web", &[shared]), image("db", &[shared, fixture.layers.add(b"db")]));
    fixture.changed(&web, "web");
    fixture.changed(&db, "db");
    assert_eq!(fixture.names(), ["\"db\"", "\"web\""]);
    assert_eq!(fixture.blobs(), blobs_of(&[&web, &db]));
    assert!(!fixture.changed(&web, "web"));
    assert_eq!(fixture.layers.reads(), 2);
}

#[test]
fn names_in_a_layout_follow_the_rule() {
    let fixture = Fixture::new();
    let image = image("a", &[]);
    assert!(fixture.changed(&image, "Web__App"));
    assert!(!fixture.changed(&image, "Web__App"));
    assert_eq!(fixture.names(), ["\"web_app\""]);
}

#[test]
fn blobs_of_a_replaced_image_are_removed() {
    let mut fixture = Fixture::new();
    let shared = fixture.layers.add(b"shared");
    let (old, new) = (image("old", &[shared, fixture.layers.add(b"old")]), image("new", &[shared]));
    fixture.changed(&old, "web");
    fs::write(fixture.path().join(".sinter-0123456789abcdef.part"), b"left by a killed process").expect("writable");
    fs::write(fixture.path().join("blobs/sha256/.sinter-0123456789abcdef.part"), b"left").expect("writable");
    fs::write(fixture.path().join("blobs/sha256/notes"), b"kept").expect("writable");
    fixture.changed(&new, "web");
    let mut expected = blobs_of(&[&new]);
    expected.insert("notes".to_owned());
    assert_eq!(fixture.blobs(), expected);
    assert_eq!(fixture.names(), ["\"web\""]);
    assert!(!fixture.path().join(".sinter-0123456789abcdef.part").exists());
}

#[test]
fn nothing_is_removed_from_a_foreign_layout() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path().join("blobs/sha256")).expect("creatable");
    let stray = "ab".repeat(32);
    fs::write(fixture.path().join("blobs/sha256").join(&stray), b"foreign").expect("writable");
    fs::write(fixture.path().join("oci-layout"), r#"{ "imageLayoutVersion": "1.0.0" }"#).expect("writable");
    let foreign = format!(r#"{{"digest":"sha256:{stray}","size":7,"mediaType":"x/y","unknown":[1.5]}}"#);
    fs::write(fixture.path().join("index.json"), format!(r#"{{"schemaVersion":2,"manifests":[{foreign}]}}"#))
        .expect("writable");
    let (old, new) = (image("old", &[]), image("new", &[]));
    fixture.changed(&old, "web");
    fixture.changed(&new, "web");
    let mut expected = blobs_of(&[&old, &new]);
    expected.insert(stray);
    assert_eq!(fixture.blobs(), expected);
    let kept: Value = serde_json::from_str(&foreign).expect("JSON");
    assert!(fixture.index()["manifests"].as_array().expect("a list").contains(&kept));
}

#[test]
fn entry_that_cannot_be_followed_keeps_all_blobs() {
    let mut fixture = Fixture::new();
    let (old, new) = (image("old", &[fixture.layers.add(b"old")]), image("new", &[]));
    fixture.changed(&old, "web");
    let mut index = fixture.index();
    let stranger = json!({"digest": "sha512:00", "size": 1, "mediaType": "x/y"});
    index["manifests"].as_array_mut().expect("a list").push(stranger);
    fs::write(fixture.path().join("index.json"), index.to_string()).expect("writable");
    fixture.changed(&new, "web");
    assert_eq!(fixture.blobs(), blobs_of(&[&old, &new]));
}

#[test]
fn foreign_directories_are_refused_untouched() {
    for (files, fragment) in [
        (vec![("notes.txt", "x")], "no file `oci-layout`"),
        (vec![("oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#)], "version 2.0.0"),
        (vec![("oci-layout", "\u{1b}[31m")], "version unknown"),
        (vec![("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", "[]")], "no list `manifests`"),
        (vec![("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", "{")], "no OCI index"),
    ] {
        let fixture = Fixture::new();
        fs::create_dir_all(fixture.path()).expect("creatable");
        for (name, content) in &files {
            fs::write(fixture.path().join(name), content).expect("writable");
        }
        let message = fixture.write(&image("a", &[]), "web").map_err(|error| error.to_string());
        assert!(matches!(&message, Err(m) if m.contains(fragment)), "{files:?}: {message:?}");
        for (name, content) in &files {
            assert_eq!(fs::read_to_string(fixture.path().join(name)).expect("kept"), *content);
        }
    }
}

#[test]
fn leftovers_of_a_killed_start_are_no_obstacle() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path()).expect("creatable");
    fs::write(fixture.path().join(".sinter-0123456789abcdef.part"), b"{").expect("writable");
    let image = image("a", &[]);
    assert!(fixture.changed(&image, "web"));
    assert_eq!(fixture.blobs(), blobs_of(&[&image]));
    assert_eq!(names(&fixture.path()).len(), 3);
}

#[test]
fn failing_layers_leave_the_old_image() {
    let mut fixture = Fixture::new();
    let whole = image("whole", &[fixture.layers.add(b"whole")]);
    fixture.changed(&whole, "web");
    let before = fixture.index();
    let missing = LayerDescriptor::uncompressed(sinter_graph::digest::LayerDigest::from_bytes([9; 32]), 1);
    assert!(matches!(fixture.write(&image("a", &[missing]), "web"), Err(OciError::Layer { .. })));
    let short = LayerDescriptor { size: 99, ..fixture.layers.add(b"short") };
    let error = fixture.write(&image("b", &[short]), "web");
    assert!(matches!(error, Err(OciError::LayerSize { expected: 99, found: 5, .. })), "{error:?}");
    assert_eq!(fixture.index(), before);
    assert_eq!(fixture.blobs(), blobs_of(&[&whole]));
}

#[test]
fn destination_that_is_a_file_is_an_error() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.directory.path().join("out")).expect("creatable");
    fs::write(fixture.path(), b"a file").expect("writable");
    assert!(matches!(fixture.write(&image("a", &[]), "web"), Err(OciError::Fs(_))));
    assert_eq!(fs::read(fixture.path()).expect("kept"), b"a file");
}

#[test]
fn concurrent_writers_keep_each_others_images() {
    let mut fixture = Fixture::new();
    let shared = fixture.layers.add(&[5; 100_000]);
    let names: Vec<String> = (0..8).map(|number| format!("t{number}")).collect();
    let images: Vec<AssembledImage> = names.iter().map(|name| image(name, &[shared])).collect();
    std::thread::scope(|scope| {
        for (name, image) in names.iter().zip(&images) {
            scope.spawn(|| assert!(fixture.changed(image, name)));
        }
    });
    assert_eq!(fixture.names(), names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>());
    assert_eq!(fixture.blobs(), blobs_of(&images.iter().collect::<Vec<_>>()));
    assert_eq!(fixture.layers.reads(), 1);
}
