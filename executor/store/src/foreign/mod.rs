//! Layers that others made, unpacked as a function of what lies below them.
//!
//! A foreign layer is a list of changes to a directory (OCI image-spec v1.1, `layer.md`): names lead through links, a
//! hard link may name a file of a lower layer, `.wh.NAME` deletes and `.wh..wh..opq` hides what lower layers have. So it
//! means something only on its chain. What it comes to there is put into the canonical form of every other layer.
//!
//! Rules: no byte is believed before the digest of all of them is right; nothing is written outside of a workspace, under
//! names of our own until then; what is read from below is read through a lease. Times stay, in whole seconds. Must not
//! know: registries, media types, compression.

mod apply;
mod name;
mod owners;
mod read;
mod sparse;
mod staged;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use sinter_graph::FsError;
use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, LayerIndex, Manifest, Tree};

use crate::archive::ArchiveError;
use crate::dress::dress_root;
use crate::ensure::Lease;
use crate::error::{ForeignError, StoreError};
use crate::facts::Origin;
use crate::materialise::{Maker, Strictness, ViewError};
use crate::store::Store;
use apply::{Applied, Body, Source};

/// A foreign layer to unpack.
pub struct Foreign<'a> {
    /// The layers below, the bottom one first. Their bytes are asked for only where a link leads to them.
    pub below: &'a [LayerDigest],
    /// What those layers show; a layer's number in it is its place in `below`.
    pub tree: &'a Tree,
    /// The uncompressed tar.
    pub tar: &'a mut dyn Read,
    /// SHA-256 of that tar.
    pub diff_id: BlobDigest,
    /// The most bytes it may have.
    pub limit: u64,
    /// Where it comes from.
    pub origin: Origin,
}

impl Store {
    /// Unpacks a foreign layer onto what lies below and publishes the difference; `None` if there is none.
    ///
    /// # Errors
    /// If the bytes are not those of `diff_id`, hold something that cannot be part of a tree, or exceed the limit; if a layer
    /// below is gone; if the disk refuses. Nothing is published then.
    pub fn unpack_foreign(&self, foreign: Foreign<'_>) -> Result<Option<LayerDigest>, StoreError> {
        let Foreign { below, tree, tar, diff_id, limit, origin } = foreign;
        let failed = |source| StoreError::Foreign { layer: diff_id, source };
        let workspace = self.workspace()?;
        let (staged, made) = (workspace.path().join("staged"), workspace.path().join("layer"));
        for directory in [&staged, &made] {
            std::fs::create_dir(directory).map_err(|error| FsError::new(directory, "create", error))?;
            // What the directory of the store hands down would come to every file made below.
            dress_root(directory, None)?;
        }
        let mut hashing = Hashing { bytes: tar, hasher: Sha256::new(), left: limit, limit };
        let mut applied = Applied::on(tree);
        read::read(&mut hashing, &staged, limit, &mut applied).map_err(|error| failed(hashing.explain(error)))?;
        // What follows the end of the archive is part of the bytes that the digest names.
        let drained = io::copy(&mut hashing, &mut io::sink()).map_err(ForeignError::Input);
        drained.map_err(|error| failed(hashing.explain(error)))?;
        let found = BlobDigest::from_bytes(hashing.hasher.finalize().into());
        if found != diff_id {
            return Err(failed(ForeignError::WrongContent { expected: diff_id, found }));
        }
        let (manifest, bodies) = applied.finish();
        if manifest.is_empty() {
            return Ok(None);
        }
        let lease = self.ensure(&linked(&bodies, below))?;
        let bodies = Bodies { bodies, staged: &staged, lease: &lease, below };
        make(&made, &manifest, &bodies).map_err(|error| failed(error.into()))?;
        self.publish_layer(&made, manifest, origin).map(Some).map_err(|error| match error {
            StoreError::Mismatch { source: ArchiveError::Changed { path, what }, .. } => {
                failed(unholdable(&path, what))
            }
            error => error,
        })
    }
}

/// Everything was made as the manifest says, so what differs is what the disk made of it.
fn unholdable(path: &TreePath, what: &str) -> ForeignError {
    let entry = String::from_utf8_lossy(path.as_bytes()).escape_debug().to_string();
    let reason = format!("cannot be kept on the file system of the store, which changes {what}; name another --store");
    ForeignError::Entry { entry, reason }
}

/// The layers below whose files are in this layer too.
fn linked(bodies: &BTreeMap<TreePath, Body>, below: &[LayerDigest]) -> Vec<LayerDigest> {
    let lower = bodies.values().filter_map(|body| match body.source {
        Source::Lower { layer, .. } => below.get(layer.0).copied(),
        Source::Staged(_) => None,
    });
    lower.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Where the contents of the entries are.
struct Bodies<'a> {
    bodies: BTreeMap<TreePath, Body>,
    staged: &'a Path,
    lease: &'a Lease,
    below: &'a [LayerDigest],
}

impl Bodies<'_> {
    fn staged_path(&self, number: usize) -> PathBuf {
        self.staged.join(number.to_string())
    }

    fn open_lower(&self, layer: LayerIndex, carrier: &TreePath) -> io::Result<File> {
        let digest = self.below.get(layer.0).ok_or(io::ErrorKind::NotFound)?;
        let directory = self.lease.directory(digest).ok_or(io::ErrorKind::NotFound)?;
        File::open(directory.join(carrier.to_os_path()))
    }
}

/// Makes the directory of a layer. What was staged is moved to its place.
fn make(directory: &Path, manifest: &Manifest, bodies: &Bodies<'_>) -> Result<(), ViewError> {
    manifest.check()?;
    let mut maker = Maker::new(directory, Strictness::Exact)?;
    for entry in manifest.entries() {
        match bodies.bodies.get(&entry.path).map(|body| &body.source) {
            Some(Source::Staged(number)) => {
                let (from, to) = (bodies.staged_path(*number), directory.join(entry.path.to_os_path()));
                std::fs::rename(&from, &to).map_err(|error| FsError::new(&to, "create", error))?;
                maker.dress(entry)?;
            }
            Some(Source::Lower { layer, carrier }) => maker.make(entry, || bodies.open_lower(*layer, carrier))?,
            None => maker.make(entry, || Err(no_content(entry)))?,
        }
    }
    maker.finish(manifest.entries().iter())
}

fn no_content(entry: &Entry) -> io::Error {
    debug_assert!(!matches!(entry.kind, Kind::File { .. }), "every file has a body");
    io::ErrorKind::NotFound.into()
}

/// Hashes what is read, up to a limit.
struct Hashing<'a> {
    bytes: &'a mut dyn Read,
    hasher: Sha256,
    left: u64,
    limit: u64,
}

impl Hashing<'_> {
    /// An error that the limit caused says so.
    fn explain(&self, error: ForeignError) -> ForeignError {
        if self.left == 0 { ForeignError::TooMuch { limit: self.limit, what: "bytes" } } else { error }
    }
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("too much"));
        }
        let count = self.bytes.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
