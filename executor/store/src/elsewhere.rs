//! Bytes of layers that are not on this disk.

use std::io::{self, Write};

use sinter_graph::digest::{BlobDigest, LayerDigest};

/// Somebody who may have the bytes of layers whose facts this store knows: a registry, another machine.
pub trait Elsewhere: Send + Sync {
    /// Writes the canonical tar of a layer to `out`; `false` if it is not there either. The bytes are verified by the
    /// store.
    ///
    /// # Errors
    /// If it is there and cannot be read, or if `out` fails.
    fn fetch(&self, layer: &LayerDigest, out: &mut dyn Write) -> io::Result<bool>;

    /// The encoded manifest of a layer, by its digest; `None` if it is not there. It is verified by the store.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    fn manifest(&self, _manifest: &BlobDigest) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}
