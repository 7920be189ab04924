//! Writing the results of a build where the user wants them.

use std::path::Path;

use sinter_graph::derivation::NodeId;
use sinter_oci::Destination;
use sinter_store::{ExportError, Exported, ViewError};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::Event;
use crate::image_layers::{Layers, assembled};
use crate::push::push;
use crate::record::{Known, Outcome};
use crate::work::pull::unpack_again;

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
        (Destination::Registry(_), Some(image)) => {
            let reference = destination.reference().map_err(|source| BuildError::Destination { source })?;
            (push(context, &reference, &assembled(context, image)?)?, 0)
        }
        (_, Some(image)) => {
            let layers = Layers(context);
            (sinter_oci::write(destination, &assembled(context, image)?, &layers, name)?, 0)
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
    unpack_again(context, &layers)?;
    let exported = sinter_store::export_tree(&context.store, &layers, directory);
    if let Err(ExportError::Make(ViewError::Read { .. } | ViewError::Changed { .. })) = exported {
        context.verify(&layers)?;
    }
    Ok(exported?)
}
