//! Layers that come as bytes: our own come out the same, and hostile ones leave nothing.

mod support;

use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_graph::tree::{Entry, Kind, Manifest};
use sinter_store::{Store, read_archive, write_archive};
use support::{Random, Sample, corpus, numbered, path};

fn tar_of(sample: &Sample) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_archive(&sample.manifest(), |entry| Ok(sample.bytes(entry)), &mut bytes).expect("an archive");
    bytes
}

fn digest_of(bytes: &[u8]) -> LayerDigest {
    LayerDigest::from_bytes(*BlobDigest::of(bytes).as_bytes())
}

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&directory.path().join("store")).expect("a store");
    (directory, store)
}

fn import(store: &Store, bytes: &[u8]) -> Result<(), String> {
    let size = bytes.len() as u64;
    store.import_layer(&mut &bytes[..], digest_of(bytes), size).map_err(|error| error.to_string())
}

/// A layer of all kinds with odd names and metadata; other names of a file repeat what it is.
fn random(seed: u64) -> Sample {
    let (mut random, mut sample) = (Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1), Sample::new());
    let mut files: Vec<Entry> = Vec::new();
    for number in 0..random.below(30) {
        let long = "x".repeat(random.below(3) as usize * 90);
        let at = format!("d{}/{}{long}-{number}", random.below(4), ["a", "b.c", "caf\u{e9}"][random.below(3) as usize]);
        let mode = random.below(0o10000) as u32;
        let entry = match random.below(9) {
            0 => sample.add(&at, Kind::Directory, mode),
            1 => sample.add(&at, Kind::Symlink { target: vec![b't'; 1 + random.below(150) as usize].into() }, 0o777),
            2 => {
                sample.add(&at, Kind::Whiteout, 0);
                continue;
            }
            3 => sample.add(&at, Kind::Fifo, mode),
            4 => sample.add(&at, Kind::CharacterDevice { major: 1, minor: 1 + random.below(200) as u32 }, mode),
            5 if !files.is_empty() => {
                let first = files[random.below(files.len() as u64) as usize].clone();
                let to = path(&at).max(first.path.clone());
                if to != first.path {
                    sample.entries.push(Entry { path: to, kind: Kind::HardLink { to: first.path.clone() }, ..first });
                }
                continue;
            }
            _ => sample.file(&at, &vec![number as u8; random.below(3000) as usize], mode),
        };
        (entry.uid, entry.gid) = (random.below(3_000_000) as u32, random.below(5) as u32);
        if matches!(entry.kind, Kind::File { .. }) {
            if random.below(3) == 0 {
                entry.xattrs.insert(b"user.note".as_slice().into(), vec![1; 1 + random.below(200) as usize].into());
            }
            files.push(entry.clone());
        }
    }
    sample
}

#[test]
fn any_layer_comes_out_as_it_went_in() {
    for seed in 1..=60 {
        let sample = random(seed);
        let (bytes, manifest) = (tar_of(&sample), sample.manifest());
        let (_directory, store) = store();
        import(&store, &bytes).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let digest = digest_of(&bytes);
        assert_eq!(*store.manifest(&digest).expect("a manifest"), manifest, "seed {seed}");
        let mut again = Vec::new();
        store.write_layer(&digest, &mut again).expect("bytes");
        assert!(again == bytes, "seed {seed}");
    }
}

#[test]
fn fixed_layers_come_out_as_they_went_in() {
    for sample in [Sample::new(), numbered(1), corpus()] {
        let (_directory, store) = store();
        let bytes = tar_of(&sample);
        import(&store, &bytes).expect("a layer");
        assert_eq!(store.layer_size(&digest_of(&bytes)).expect("a size"), bytes.len() as u64);
    }
}

/// Every cut, and every changed byte of a header, is refused, and nothing is published or left.
#[test]
fn damaged_archives_are_refused() {
    let mut sample = Sample::new();
    sample.file("a/f", b"hello", 0o644).xattrs.insert(b"user.n".as_slice().into(), b"v".as_slice().into());
    sample.add("a/g", Kind::HardLink { to: path("a/f") }, 0o644);
    let bytes = tar_of(&sample);
    let (_directory, store) = store();
    for length in (0..bytes.len()).step_by(97) {
        import(&store, &bytes[..length]).expect_err("a cut archive");
    }
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 1;
        let read = store.import_layer(&mut &damaged[..], digest_of(&bytes), bytes.len() as u64);
        assert!(read.is_err(), "byte {index}");
    }
    import(&store, &[&bytes[..], &[0; 512]].concat()).expect_err("more than the end");
    let error = store.import_layer(&mut &bytes[..], digest_of(b"other"), bytes.len() as u64).expect_err("a digest");
    assert!(error.to_string().contains("its bytes have the digest"), "{error}");
    assert!(!store.has_layer(&digest_of(&bytes)).expect("a look"));
}

/// The archive of entries in any order and shape: each is written by itself.
fn raw(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut one = Vec::new();
        let alone = Manifest::new([entry.clone()]);
        write_archive(&alone, |_| Ok(&b""[..]), &mut one).expect("an archive");
        let parents = 512 * (entry.path.ancestors().filter(|path| !path.is_root()).count());
        bytes.extend_from_slice(&one[parents..one.len() - 1024]);
    }
    bytes.extend([0; 1024]);
    bytes
}

fn entry(at: &str, kind: Kind) -> Entry {
    Entry::new(path(at), kind, 0o644)
}

fn file(at: &str) -> Entry {
    entry(at, Kind::File { size: 0, content: sinter_graph::digest::ContentHash::of(b"") })
}

#[test]
fn hostile_entries_are_refused() {
    let link = |at, target: &str| entry(at, Kind::Symlink { target: target.as_bytes().into() });
    let name = |at, to: &str| entry(at, Kind::HardLink { to: path(to) });
    let cases = [
        (vec![file("b"), file("a")], "is out of order"),
        (vec![file("a"), file("a")], "is out of order"),
        (vec![link("a", "/etc"), file("a/b")], "lacks its parent directory"),
        (vec![file("a"), file("a/b")], "lacks its parent directory"),
        (vec![file("a/b")], "lacks its parent directory"),
        (vec![link("a", "/etc"), name("b", "a/passwd")], "is a name of no earlier file"),
        (vec![name("b", "etc/passwd")], "is a name of no earlier file"),
        (vec![entry("a", Kind::Directory), name("b", "a")], "is a name of no earlier file"),
    ];
    let (_directory, store) = store();
    for (entries, expected) in cases {
        let error = import(&store, &raw(&entries)).expect_err(expected);
        assert!(error.contains(expected), "{expected}: {error}");
    }
    for odd in ["../x", "/etc/x", "a//b", "./x", ".wh..wh..opq", ".wh.", "x/"] {
        let mut bytes = raw(&[file("placeholder")]);
        bytes[..100].fill(0);
        bytes[..odd.len()].copy_from_slice(odd.as_bytes());
        fix_checksum(&mut bytes);
        import(&store, &bytes).expect_err(odd);
    }
    for (field, value) in [(124, "77777777777"), (124, "00000002000"), (100, "0170644")] {
        let mut bytes = raw(&[file("a")]);
        bytes[field..field + value.len()].copy_from_slice(value.as_bytes());
        fix_checksum(&mut bytes);
        import(&store, &bytes).expect_err(value);
    }
}

/// A size that is only claimed takes neither memory nor time.
#[test]
fn claimed_sizes_are_not_believed() {
    let mut bytes = raw(&[file("a")]);
    bytes[156] = b'x';
    bytes[124..135].copy_from_slice(b"77777777777");
    fix_checksum(&mut bytes);
    let error = read_archive::<sinter_store::ReadError>(&mut &bytes[..], u64::MAX, &mut |_, content| {
        content.read_to_end(&mut Vec::new())?;
        Ok(())
    });
    assert!(error.expect_err("a claim").to_string().contains("too long"));
}

fn fix_checksum(bytes: &mut [u8]) {
    bytes[148..156].fill(b' ');
    let sum: u64 = bytes[..512].iter().map(|&byte| u64::from(byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
