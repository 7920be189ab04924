//! Writes an assembled image to its destination. Must not know: how any of the forms looks.

use crate::archive;
use crate::assemble::AssembledImage;
use crate::destination::Destination;
use crate::error::OciError;
use crate::layer_source::LayerSource;
use crate::layout;
use crate::reference::reference_name;

/// Puts `image` at `destination`, with `{target}` in the destination replaced by the name of the target, under the name
/// that [`reference_name`] makes of it. `false` if the image was there already.
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
) -> Result<bool, OciError> {
    let destination = destination.for_target(target);
    match &destination {
        Destination::OciDirectory(path) => layout::write_directory(path, image, layers, &reference_name(target)),
        Destination::OciArchive(path) => archive::write_archive(path, &archive::oci(image, target), layers),
        Destination::DockerArchive(path) => archive::write_archive(path, &archive::docker(image, target), layers),
        Destination::Directory(_) | Destination::Registry(_) => {
            Err(OciError::OtherDestination { destination: destination.to_string() })
        }
    }
}
