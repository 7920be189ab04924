//! Golden layers: the bytes of a fixed corpus. They change only together with `sinter_graph::SEMANTICS`.

mod support;

use std::io::Read;
use std::process::{Command, Stdio};

use sinter_graph::digest::BlobDigest;
use sinter_graph::tree::{Entry, Kind};
use sinter_store::{Store, archive_size, write_archive};
use support::{Sample, corpus, numbered};

fn tar_of(sample: &Sample) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_archive(&sample.manifest(), |entry| Ok(sample.bytes(entry)), &mut bytes).expect("an archive");
    assert_eq!(archive_size(&sample.manifest()).expect("a size"), bytes.len() as u64);
    bytes
}

#[test]
fn corpus_has_the_golden_digests() {
    let cases = [
        (Sample::new(), "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"),
        (numbered(1), "sha256:608f53de9ba324f0782f19bffce551745da7e7c3fb9787ed0cea2dc656cb6884"),
        (corpus(), "sha256:963f9dbf4708e64828f92763065e1320fda288c9eea73aea52ae006d3a2f64ae"),
    ];
    for (sample, expected) in cases {
        assert_eq!(BlobDigest::of(&tar_of(&sample)).to_string(), expected);
    }
}

#[test]
fn one_file_has_the_golden_bytes() {
    let mut sample = Sample::new();
    sample.file("bin/a", b"hello", 0o4755).uid = 7;
    let tar = tar_of(&sample);
    assert_eq!(tar.len(), 5 * 512);
    let text = |from: usize, to: usize| String::from_utf8_lossy(&tar[from..to]).into_owned();
    assert_eq!(text(0, 5), "bin/\0");
    assert_eq!(text(100, 148), "0000755\x000000000\x000000000\x0000000000000\x0002263773600\0");
    assert_eq!(text(156, 157), "5");
    assert_eq!(text(257, 265), "ustar\x0000");
    assert_eq!(text(512, 518), "bin/a\0");
    assert_eq!(text(612, 636), "0004755\x000000007\x000000000\0");
    assert_eq!(text(1024, 1030), "hello\0");
}

#[test]
fn published_corpus_has_the_digest_of_its_tar() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&directory.path().join("store")).expect("a store");
    for sample in [Sample::new(), numbered(1), corpus()] {
        let digest = sample.publish(&store);
        let expected = tar_of(&sample);
        assert_eq!(digest.as_bytes(), BlobDigest::of(&expected).as_bytes());
        assert_eq!(store.layer_size(&digest).expect("a size"), expected.len() as u64);
        let mut bytes = Vec::new();
        store.write_layer(&digest, &mut bytes).expect("bytes");
        assert_eq!(bytes, expected);
        assert_eq!(*Store::open(store.root()).expect("a store").manifest(&digest).expect("one"), sample.manifest());
    }
}

#[test]
fn tar_crate_reads_what_was_written() {
    let sample = corpus();
    let manifest = sample.manifest();
    let mut archive = tar::Archive::new(&tar_of(&sample)[..]).entries().expect("entries").count();
    assert_eq!(archive, manifest.entries().len());
    let bytes = tar_of(&sample);
    let mut reader = tar::Archive::new(&bytes[..]);
    for read in reader.entries().expect("entries") {
        archive -= 1;
        check_entry(&sample, read.expect("an entry"));
    }
    assert_eq!(archive, 0);
}

fn check_entry(sample: &Sample, mut read: tar::Entry<'_, &[u8]>) {
    let name = read.path_bytes().into_owned();
    let name = name.strip_suffix(b"/").unwrap_or(&name).to_vec();
    if name == b"var/.wh.gone" {
        assert_eq!((read.size(), read.header().mode().expect("a mode")), (0, 0));
        return;
    }
    let path = support::path(if name == b"." { b"" } else { &name[..] });
    let manifest = sample.manifest();
    let entry = manifest.get(&path).unwrap_or_else(|| panic!("{path:?} is not in the corpus"));
    assert_eq!(read.header().mode().expect("a mode"), entry.mode, "{path:?}");
    assert_eq!(read.header().mtime().expect("a time"), 315_619_200, "{path:?}");
    check_kind(sample, entry, &mut read);
    if !matches!(entry.kind, Kind::HardLink { .. }) {
        let extended = read.pax_extensions().expect("extensions").into_iter().flatten().flatten();
        let read: Vec<(Vec<u8>, Vec<u8>)> = extended
            .filter_map(|e| Some((e.key_bytes().strip_prefix(b"SCHILY.xattr.")?.to_vec(), e.value_bytes().to_vec())))
            .collect();
        let kept: Vec<(Vec<u8>, Vec<u8>)> = entry.xattrs.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        // The reader splits records at newlines, so only attributes without one can be compared.
        let plain = |list: Vec<(Vec<u8>, Vec<u8>)>| -> Vec<_> {
            list.into_iter().filter(|(name, _)| name != b"user.note").collect()
        };
        assert_eq!(plain(read), plain(kept), "{path:?}");
    }
}

fn check_kind(sample: &Sample, entry: &Entry, read: &mut tar::Entry<'_, &[u8]>) {
    let link = read.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
    match &entry.kind {
        Kind::File { .. } => {
            let mut bytes = Vec::new();
            read.read_to_end(&mut bytes).expect("bytes");
            assert_eq!(bytes, sample.bytes(entry), "{:?}", entry.path);
        }
        Kind::Symlink { target } => assert_eq!(link, target.to_vec()),
        Kind::HardLink { to } => assert_eq!(link, to.as_bytes()),
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            assert_eq!(read.header().device_major().expect("a number"), Some(*major));
            assert_eq!(read.header().device_minor().expect("a number"), Some(*minor));
        }
        _ => {}
    }
}

/// GNU tar must unpack the corpus to what the manifest says, without a word of warning.
#[test]
fn gnu_tar_unpacks_without_complaint() {
    let sample = corpus();
    let directory = tempfile::tempdir().expect("a directory");
    let options = ["--extract", "--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*"];
    let mut tar = Command::new("tar")
        .args(options)
        .arg("--directory")
        .arg(directory.path())
        .args(["--warning=all", "--warning=no-timestamp", "--file=-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("GNU tar");
    std::io::Write::write_all(&mut tar.stdin.take().expect("a pipe"), &tar_of(&sample)).expect("a write");
    let output = tar.wait_with_output().expect("an end");
    assert_eq!((String::from_utf8_lossy(&output.stderr).as_ref(), output.status.success()), ("", true));
    std::fs::remove_file(directory.path().join("var/.wh.gone")).expect("the whiteout");
    let manifest =
        sinter_store::capture(directory.path(), &sinter_store::NothingBelow, &sinter_store::CapturePolicy::ALL)
            .expect("a layer")
            .into_manifest();
    let expected = sample.manifest();
    let expected: Vec<&Entry> = expected.entries().iter().filter(|entry| entry.kind != Kind::Whiteout).collect();
    for (found, expected) in manifest.entries().iter().zip(&expected) {
        // A hard link repeats the attributes of its file.
        assert_eq!((&found.path, &found.kind, found.mode), (&expected.path, &expected.kind, expected.mode));
        assert_eq!((found.uid, found.gid, &found.xattrs), (expected.uid, expected.gid, &expected.xattrs), "{found:?}");
    }
    assert_eq!(manifest.entries().len(), expected.len());
}
