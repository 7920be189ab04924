//! Where layer bytes come from: the one thing this crate asks of a store.

use std::error::Error;
use std::io::Write;

use sinter_graph::ErrorClass;
use sinter_graph::digest::LayerDigest;

/// A layer that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct LayerError {
    /// Whose fault it is.
    pub class: ErrorClass,
    /// What the store said.
    pub source: Box<dyn Error + Send + Sync>,
}

/// Gives the bytes of layers.
pub trait LayerSource {
    /// Writes the canonical uncompressed tar of `layer` to `out`, verified against the digest while it is written.
    ///
    /// # Errors
    /// If the layer is not there or its bytes do not have that digest, and if `out` fails. What was written then is
    /// worthless.
    fn write_layer(&self, layer: &LayerDigest, out: &mut dyn Write) -> Result<(), LayerError>;
}
