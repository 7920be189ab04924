//! Bytes of layers that are in a cache.

use std::io::{self, Write};
use std::sync::Arc;

use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_store::Elsewhere;

use super::Caches;

/// No manifest of a layer is longer: ten million entries.
const LONGEST_MANIFEST: u64 = 2 << 30;

/// The caches as a place where layers are.
pub(crate) struct CachedBytes(pub(crate) Arc<Caches>);

impl Elsewhere for CachedBytes {
    fn fetch(&self, layer: &LayerDigest, out: &mut dyn Write) -> io::Result<bool> {
        let blob = BlobDigest::from(*layer);
        let Some(mut bytes) = self.0.first(|repository| repository.blob(&blob)) else { return Ok(false) };
        io::copy(&mut bytes, out)?;
        Ok(true)
    }

    fn manifest(&self, manifest: &BlobDigest) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.first(|repository| repository.blob_up_to(manifest, LONGEST_MANIFEST)))
    }
}
