//! OCI images: from a configuration and layers to the bytes other tools read.
//!
//! * [`assemble`](assemble()) makes the configuration and manifest documents (OCI image-spec v1.1). Pure: the same
//!   arguments give the same bytes and so the same digest on every machine.
//! * [`check_configuration`] tells before anything is written that the image could not start. Pure too.
//! * [`Destination`] is what `-o` says, and [`write()`] puts an assembled image there: an OCI layout directory, that
//!   layout as one archive, or the archive that `docker load` reads.
//!
//! Rules: layers are never compressed here; blobs of pulled images stay what they were; layer bytes are streamed from a
//! [`LayerSource`], never held in memory; whatever is written appears under its final name only when it is whole.
//! Must not know: the language, the graph of derivations, how layers are stored or made, the terminal.

mod archive;
mod assemble;
mod canonical;
mod check;
mod collision;
mod descriptor;
mod destination;
mod error;
mod files;
mod foreign;
mod layer_source;
mod layout;
mod layout_index;
mod local;
mod note;
mod output;
mod parallel;
mod reference;
pub mod registry;
#[cfg(test)]
mod test_image;

pub use assemble::{AssembledImage, CREATED, assemble};
pub use check::{AssemblyProblem, Found, check_configuration};
pub use collision::check_collisions;
pub use descriptor::{Compression, LayerDescriptor, LayerMediaType, UnknownLayer};
pub use destination::{Destination, DestinationError, TARGET_PLACEHOLDER};
pub use error::{LayerError, OciError};
pub use foreign::{ForeignImage, ForeignImageError, ImageDocument, ImageManifest, IndexEntry, Named, choose};
pub use layer_source::LayerSource;
pub use local::{LocalError, LocalImages, Root};
pub use note::{EMPTY_DOCUMENT, LONGEST_NOTE, NOTE, Note, NotedBlob};
pub use output::write;
pub use parallel::side_by_side;
pub use reference::reference_name;
