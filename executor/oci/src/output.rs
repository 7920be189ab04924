//! Writes an assembled image to its destination, and the streaming that all forms share.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::archive;
use crate::assemble::{AssembledImage, LayerDescriptor};
use crate::destination::Destination;
use crate::error::OciError;
use crate::layer_source::LayerSource;
use crate::layout;

/// What writing an image did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The directory or file that now holds the image.
    pub path: PathBuf,
    /// Whether anything was written; `false` if the image was there already.
    pub changed: bool,
}

/// Puts `image` at `destination` under the name `target`, with `{target}` in the destination replaced by that name.
/// Layers are read from `layers` only if they are not there yet.
///
/// A layer that is already there is believed by its name and size; it is not read again.
///
/// # Errors
/// If the destination holds something else, the disk is full or refuses, or a layer cannot be read. What stood at the
/// destination before still stands there.
pub fn write(
    destination: &Destination,
    image: &AssembledImage,
    layers: &dyn LayerSource,
    target: &str,
) -> Result<Written, OciError> {
    match destination.for_target(target) {
        Destination::OciDirectory(path) => layout::write_directory(path, image, layers, target),
        Destination::OciArchive(path) => archive::write_archive(path, &archive::oci(image, target), layers),
        Destination::DockerArchive(path) => archive::write_archive(path, &archive::docker(image, target), layers),
        Destination::Directory(path) => Err(OciError::TreeDestination { path }),
    }
}

/// The layers of an image in order, each once: an image may name one layer twice, a layout or archive holds it once.
pub(crate) fn distinct_layers(image: &AssembledImage) -> Vec<LayerDescriptor> {
    let mut seen = std::collections::BTreeSet::new();
    image.layers.iter().copied().filter(|layer| seen.insert(layer.digest)).collect()
}

/// Streams one layer to `out` and compares its length with the descriptor's.
pub(crate) fn stream_layer(
    layer: &LayerDescriptor,
    layers: &dyn LayerSource,
    out: &mut dyn Write,
    on_write_error: impl FnOnce(io::Error) -> OciError,
) -> Result<(), OciError> {
    let mut counted = Counted { out, bytes: 0, failure: None };
    let streamed = layers.write_layer(&layer.digest, &mut counted);
    // The store cannot know what `out` is, so an error of ours that comes back through it is taken from here.
    if let Some(failure) = counted.failure {
        return Err(on_write_error(failure));
    }
    streamed.map_err(|source| OciError::Layer { layer: layer.digest, source })?;
    if counted.bytes != layer.size {
        return Err(OciError::LayerSize { layer: layer.digest, expected: layer.size, found: counted.bytes });
    }
    Ok(())
}

struct Counted<'a> {
    out: &'a mut dyn Write,
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
