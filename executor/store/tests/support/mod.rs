//! Layers for tests, made from a seed.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};
use sinter_graph::digest::{ContentHash, LayerDigest};
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, Manifest};
use sinter_store::{Origin, Store, write_view};

/// A small generator, so that a failing run can be repeated (xorshift64*, Vigna 2016).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// A manifest and the contents of its files.
pub(crate) struct Sample {
    pub(crate) entries: Vec<Entry>,
    pub(crate) contents: BTreeMap<ContentHash, Vec<u8>>,
}

pub(crate) fn path(text: impl AsRef<[u8]>) -> TreePath {
    TreePath::new(text).expect("a test path")
}

impl Sample {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), contents: BTreeMap::new() }
    }

    pub(crate) fn file(&mut self, at: impl AsRef<[u8]>, content: &[u8], mode: u32) -> &mut Entry {
        let hash = ContentHash::of(content);
        self.contents.insert(hash, content.to_vec());
        self.add(at, Kind::File { size: content.len() as u64, content: hash }, mode)
    }

    pub(crate) fn add(&mut self, at: impl AsRef<[u8]>, kind: Kind, mode: u32) -> &mut Entry {
        let mut entry = Entry::new(path(at), kind, mode);
        if entry.kind == Kind::Whiteout {
            entry.mtime = 0;
        }
        self.entries.push(entry);
        self.entries.last_mut().expect("an entry was pushed")
    }

    pub(crate) fn manifest(&self) -> Manifest {
        Manifest::new(self.entries.clone())
    }

    pub(crate) fn bytes(&self, entry: &Entry) -> &[u8] {
        let Kind::File { content, .. } = &entry.kind else { panic!("no file: {entry:?}") };
        &self.contents[content]
    }

    pub(crate) fn write(&self, directory: &Path) {
        write_view(directory, &self.manifest(), &|entry| open(self.bytes(entry))).expect("a directory");
    }

    pub(crate) fn publish(&self, store: &Store) -> LayerDigest {
        let workspace = store.workspace().expect("a workspace");
        let directory = workspace.path().join("layer");
        self.write(&directory);
        store.publish_layer(&directory, self.manifest(), Origin::Captured).expect("a layer")
    }
}

/// An open file with these bytes.
pub(crate) fn open(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("sample", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// A layer of a few files that differs for every seed.
pub(crate) fn numbered(seed: u64) -> Sample {
    let mut sample = Sample::new();
    for index in 0..(3 + seed % 5) {
        let length = usize::try_from((seed * 7919 + index * 104_729) % 20_000).expect("a small number");
        sample.file(format!("usr/share/{seed}/{index}"), &vec![b'a' + (index as u8 % 26); length], 0o644);
    }
    sample.add(format!("usr/bin/link-{seed}"), Kind::Symlink { target: b"../share".as_slice().into() }, 0o777);
    sample
}

/// One entry of every kind and every way a header can overflow.
pub(crate) fn corpus() -> Sample {
    let mut sample = Sample::new();
    sample.add("", Kind::Directory, 0o700);
    sample.add("etc", Kind::Directory, 0o755);
    sample.file("etc/empty", b"", 0o644);
    sample.file("etc/shadow", b"root:*:\n", 0o640).gid = 42;
    sample.file("usr/bin/su", b"#!/bin/sh\n", 0o4755);
    sample.file("usr/bin/block", &[7; 512], 0o2755);
    sample.file("usr/bin/block-and-one", &[8; 513], 0o755);
    sample.add("usr/bin/su-too", Kind::HardLink { to: path("usr/bin/su") }, 0o4755);
    sample.add("tmp", Kind::Directory, 0o1777);
    sample.add("lib", Kind::Symlink { target: b"usr/lib".as_slice().into() }, 0o777);
    sample.add("far", Kind::Symlink { target: vec![b't'; 200].into() }, 0o777);
    sample.add("run/pipe", Kind::Fifo, 0o600);
    sample.add("dev/null", Kind::CharacterDevice { major: 1, minor: 3 }, 0o666);
    sample.add("dev/vda", Kind::BlockDevice { major: 254, minor: 1_000_000 }, 0o660);
    sample.add("var/gone", Kind::Whiteout, 0);
    sample.file("var/-early", b"sorts before .wh.", 0o644);
    sample.file(b"srv/caf\xe9", b"not UTF-8", 0o644);
    sample.file("srv/new\nline", b"odd", 0o644);
    sample.file(format!("srv/{}", "n".repeat(200)), b"long name", 0o644);
    sample.file(format!("srv/{}/{}", "d".repeat(90), "n".repeat(90)), b"split name", 0o644);
    sample.file(format!("srv/{}/f", "d/".repeat(200)).replace("//", "/"), b"deep", 0o644);
    let big = sample.file("srv/big-ids", b"ids", 0o644);
    (big.uid, big.gid) = (3_000_000, 4_000_000);
    let marked = sample.file("usr/bin/ping", b"elf", 0o755);
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    marked.xattrs.insert(b"security.capability".as_slice().into(), capability.into());
    marked.xattrs.insert(b"user.note".as_slice().into(), b"a\0=\nb".as_slice().into());
    sample
}
