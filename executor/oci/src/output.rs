//! Writes an assembled image to its destination. Must not know: how any of the forms looks.

use std::path::PathBuf;

use crate::archive;
use crate::assemble::AssembledImage;
use crate::destination::Destination;
use crate::error::OciError;
use crate::layer_source::LayerSource;
use crate::layout;
use crate::reference::reference_name;

/// What writing an image did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The directory or file that now holds the image.
    pub path: PathBuf,
    /// Whether anything was written; `false` if the image was there already.
    pub changed: bool,
}

/// Puts `image` at `destination`, with `{target}` in the destination replaced by the name of the target, under the name
/// that [`reference_name`] makes of it.
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
    let destination = destination.for_target(target);
    let path = destination.path();
    let changed = match &destination {
        Destination::OciDirectory(_) => layout::write_directory(path, image, layers, &reference_name(target))?,
        Destination::OciArchive(_) => archive::write_archive(path, &archive::oci(image, target), layers)?,
        Destination::DockerArchive(_) => archive::write_archive(path, &archive::docker(image, target), layers)?,
        Destination::Directory(_) => return Err(OciError::TreeDestination { path: path.to_owned() }),
    };
    Ok(Written { path: path.to_owned(), changed })
}
