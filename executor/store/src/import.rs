//! Taking in a layer from its canonical tar: what another machine, another store or a registry sends.
//!
//! Rules: every byte is hostile until the digest of what was unpacked is the one that was asked for; nothing is made
//! outside the private directory, whatever the names say. Must not know: where the bytes come from.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::{Entry, Kind, Manifest};

use crate::error::StoreError;
use crate::facts::Origin;
use crate::materialise::{Maker, Strictness, ViewError};
use crate::store::Store;
use crate::tree_io::{open_root, os_path};
use crate::unarchive::Unarchiver;

impl Store {
    /// Unpacks the canonical tar of a layer, checks that it is the one asked for, and publishes it. Does nothing if it is
    /// here already; then not all of the bytes may be read.
    ///
    /// # Errors
    /// If the bytes are not the layer, the source fails, or the disk refuses.
    pub fn import_layer(&self, bytes: &mut dyn Read, expected: LayerDigest, size: u64) -> Result<(), StoreError> {
        if self.has_layer(&expected)? {
            return Ok(());
        }
        let workspace = self.workspace()?;
        let directory = workspace.path().join("layer");
        let manifest = unpack(&mut bytes.take(size), &directory)
            .map_err(|source| StoreError::Import { digest: expected, source })?;
        self.publish_expected(&directory, manifest, Origin::Captured, &expected)
    }
}

fn unpack(bytes: &mut dyn Read, directory: &Path) -> io::Result<Manifest> {
    let mut maker = Maker::new(directory, Strictness::Exact).map_err(io_error)?;
    let root = open_root(directory)?;
    let (mut archive, mut entries, mut buffer) = (Unarchiver::new(bytes), Vec::new(), vec![0; 128 * 1024]);
    while let Some(mut entry) = archive.next()? {
        if matches!(entry.kind, Kind::File { .. }) {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = openat(&root, os_path(&entry.path), flags, Mode::RUSR | Mode::WUSR)?;
            let mut file = File::from(made);
            archive.content(&mut entry, &mut buffer, |bytes| file.write_all(bytes))?;
            maker.set_metadata(&file, &entry).map_err(io_error)?;
        } else {
            maker.make(&entry, || Err(io::Error::other("no file"))).map_err(io_error)?;
        }
        entries.push(entry);
    }
    let manifest = Manifest::new(entries);
    let directories = manifest.entries().iter().filter(|entry: &&Entry| entry.kind == Kind::Directory);
    maker.finish(directories).map_err(io_error)?;
    Ok(manifest)
}

fn io_error(error: ViewError) -> io::Error {
    match error {
        ViewError::Fs(error) => error.source,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use sinter_graph::path::TreePath;

    use super::*;
    use crate::archive::write_archive;

    /// The tar of a file `a/f`.
    fn archive() -> Vec<u8> {
        let path = |text: &str| TreePath::new(text).expect("a path");
        let content = sinter_graph::digest::ContentHash::of(b"hello");
        let manifest = Manifest::new([
            Entry::directory(path("a")),
            Entry::new(path("a/f"), Kind::File { size: 5, content }, 0o644),
        ]);
        let mut tar = Vec::new();
        write_archive(&manifest, |_| Ok(&b"hello"[..]), &mut tar).expect("a tar");
        tar
    }

    fn digest(tar: &[u8]) -> LayerDigest {
        LayerDigest::from_bytes(*sinter_graph::digest::BlobDigest::of(tar).as_bytes())
    }

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("store")).expect("a store");
        (directory, store)
    }

    #[test]
    fn only_the_bytes_asked_for_are_taken_in() {
        let (_directory, store) = store();
        let tar = archive();
        let take = |bytes: &[u8]| store.import_layer(&mut &*bytes, digest(&tar), tar.len() as u64);
        for length in [0, 100, 512, 1000, tar.len() - 1024, tar.len() - 1] {
            take(&tar[..length]).expect_err("a short tar");
        }
        for index in (0..tar.len()).step_by(7) {
            let mut bytes = tar.clone();
            bytes[index] ^= 1;
            // Padding is not looked at, and does not come back either.
            if take(&bytes).is_ok() {
                assert!(bytes.iter().zip(&tar).filter(|(new, old)| new != old).count() == 1);
            }
            assert!(store.has_layer(&digest(&tar)).is_ok());
        }
        take(&tar).expect("the layer");
        let mut out = Vec::new();
        store.write_layer(&digest(&tar), &mut out).expect("the tar");
        assert_eq!(out, tar);
    }

    #[test]
    fn hostile_names_stay_inside() {
        for name in ["../f", "a/../../f", "/etc/f", "a//f", ".", "a/.wh.", "a/.wh..wh..opq"] {
            let (directory, store) = store();
            let mut tar = archive();
            // The second header is at 512; its name is `a/f`.
            let field = &mut tar[512..612];
            field.fill(0);
            field[..name.len()].copy_from_slice(name.as_bytes());
            tar[512 + 148..512 + 156].fill(b' ');
            let sum: u32 = tar[512..1024].iter().map(|&byte| u32::from(byte)).sum();
            tar[512 + 148..512 + 155].copy_from_slice(format!("{sum:06o} ").as_bytes());
            store.import_layer(&mut &*tar, digest(&tar), tar.len() as u64).expect_err(name);
            assert!(!directory.path().join("f").exists() && !directory.path().join("store/work/f").exists(), "{name}");
        }
    }
}
