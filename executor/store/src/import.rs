//! Taking a layer in that comes as its canonical tar.
//!
//! The bytes are believed in nothing: only entries of the canonical form are made, below a directory of a workspace, and
//! the layer is published after the digest of the bytes and that of the files made of them were found to be the one that
//! was expected.
//!
//! Must not know: where the bytes come from.

use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{Mode, OFlags, openat};
use sha2::{Digest, Sha256};
use sinter_graph::digest::LayerDigest;
use sinter_graph::tree::{Entry, Kind};

use crate::archive::{ReadError, read_archive};
use crate::error::{ImportError, StoreError};
use crate::facts::Origin;
use crate::materialise::{Maker, Strictness};
use crate::store::Store;
use crate::tree_io::os_path;

impl Store {
    /// Publishes the layer whose canonical tar of `size` bytes is `bytes`.
    ///
    /// # Errors
    /// If the bytes are not the canonical tar of `expected`, or if they cannot be unpacked or published. Then nothing is
    /// published.
    pub fn import_layer(&self, bytes: &mut dyn Read, expected: LayerDigest, size: u64) -> Result<(), StoreError> {
        if self.has_layer(&expected)? {
            return Ok(());
        }
        let failed = |source| StoreError::Import { digest: expected, source };
        let workspace = self.workspace()?;
        let directory = workspace.path().join("imported");
        let mut hashing = Hashing { bytes, hasher: Sha256::new() };
        let mut maker = Maker::new(&directory, Strictness::Exact).map_err(|error| failed(error.into()))?;
        let manifest = read_archive(&mut hashing, size, &mut |entry, content| maker.receive(entry, content));
        let manifest = manifest.map_err(failed)?;
        let found = LayerDigest::from_bytes(hashing.hasher.finalize().into());
        if found != expected {
            return Err(failed(ImportError::WrongDigest { found }));
        }
        maker.finish(manifest.entries().iter()).map_err(|error| failed(error.into()))?;
        // The archive is canonical, so files that match its manifest have its digest.
        self.publish_layer(&directory, manifest, Origin::Captured).map(|_| ())
    }
}

impl Maker<'_> {
    /// Makes one entry of an archive.
    fn receive(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), ImportError> {
        let Kind::File { .. } = entry.kind else {
            return Ok(self.make(entry, || Err(io::ErrorKind::NotFound.into()))?);
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&self.root, os_path(&entry.path), flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(made.map_err(|error| self.error(entry, "create", error))?);
        let mut buffer = [0; 16 * 1024];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(self.set_metadata(&file, entry)?),
                Ok(count) => {
                    let written = io::Write::write_all(&mut file, &buffer[..count]);
                    written.map_err(|error| self.error(entry, "write", error))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Input(error).into()),
            }
        }
    }
}

/// Hashes what is read.
struct Hashing<'a> {
    bytes: &'a mut dyn Read,
    hasher: Sha256,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
