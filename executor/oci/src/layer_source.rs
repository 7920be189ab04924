//! Where layer bytes come from: the one thing this crate asks of a store, and the streaming that all forms share.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::assemble::AssembledImage;
use crate::descriptor::LayerDescriptor;
use crate::error::{LayerError, OciError};

/// Gives the bytes of layers, of several at once.
pub trait LayerSource: Sync {
    /// Writes the blob of `layer` to `out`, verified against its digest while it is written.
    ///
    /// # Errors
    /// If the layer is not there or its bytes do not have that digest, and if `out` fails. What was written then is
    /// worthless.
    fn write_layer(&self, layer: &LayerDescriptor, out: &mut dyn Write) -> Result<(), LayerError>;
}

/// The layers of an image in order, each once: an image may name one layer twice, a layout or archive holds it once.
pub(crate) fn distinct_layers(image: &AssembledImage) -> Vec<LayerDescriptor> {
    let mut seen = std::collections::BTreeSet::new();
    image.layers.iter().copied().filter(|layer| seen.insert(layer.blob)).collect()
}

/// Streams one layer to `out` and compares its length with the descriptor's. Its digest is the source's to verify: that
/// has to hash it anyway. Ends early, with some error, once `stop` is set.
pub(crate) fn stream_layer(
    layer: &LayerDescriptor,
    layers: &dyn LayerSource,
    out: &mut dyn Write,
    stop: &AtomicBool,
    on_write_error: impl FnOnce(io::Error) -> OciError,
) -> Result<(), OciError> {
    let mut counted = Counted { out, stop, bytes: 0, failure: None };
    let streamed = layers.write_layer(layer, &mut counted);
    // The store cannot know what `out` is, so an error of ours that comes back through it is taken from here.
    if let Some(failure) = counted.failure {
        return Err(on_write_error(failure));
    }
    streamed.map_err(|source| OciError::Layer { layer: layer.blob, source })?;
    if counted.bytes != layer.size {
        return Err(OciError::LayerSize { layer: layer.blob, expected: layer.size, found: counted.bytes });
    }
    Ok(())
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    stop: &'a AtomicBool,
    bytes: u64,
    failure: Option<io::Error>,
}

impl Counted<'_> {
    fn keep<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failure = Some(error);
            }
            io::Error::from(kind)
        })
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return self.keep(Err(io::Error::other("another layer failed")));
        }
        let result = self.out.write(bytes);
        let written = self.keep(result)?;
        self.bytes = self.bytes.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.out.flush();
        self.keep(result)
    }
}
