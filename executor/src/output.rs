//! Writing the results of a build where the user wants them.

use std::io::Write;
use std::path::Path;

use sinter_graph::derivation::NodeId;
use sinter_graph::digest::LayerDigest;
use sinter_oci::{AssembledImage, Destination, LayerDescriptor, LayerError, LayerSource};
use sinter_store::{ExportError, Exported, Store, ViewError};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::Event;
use crate::record::{ImageBlobs, Known, Outcome};

/// Writes every target to every destination. That all can be written is checked before the first is.
///
/// # Errors
/// If a destination takes images only and a target is none, or if writing fails.
pub(crate) fn write_all(
    context: &Context,
    roots: &[(String, NodeId)],
    outcomes: &Known,
    destinations: &[Destination],
) -> Result<(), BuildError> {
    for (name, node) in roots {
        let is_image = outcomes[node].outcome.image.is_some();
        for destination in destinations {
            if !is_image && !matches!(destination, Destination::Directory(_)) {
                let destination = destination.to_string();
                return Err(BuildError::NotAnImage { target: name.clone(), destination });
            }
        }
    }
    for (name, node) in roots {
        for destination in destinations {
            write(context, name, &outcomes[node].outcome, &destination.for_target(name))?;
        }
    }
    Ok(())
}

fn write(context: &Context, name: &str, outcome: &Outcome, destination: &Destination) -> Result<(), BuildError> {
    let (changed, left_out) = match (destination, outcome.image) {
        (Destination::Directory(directory), _) => {
            let exported = export(context, outcome, directory)?;
            (exported.changed, exported.skipped.len())
        }
        (_, Some(image)) => {
            let assembled = assembled(context, outcome, image)?;
            (sinter_oci::write(destination, &assembled, &Layers(&context.store), name)?.changed, 0)
        }
        // Refused before anything was written.
        (_, None) => (false, 0),
    };
    let (target, destination) = (name.to_owned(), destination.to_string());
    context.listener.on(Event::Written { target, destination, changed, left_out });
    Ok(())
}

/// Every file is verified while it is copied; where one is not what its layer says, all the layers are suspected.
fn export(context: &Context, outcome: &Outcome, directory: &Path) -> Result<Exported, BuildError> {
    let layers = context.stack(outcome)?.layers();
    let exported = sinter_store::export_tree(&context.store, &layers, directory);
    if let Err(ExportError::Make(ViewError::Read { .. } | ViewError::Changed { .. })) = exported {
        context.verify(&layers)?;
    }
    Ok(exported?)
}

/// The store as the place where layers come from.
struct Layers<'a>(&'a Store);

impl LayerSource for Layers<'_> {
    fn write_layer(&self, layer: &LayerDescriptor, out: &mut dyn Write) -> Result<(), LayerError> {
        // Every layer is canonical so far, and then its blob is its content.
        let digest = LayerDigest::from_bytes(*layer.blob.as_bytes());
        self.0.write_layer(&digest, out).map_err(|error| LayerError { class: error.class(), source: Box::new(error) })
    }
}

fn assembled(context: &Context, outcome: &Outcome, image: ImageBlobs) -> Result<AssembledImage, BuildError> {
    let layers = context.stack(outcome)?.layers();
    let layers = layers
        .iter()
        .map(|&digest| Ok(LayerDescriptor::uncompressed(digest, context.store.layer_size(&digest)?)))
        .collect::<Result<Vec<_>, BuildError>>()?;
    Ok(AssembledImage {
        config: context.store.read_blob(&image.config)?,
        config_digest: image.config,
        manifest: context.store.read_blob(&image.manifest)?,
        manifest_digest: image.manifest,
        layers,
    })
}
