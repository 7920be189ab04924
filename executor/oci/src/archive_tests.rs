//! Tests of `archive`: entries, determinism, and that unchanged archives are kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use tempfile::TempDir;

use super::*;
use crate::test_image::{MemoryLayers, image};
use crate::{Destination, write};

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn unpack(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(File::open(path).expect("an archive"));
    let entries = archive.entries().expect("entries");
    entries
        .map(|entry| {
            let mut entry = entry.expect("an entry");
            let header = entry.header();
            let mode = if header.entry_type().is_dir() { 0o755 } else { 0o644 };
            let metadata = (header.mode().ok(), header.uid().ok(), header.gid().ok(), header.mtime().ok());
            assert_eq!(metadata, (Some(mode), Some(0), Some(0), Some(315_619_200)));
            let name = entry.path().expect("a path").to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("readable");
            (name, bytes)
        })
        .collect()
}

#[test]
fn oci_archive_holds_a_layout() {
    let (directory, mut layers) = (temporary(), MemoryLayers::default());
    let layer = layers.add(&[7; 1000]);
    let image = image("a", &[layer, layer]);
    let path = directory.path().join("new/web.tar");
    assert_eq!(write(&Destination::OciArchive(path.clone()), &image, &layers, "Web").ok(), Some(true));
    let mut index = LayoutIndex::new();
    index.set("web", &image);
    let blob = |hex: String| format!("blobs/sha256/{hex}");
    let expected = vec![
        ("blobs/".to_owned(), vec![]),
        ("blobs/sha256/".to_owned(), vec![]),
        ("oci-layout".to_owned(), marker()),
        ("index.json".to_owned(), index.to_bytes()),
        (blob(image.manifest_digest.hex()), image.manifest.clone()),
        (blob(image.config_digest.hex()), image.config.clone()),
        (blob(layer.blob.hex()), vec![7; 1000]),
    ];
    assert_eq!(unpack(&path), expected);
}

#[test]
fn docker_archive_names_config_and_layers() {
    let (directory, mut layers) = (temporary(), MemoryLayers::default());
    let (one, two) = (layers.add(&[1; 512]), layers.add(b""));
    let image = image("a", &[one, two, one]);
    let path = directory.path().join("{target}.tar");
    write(&Destination::DockerArchive(path), &image, &layers, "Web_1").expect("written");
    let found: BTreeMap<String, Vec<u8>> = unpack(&directory.path().join("Web_1.tar")).into_iter().collect();
    let (one, two, config) = (one.blob.hex(), two.blob.hex(), image.config_digest.hex());
    let manifest = format!(
        r#"[{{"Config":"{config}.json","Layers":["{one}.tar","{two}.tar","{one}.tar"],"RepoTags":["web_1:latest"]}}]"#
    );
    let expected = BTreeMap::from([
        ("manifest.json".to_owned(), manifest.into_bytes()),
        (format!("{config}.json"), image.config.clone()),
        (format!("{one}.tar"), vec![1; 512]),
        (format!("{two}.tar"), vec![]),
    ]);
    assert_eq!(found, expected);
}

#[test]
fn archives_have_golden_digests() {
    let mut layers = MemoryLayers::default();
    let image = image("golden", &[layers.add(b"layer"), layers.add(&[0; 2000])]);
    for (archive, golden) in [(oci(&image, "web"), GOLDEN_OCI), (docker(&image, "web"), GOLDEN_DOCKER)] {
        let mut bytes = Vec::new();
        let head = archive.head().expect("a head");
        archive.write(&head, &layers, &mut bytes, Path::new("x")).expect("written");
        assert_eq!(bytes.len() as u64, archive.size(&head));
        assert_eq!(BlobDigest::of(&bytes).to_string(), golden);
    }
}

const GOLDEN_OCI: &str = "sha256:2a66853acc9da04163af61a4ea454761a784867296fed722fb195f38d54abd0f";
const GOLDEN_DOCKER: &str = "sha256:91858d72512f6247e948f21601634db9f15d5f5979beedf4e340c8b80dadeca2";

#[test]
fn unchanged_archive_is_kept() {
    let (directory, mut layers) = (temporary(), MemoryLayers::default());
    let (first, second) = (image("a", &[layers.add(b"one")]), image("b", &[layers.add(b"two")]));
    for make in [Destination::OciArchive, Destination::DockerArchive] {
        let destination = make(directory.path().join("web.tar"));
        let changed = |image: &AssembledImage| write(&destination, image, &layers, "web");
        assert!(matches!([changed(&first), changed(&first), changed(&second)], [Ok(true), Ok(false), Ok(true)]));
        fs::write(destination.path().expect("a path"), b"cut").expect("writable");
        assert!(matches!(changed(&second), Ok(true)));
    }
}

#[test]
fn only_regular_files_are_replaced() {
    let (directory, layers) = (temporary(), MemoryLayers::default());
    let image = image("a", &[]);
    let to = |path: PathBuf| write(&Destination::OciArchive(path), &image, &layers, "web");
    assert!(matches!(to(directory.path().to_owned()), Err(OciError::NotAFile { .. })));
    assert!(matches!(to("/dev/null".into()), Err(OciError::NotAFile { .. })));
    let (link, real) = (directory.path().join("link"), directory.path().join("real"));
    fs::write(&real, b"").expect("writable");
    std::os::unix::fs::symlink("real", &link).expect("a link");
    assert!(matches!(to(link.clone()), Ok(true)));
    assert!(link.is_symlink() && fs::metadata(&real).is_ok_and(|metadata| metadata.len() > 0));
}

#[test]
fn failed_archive_leaves_the_old_file() {
    let (directory, layers) = (temporary(), MemoryLayers::default());
    let path = directory.path().join("web.tar");
    fs::write(&path, b"old").expect("writable");
    let missing = LayerDescriptor::uncompressed(sinter_graph::digest::LayerDigest::from_bytes([9; 32]), 1);
    let result = write(&Destination::DockerArchive(path.clone()), &image("a", &[missing]), &layers, "web");
    assert!(matches!(result, Err(OciError::Layer { .. })));
    assert_eq!(fs::read(&path).expect("kept"), b"old");
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 1);
}
